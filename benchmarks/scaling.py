"""What more workers give, beside what the machine has to give.

    python -m benchmarks.scaling

Two cores that share memory, and perhaps a physical core, are less than twice one. So the same run measures how much
work two independent searches do side by side, compared with one alone: that is what the machine offers. Then it
measures what one search does with two workers. All are on the same space; medians of several.

Both are told twice: of the search alone, when processes that have loaded everything begin it at the same moment; and of
whole processes, of which each spends some time on one core before it searches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from attrs import Factory, define

from benchmarks.engine import measure, search_together
from benchmarks.running import machine
from benchmarks.spaces import Space

SPACE = "3/2/1/0/1"  # 14,198,888 states: the search takes most of each process's time


def process_seconds(space: Space, *workers: int) -> float:
    """How long processes with so many *workers* each take, started together: until the last has ended."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(workers)) as together:
        list(together.map(lambda count: measure(space, count), workers))
    return time.perf_counter() - begin


def search_seconds(space: Space, *workers: int) -> float:
    """How long searches with so many *workers* each take, begun together: until the last has ended."""
    return max(search_together(space, *workers))


@define
class Scale:
    """What was measured one way: seconds of one alone, of two side by side, and of one with two workers."""

    name: str
    seconds_of: Callable[..., float]
    alone: list[float] = Factory(list)
    side_by_side: list[float] = Factory(list)
    shared: list[float] = Factory(list)

    def measure(self, space: Space) -> None:
        """One round."""
        self.alone.append(self.seconds_of(space, 1))
        self.side_by_side.append(self.seconds_of(space, 1, 1))
        self.shared.append(self.seconds_of(space, 2))
        last = (self.alone[-1], self.side_by_side[-1], self.shared[-1])
        print("{}: one {:.2f} s, two side by side {:.2f} s, one with two workers {:.2f} s".format(self.name, *last))

    def __str__(self) -> str:
        rounds = list(zip(self.alone, self.side_by_side, self.shared, strict=True))
        offer = statistics.median(2 * alone / side_by_side for alone, side_by_side, _ in rounds)
        reach = statistics.median(alone / shared for alone, _, shared in rounds)
        return (
            f"{self.name}: the machine offers {offer:.2f} times one core; two workers reach {reach:.2f}: "
            f"{reach / offer:.2f} of that"
        )


def main() -> None:
    """Print both, and their ratio."""
    parser = argparse.ArgumentParser(description="What two workers give, beside what the machine offers.")
    parser.add_argument("--space", default=SPACE, metavar="N/T/R/H/CR", help=f"default: {SPACE}")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the medians count (default: 3)")
    given = parser.parse_args()
    space = Space.parse(given.space)
    scales = [Scale("search", search_seconds), Scale("process", process_seconds)]
    for _ in range(given.repeat):
        for scale in scales:
            scale.measure(space)
    print(f"{space} on {machine()}")
    for scale in scales:
        print(scale)


if __name__ == "__main__":
    main()
