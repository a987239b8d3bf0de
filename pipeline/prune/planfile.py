"""A plan as a file: read, checked, shown and compared, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.store import read_json

Plan = dict[str, Any]

FORMAT = 1


def read(path: Path) -> Plan:
    """A plan's file, or that of an artifact's folder.

    Raises:
        UsageError: missing, or no plan of the format this version writes.
    """
    file = path / "plan.json" if path.is_dir() else path
    plan = read_json(file)
    if plan is None:
        raise UsageError("there is no plan (or it is not JSON)", where=file)
    check(plan, file)
    return dict(plan)


def check(plan: Any, where: object = "plan") -> None:
    """Refuse what is no plan.

    Raises:
        UsageError: another format, or something is missing.
    """
    fix = "give a plan.json that a prune step wrote"
    if not isinstance(plan, Mapping) or plan.get("plan") != FORMAT:
        raise UsageError(f"this is no plan of format {FORMAT}", where=where, fix=fix)
    complete = all(
        isinstance(family, Mapping) and {"name", "width", "kept"} <= set(family)
        for family in plan.get("families", [None])
    )
    if not complete or "graph" not in plan or "settings" not in plan:
        raise UsageError("the plan is not complete", where=where, fix=fix)


def short(numbers: Sequence[int]) -> str:
    """Channels as runs for reading, both ends included: `0-3 7 9-12`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(f"{a}-{b}" if b > a else str(a) for a, b in runs)


def difference(first: Plan, second: Plan) -> dict[str, Any]:
    """What the second plan keeps or removes otherwise than the first.

    `families` is {name: {"added": channels, "removed": channels}} of those that only one of them
    keeps; a family that is in one plan alone is whole in the other. `blocks` says the same of
    residual blocks. `settings` is {key: [a, b]}.
    """
    found: dict[str, Any] = {}
    one, two = _kept(first), _kept(second)
    for name in dict.fromkeys([*one, *two]):
        width = (one.get(name) or two[name])[0]
        a = set(one[name][1]) if name in one else set(range(width))
        b = set(two[name][1]) if name in two else set(range(width))
        if a != b:
            found[name] = {"added": sorted(b - a), "removed": sorted(a - b)}
    keys = sorted({*first["settings"], *second["settings"]})
    pairs = {k: [first["settings"].get(k), second["settings"].get(k)] for k in keys}
    changed = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    return {
        "same_model": first["graph"] == second["graph"],
        "families": found,
        "blocks": {"added": sorted(_gone(first) - _gone(second)),
                   "removed": sorted(_gone(second) - _gone(first))},
        "settings": changed,
    }  # fmt: skip


def _gone(plan: Plan) -> set[str]:
    return {row["name"] for row in plan.get("blocks", ())}


def _kept(plan: Plan) -> dict[str, tuple[int, list[int]]]:
    return {f["name"]: (f["width"]["before"], list(f["kept"])) for f in plan["families"]}
