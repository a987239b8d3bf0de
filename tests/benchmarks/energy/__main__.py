"""`make benchmark-energy`: how often the stated interval of an energy holds the truth.

Seeded, a minute or two; the last line says whether 93 to 97 % of the intervals do.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

from tests.benchmarks.energy.power import SHAPES
from tests.benchmarks.energy.run import METERS, Outcome, run

RUNS = 1000
WANTED = (0.93, 0.97)


def main() -> int:
    """Run, print the table, exit 0 where both figures are covered as often as stated."""
    parser = argparse.ArgumentParser(prog="benchmark-energy")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.runs)
    with ProcessPoolExecutor(options.jobs) as pool:
        found = list(chain.from_iterable(pool.map(run, seeds, chunksize=10)))
    print(f"{options.runs} runs, 10 s windows: intervals that hold the truth, and their half width")
    print(f"{'':14}{'gross':>10}{'net':>10}{'u gross':>10}{'u net':>10}{'no figure':>11}")
    for name in SHAPES:
        print(line(name, (o for o in found if o.shape == name)))
    print()
    for name in METERS:
        print(line(name, (o for o in found if o.meter == name)))
    print()
    print(line("all", found))
    rates = [covered(found, figure) for figure in ("gross", "net")]
    held = all(WANTED[0] <= rate <= WANTED[1] for rate in rates)
    print(f"{'covered as stated' if held else 'NOT covered as stated'} (93 to 97 %)")
    return 0 if held else 1


def line(name: str, outcomes: Iterable[Outcome]) -> str:
    """One row of the table; half widths as medians, relative to the truth."""
    found = list(outcomes)
    missing = sum(1 for o in found if o.value is None) // 2
    cells = [f"{covered(found, figure):10.1%}" for figure in ("gross", "net")]
    cells += [f"{median(found, figure, width):10.2%}" for figure in ("gross", "net")]
    return f"{name:14}{''.join(cells)}{missing:11d}"


def covered(found: Iterable[Outcome], figure: str) -> float:
    """Share of the figures whose interval holds the truth; no figure is no interval."""
    given = [o.covers for o in found if o.figure == figure and o.value is not None]
    return sum(given) / len(given) if given else float("nan")


def width(outcome: Outcome) -> float:
    """Half width over truth."""
    return outcome.half / abs(outcome.truth)


def median(found: Iterable[Outcome], figure: str, of: Callable[[Outcome], float]) -> float:
    """Over the outcomes that have a figure."""
    given = [of(o) for o in found if o.figure == figure and o.value is not None]
    return statistics.median(given) if given else float("nan")


if __name__ == "__main__":
    sys.exit(main())
