"""Runs scenarios. `run_file` and `run_paths` are the way in."""

from scenarios.runner.files import differs_when_repeated, run_file, run_instance, run_loaded, run_paths
from scenarios.runner.results import Failure, FileResult, InstanceResult, Verdict

__all__ = [
    "Failure",
    "FileResult",
    "InstanceResult",
    "Verdict",
    "differs_when_repeated",
    "run_file",
    "run_instance",
    "run_loaded",
    "run_paths",
]
