"""`rounds = n` on a prune step: prune a part, fine-tune, and again; as steps of their own.

So the store keeps every finished round, and a killed run goes on with the one under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OWN_KEYS = ("rounds", "finetune")


def expand(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The step tables that one table of a recipe stands for; itself, unless it has `rounds`.

    Round k of n leaves (1 - ratio)^(k / n) of the dense model's channels, and the same share of
    any other budget (Han et al., 2015, arXiv:1506.02626, prune and retrain in turns).
    `finetune = { epochs = 1, ... }` are the settings between rounds.

    Raises:
        ValueError: `rounds` is no positive number, or `finetune` no table.
    """
    if table.get("use") != "prune" or not set(OWN_KEYS) & set(table):
        return [dict(table)]
    rounds, between = table.get("rounds", 1), table.get("finetune", {})
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1:
        raise ValueError(f"rounds: a number from 1 up is needed (got {rounds!r})")
    if not isinstance(between, Mapping) or (between and rounds == 1):
        raise ValueError("finetune: settings between rounds, so rounds = 2 or more is needed")
    base = {key: value for key, value in table.items() if key not in OWN_KEYS}
    name, found = str(table.get("id", "prune")), []
    for number in range(1, rounds + 1):
        own = name if number == rounds else f"{name}/{number}"
        step = {**base, "id": own, "progress": number / rounds, "continues": number - 1}
        if number > 1:
            step["from"] = f"{name}/{number - 1}/finetune"
        found.append(step)
        if number < rounds:
            place = {"id": f"{own}/finetune", "use": "finetune", "from": own}
            found.append({**between, **place})
    return found
