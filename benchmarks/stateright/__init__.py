"""Measures Stateright on `src/raft_core.rs`, which is `../tla/raft_core.tla` written as a model for it, in Rust.

cargo builds it, with the optimisations of a release; what is built stays out of the sources. By hand, in its folder:
`cargo run --release -- 3/2/2/0/0 1 depth-first`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.running import run
from benchmarks.spaces import Counts, Measurement, Space, Unavailable

FOLDER = Path(__file__).parent
BUILT = Path(tempfile.gettempdir()) / "raftframe-stateright"


def find(workers: int) -> Callable[[Space], Measurement]:
    """Stateright as something that measures a space, built if it is not yet. Raises `Unavailable`."""
    program = build()
    return lambda space: measure(space, program, workers)


def build() -> Path:
    """The compiled model. Raises `Unavailable` if there is no cargo, or cargo can't build it."""
    if shutil.which("cargo") is None:
        raise Unavailable("Stateright needs Rust, and there is no `cargo` on the path")
    command = ["cargo", "build", "--release", "--quiet", "--target-dir", str(BUILT)]
    ended = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Unavailable(f"Stateright can't be built here; cargo says:\n{ended.stderr.strip()}")
    return BUILT / "release" / "raft_core"


def measure(space: Space, program: Path, workers: int) -> Measurement:
    """One run of Stateright on *space*. With several workers it has no exact depth. Raises RuntimeError if it fails."""
    ended = run([str(program), str(space), str(workers)], FOLDER)
    if ended.exit_code:
        raise RuntimeError(f"Stateright exited with {ended.exit_code}:\n{ended.output}")
    told = json.loads(ended.output.splitlines()[-1])
    search_seconds = told.pop("seconds")
    return Measurement(Counts(**told), ended.seconds, ended.processor_seconds, ended.peak_bytes, search_seconds)
