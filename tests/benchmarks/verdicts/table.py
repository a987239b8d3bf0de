"""The benchmark's results as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from tests.benchmarks.verdicts.simulate import Line

OURS = "Secateur"


def by_world(lines: Sequence[Line]) -> str:
    """False alarms on equal arms / effects of 2 % found, by rule; then ours alone."""
    rules = list(lines[0].false)
    head = ["world", *rules, "covers", "EQUIVALENT", "falsely so"]
    rows = [[line.world, *_shares(line, rules), *_own(line)] for line in [*lines, total(lines)]]
    return _markdown(head, rows)


def by_pairs(others: Mapping[int, Sequence[Line]]) -> str:
    """Our rule at other numbers of pairs: the mean of all worlds, and the worst one."""
    head = ["pairs", "false", "worst world", "found", "covers", "falsely EQUIVALENT"]
    rows = []
    for pairs, lines in others.items():
        whole, worst = total(lines), max(lines, key=lambda line: line.false[OURS])
        rows.append([
            str(pairs), _percent(whole.false[OURS]),
            f"{_percent(worst.false[OURS])} {worst.world}",
            _percent(whole.found[OURS]), _percent(whole.covered),
            _percent(whole.falsely_equivalent),
        ])  # fmt: skip
    return _markdown(head, rows)


def by_arms(alarms: Sequence[tuple[float, float]]) -> str:
    """Sessions of four equal arms with any false verdict: mean and worst of all worlds."""
    columns = list(zip(*alarms, strict=True))
    rows = [
        [name, _percent(statistics.fmean(shares)), _percent(max(shares))]
        for name, shares in zip(("with Holm", "without"), columns, strict=True)
    ]
    return _markdown(["four equal arms, 10 pairs", "any false", "worst world"], rows)


def total(lines: Sequence[Line]) -> Line:
    """The mean over worlds."""
    mean = statistics.fmean
    return Line(
        "all",
        {rule: mean(line.false[rule] for line in lines) for rule in lines[0].false},
        {rule: mean(line.found[rule] for line in lines) for rule in lines[0].found},
        mean(line.wrong_way for line in lines),
        mean(line.covered for line in lines),
        mean(line.equivalent for line in lines),
        mean(line.falsely_equivalent for line in lines),
    )


def short(line: Line) -> str:
    """One line of progress."""
    return f"{line.world}: false {_percent(line.false[OURS])}, found {_percent(line.found[OURS])}"


def missed(lines: Sequence[Line], limits: Mapping[str, float]) -> list[str]:
    """What our rule does not keep, over all worlds."""
    whole = total(lines)
    said = []
    if whole.false[OURS] > limits["false"]:
        said.append(f"false alarms {_percent(whole.false[OURS])} of {_percent(limits['false'])}")
    if whole.found[OURS] < limits["found"]:
        said.append(f"found {_percent(whole.found[OURS])} of {_percent(limits['found'])}")
    return said


def _shares(line: Line, rules: Sequence[str]) -> list[str]:
    return [f"{_percent(line.false[rule])} / {_percent(line.found[rule])}" for rule in rules]


def _own(line: Line) -> list[str]:
    return [_percent(x) for x in (line.covered, line.equivalent, line.falsely_equivalent)]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
