"""Runs scenarios. `run_file` and `run_paths` are the way in."""

from scenarios.runner.files import FileResult, run_file, run_instance, run_paths
from scenarios.runner.results import Failure, InstanceResult, Verdict

__all__ = ["Failure", "FileResult", "InstanceResult", "Verdict", "run_file", "run_instance", "run_paths"]
