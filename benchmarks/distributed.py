"""What a search by workers of a Ray cluster takes, beside one by as many threads, and what each worker holds and sends.

    python -m benchmarks.distributed

Both run on this machine, in turn, each in a process of its own, and must find the same. So this is what the division
costs: the cluster is one machine, the workers have its cores, and what they send goes through its memory. Medians of
several; seconds are of the search, and start-up is told apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.engine import ROOT
from benchmarks.running import machine, run
from benchmarks.spaces import Space

SPACE = "3/2/1/0/0"  # 3,378,034 states
MIB = 1 << 20


def search(space: Space, workers: int, engine: str) -> dict[str, Any]:
    """What one search told."""
    words = [sys.executable, "-m", "benchmarks.engine", str(space), "--workers", str(workers), "--engine", engine]
    ended = run(words, ROOT)
    if ended.exit_code:
        raise RuntimeError(f"the engine exited with {ended.exit_code}:\n{ended.output}")
    told: dict[str, Any] = json.loads(ended.output.splitlines()[-1])
    return told


def holdings_text(told: dict[str, Any]) -> str:
    """What the workers of a search held and sent, by the state and by the transition."""
    holdings, counts = told["holdings"], told["counts"]

    def bytes_a_state(name: str) -> float:
        return float(sum(holding[name] for holding in holdings) / counts["states"])

    def most(name: str) -> float:
        return float(max(holding[name] for holding in holdings) / MIB)

    sent = sum(holding["sent_bytes"] for holding in holdings)
    shares = ", ".join(f"{holding['states']:,}" for holding in holdings)
    return (
        f"states of each worker: {shares}\n"
        f"sent from one to another: {sent / counts['states']:.1f} bytes a state, "
        f"{sent / counts['transitions']:.1f} a transition\n"
        f"visited: {bytes_a_state('visited_bytes'):.1f} bytes a state; links on disk: "
        f"{bytes_a_state('link_bytes'):.1f}\n"
        f"visited and levels: at most {most('peak_bytes'):,.0f} MiB a worker; its process: "
        f"{most('resident_bytes'):,.0f} MiB"
    )


def ratio_text(local: Sequence[dict[str, Any]], ray: Sequence[dict[str, Any]], workers: int) -> str:
    """The medians, and the median of the ratios of each round."""

    def median(told: Sequence[dict[str, Any]], name: str) -> float:
        return float(statistics.median(one[name] for one in told))

    ratio = statistics.median(one["seconds"] / other["seconds"] for one, other in zip(ray, local, strict=True))
    return (
        f"local, {workers} threads: {median(local, 'seconds'):.2f} s\n"
        f"ray, {workers} workers: {median(ray, 'seconds'):.2f} s, {ratio:.2f} times as long, after "
        f"{median(ray, 'compile_seconds'):.1f} s to start the cluster and the workers"
    )


def main() -> None:
    """Measure, and print what came of it."""
    parser = argparse.ArgumentParser(description="A search by workers of a Ray cluster, beside one by threads.")
    parser.add_argument("--space", type=Space.parse, default=Space.parse(SPACE), help=f"default: {SPACE}")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the medians count (default: 3)")
    given = parser.parse_args()
    local, ray = [], []
    for _ in range(given.repeat):
        local.append(search(given.space, given.workers, "local"))
        ray.append(search(given.space, given.workers, "ray"))
        if local[-1]["counts"] != ray[-1]["counts"]:
            raise RuntimeError(f"the two differ: {local[-1]['counts']} and {ray[-1]['counts']}")
    print(f"{given.space}: {ray[-1]['counts']['states']:,} states, on {machine()}")
    print(ratio_text(local, ray, given.workers))
    print(holdings_text(ray[-1]))


if __name__ == "__main__":
    main()
