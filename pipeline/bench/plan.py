"""The order in which a session starts its processes.

Each block runs every arm once, in random order, and is followed by its mirror image: ABBA or BAAB
for two arms. Every arm then has the same mean position within a block and its mirror, so a drift
that is linear in time (a board that warms up) cancels in the comparison (Cox, Planning of
Experiments, 1958, ch. 3 and 14).
"""

from __future__ import annotations

import random


def session_order(arms: int, processes: int, seed: int) -> list[int]:
    """Arm index of every process of a session, in the order they run.

    An odd number of `processes` (per arm) leaves the last block without its mirror.
    """
    chance = random.Random(seed)  # noqa: S311 - an experiment's plan, not a secret
    order: list[int] = []
    for block in range(processes):
        if block % 2:
            order += reversed(order[-arms:])
        else:
            order += chance.sample(range(arms), arms)
    return order


def session_pairs(order: list[int], baseline: int, candidate: int) -> list[tuple[int, int]]:
    """Positions in `order` of the processes that are compared: both arms of each block."""
    first, second = (_positions(order, arm) for arm in (baseline, candidate))
    return list(zip(first, second, strict=True))


def _positions(order: list[int], arm: int) -> list[int]:
    return [position for position, value in enumerate(order) if value == arm]
