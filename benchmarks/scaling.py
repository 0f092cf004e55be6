"""What more workers give, beside what the machine has to give.

    python -m benchmarks.scaling

Two cores that share memory, and perhaps a physical core, are less than twice one. So the same run measures how much
work two independent searches do side by side, compared with one alone: that is what the machine offers. Then it
measures what one search does with two workers. All are whole processes on the same space; medians of several.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.engine import measure
from benchmarks.running import machine
from benchmarks.spaces import Space

SPACE = "3/2/1/0/1"  # 14,198,888 states: the search takes most of each process's time


def seconds_of(space: Space, *workers: int) -> float:
    """How long searches with so many *workers* each take, when they begin together: until the last has ended."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(workers)) as together:
        list(together.map(lambda count: measure(space, count), workers))
    return time.perf_counter() - begin


def main() -> None:
    """Print both, and their ratio."""
    parser = argparse.ArgumentParser(description="What two workers give, beside what the machine offers.")
    parser.add_argument("--space", default=SPACE, metavar="N/T/R/H/CR", help=f"default: {SPACE}")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the medians count (default: 3)")
    given = parser.parse_args()
    space = Space.parse(given.space)
    offered: list[float] = []
    reached: list[float] = []
    for _ in range(given.repeat):
        alone, side_by_side, shared = seconds_of(space, 1), seconds_of(space, 1, 1), seconds_of(space, 2)
        offered.append(2 * alone / side_by_side)
        reached.append(alone / shared)
        print(f"one {alone:.2f} s, two side by side {side_by_side:.2f} s, one with two workers {shared:.2f} s")
    offer, reach = statistics.median(offered), statistics.median(reached)
    print(f"{space} on {machine()}")
    print(f"the machine offers {offer:.2f} times one core; two workers reach {reach:.2f}: {reach / offer:.2f} of that")


if __name__ == "__main__":
    main()
