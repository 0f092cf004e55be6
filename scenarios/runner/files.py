"""From files to results: load, run every instance, give the verdicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

from attrs import evolve

from checker.runs.trace import Violation
from scenarios.language.diagnostics import Diagnostic, Severity
from scenarios.language.features import INVARIANTS
from scenarios.language.loaded import Instance, KnownBug, LoadedFile
from scenarios.language.terms import Span
from scenarios.runner.cluster import SimCluster
from scenarios.runner.cluster_api import Cluster
from scenarios.runner.errors import ActionError, SetupError
from scenarios.runner.reporting import Reporter, Sources
from scenarios.runner.results import Failure, FileResult, InstanceResult, Verdict
from scenarios.runner.run import Recording, Run, StopRun
from scenarios.runner.setup import Setup, setup_of, title_of

Select = Callable[[Instance], bool]


def _sim(setup: Setup, title: str) -> Cluster:
    return SimCluster(setup, title=title)


def _threads(setup: Setup, title: str) -> Cluster:
    from scenarios.runner.threads import ThreadCluster  # other modes need none of it

    return ThreadCluster(setup, title=title)


def _udp(setup: Setup, title: str) -> Cluster:
    from scenarios.runner.udp import UdpCluster  # other modes need none of it

    return UdpCluster(setup, title=title)


CLUSTERS: Mapping[str, Callable[[Setup, str], Cluster]] = {"sim": _sim, "threads": _threads, "udp": _udp}
"""What a scenario runs on, by mode."""


def run_file(
    path: str | Path,
    mode: str = "sim",
    *,
    seed: int | None = None,
    state_map: str | None = None,
    select: Select | None = None,
    to_line: int | None = None,
    update: bool = False,
) -> FileResult:
    """Run the instances of the file at *path* that *select* picks (None: all).

    *seed* and *state_map* outweigh the header; *to_line* stops in front of the first line behind it; *update* rewrites
    golden lines in place. Raises ValueError for a mode that this runner does not have.
    """
    from scenarios.language.loader import load  # slow to import: lark

    if mode not in CLUSTERS:
        raise ValueError(f"this runner knows the modes {', '.join(CLUSTERS)}, not {mode!r}")
    loaded = load(path, mode=mode)
    return run_loaded(
        loaded,
        seed=seed,
        state_map=state_map,
        select=select,
        to_line=to_line,
        update=update,
    )


def run_paths(paths: Iterable[str | Path], **options: object) -> Iterator[FileResult]:
    """`run_file` for each file, and for each `*.scenario` file below each folder, sorted; libraries are left out."""
    for path in paths:
        files = sorted(Path(path).rglob("*.scenario")) if Path(path).is_dir() else [Path(path)]
        for file in files:
            result = run_file(file, **options)  # type: ignore[arg-type]  # the same options
            if result.instances or result.errors:
                yield result


def run_loaded(
    loaded: LoadedFile, *, update: bool = False, select: Select | None = None, **options: object
) -> FileResult:
    """Run a file that is loaded already; *options* as of `run_file`."""
    chosen = [instance for instance in loaded.instances if select is None or select(instance)]
    sources = Sources({loaded.path: loaded.text.splitlines()})
    results, recordings = [], []
    for instance in chosen:
        result, run = _run(instance, sources, **options)  # type: ignore[arg-type]  # the same options
        results.append(result)
        recordings += run.recordings if run is not None else []
    if update:
        _update(loaded.path, recordings)
        results = [_without_golden(result) for result in results]
    return FileResult(loaded.path, tuple(results), loaded.diagnostics)


def run_instance(
    instance: Instance,
    *,
    seed: int | None = None,
    state_map: str | None = None,
    to_line: int | None = None,
    text: str | None = None,
) -> InstanceResult:
    """Run one instance; *text* is its file's, for messages (None: it is read)."""
    sources = Sources({} if text is None else {instance.path: text.splitlines()})
    result, _ = _run(instance, sources, seed=seed, state_map=state_map, to_line=to_line)
    return result


def differs_when_repeated(instance: Instance, **options: object) -> str | None:
    """`--twice`: run *instance* twice; the first line in which the two step logs differ, byte by byte, or None."""
    first, second = (run_instance(instance, **options) for _ in range(2))  # type: ignore[arg-type]  # the same options
    for one, other in zip(first.log, second.log, strict=False):
        if one.encode() != other.encode():
            return f"first run:  {one}\nsecond run: {other}"
    if len(first.log) != len(second.log):
        return f"the first run has {len(first.log)} lines of log, the second {len(second.log)}"
    return None


def _run(
    instance: Instance,
    sources: Sources,
    *,
    seed: int | None = None,
    state_map: str | None = None,
    to_line: int | None = None,
) -> tuple[InstanceResult, Run | None]:
    begun = time.perf_counter()
    reason = instance.skip_reason
    if reason is not None:
        return InstanceResult(id=instance.id, verdict=Verdict.SKIP, reason=reason), None
    try:
        setup = setup_of(instance, seed=seed, state_map=state_map)
        reason = setup.problem_in(instance.mode)
        if reason is not None:
            return InstanceResult(id=instance.id, verdict=Verdict.SKIP, reason=reason), None
        cluster = CLUSTERS[instance.mode](setup, title_of(instance.header, instance.path))
    except (SetupError, ActionError) as error:
        span = Span(instance.path, 1, 1, 1)
        found = Diagnostic(Severity.FAILED, str(error), span, sources.line(span), binding=instance.binding)
        failure = Failure("setup", 1, 0, found)
        return InstanceResult(id=instance.id, verdict=Verdict.FAIL, failures=(failure,)), None
    with closing(cluster):
        reporter = Reporter(sources, cluster, instance.binding, instance.id, seed, state_map)
        run = Run(instance, setup, cluster, reporter, to_line=to_line)
        with suppress(StopRun):
            run.carry_out(instance.statements)
            if to_line is None:
                run.finish()
    return _result(run, time.perf_counter() - begun, partial=to_line is not None), run


def _result(run: Run, seconds: float, *, partial: bool) -> InstanceResult:
    verdict, reason, failures = _verdict(run, partial)
    cluster = run.cluster
    violation = None
    if failures:
        first = failures[0]
        violation = Violation(first.check, first.diagnostic.label or first.diagnostic.message, first.step)
    about = {"scenario": run.instance.id, "mode": cluster.mode, "seed": str(run.setup.seed)}
    return InstanceResult(
        id=run.instance.id,
        verdict=verdict,
        reason=reason,
        failures=failures,
        warnings=tuple(run.warnings),
        trace=cluster.journal.trace(violation, about),
        elementary=tuple(cluster.journal.elementary),
        marks={name: tuple(sorted(marks)) for name, marks in cluster.marks.items()},
        seconds=seconds,
        steps=cluster.step_count,
        ignored=tuple(cluster.ignored),
        injected=run.injected,
        explorations=tuple(run.explorations),
        shown=tuple(line for recording in run.recordings for line in recording.lines),
        transcript=tuple(run.transcript),
    )


def _verdict(run: Run, partial: bool) -> tuple[Verdict, str, tuple[Failure, ...]]:
    known = run.instance.header.known_bug
    failures = tuple(run.failures)
    if known is not None and not partial:
        return _known_bug(run, known, failures)
    if failures:
        return Verdict.FAIL, "", failures
    cut = [one for one in run.explorations if not one.complete]
    if cut:
        reasons = ", ".join(f"`{one.name}` (line {one.line}) was cut by {one.cut_by}" for one in cut)
        return Verdict.UNKNOWN, reasons, ()
    return Verdict.PASS, "", ()


def _known_bug(run: Run, known: KnownBug, failures: tuple[Failure, ...]) -> tuple[Verdict, str, tuple[Failure, ...]]:
    """Strict: the check that is named must fail, and nothing else but other invariants, which one bug often breaks."""
    name = known.invariant if known.invariant is not None else f"line {known.line}"
    named = [each for each in failures if each.check == known.invariant or each.line == known.line]
    others = [each for each in failures if each not in named and each.check not in INVARIANTS]
    if named and not others:
        return Verdict.KNOWN_BUG, f"{name}: {known.text}", failures
    if failures:
        other = (others or failures)[0]
        also = ", and it did" if named else ""
        message = f"known-bug: {name} was to fail{also}, but {other.check} (line {other.line}) failed as well"
    else:
        message = f"known-bug: {name} was to fail, but everything passes: remove the mark"
    span = known.span
    found = Diagnostic(Severity.FAILED, message, span, run.reporter.sources.line(span), binding=run.instance.binding)
    return Verdict.FAIL, message, (Failure("known-bug", span.line, run.cluster.step_count, found), *failures)


# --- golden lines ----------------------------------------------------------------------------------------------------


def _update(path: str, recordings: Collection[Recording]) -> None:
    """Write what each `show` with golden lines printed into the file, below it; the first instance decides."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    wanted: dict[int, Recording] = {}
    for recording in recordings:
        span = recording.statement.span
        if recording.statement.golden is not None and span.path == path:
            wanted.setdefault(span.line, recording)
    for number in sorted(wanted, reverse=True):
        end = number
        while end < len(lines) and lines[end].lstrip().startswith("|"):
            end += 1
        indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())] if end > number else "  "
        lines[number:end] = [f"{indent}| {line}" for line in wanted[number].lines]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _without_golden(result: InstanceResult) -> InstanceResult:
    """After an update, differences in golden lines are no failures."""
    left = tuple(failure for failure in result.failures if failure.check != "golden")
    if left or result.verdict is not Verdict.FAIL:
        return evolve(result, failures=left)
    return evolve(result, failures=(), verdict=Verdict.PASS)
