"""The trials: so many of each kind, and from its seed everything else about a trial."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

KINDS = {
    "cut": 230,
    "black hole": 130,
    "slow link": 50,
    "disk full": 130,
    "killed sshd": 130,
    "flipped bit": 110,
    "wrong host key": 40,
    "clock jump": 90,
    "read-only": 90,
}
LARGEST = 6 << 20


@dataclass(frozen=True)
class Trial:
    """One fault at one moment of a push and publish of one payload."""

    number: int
    kind: str
    seed: int

    @cached_property
    def chance(self) -> random.Random:
        """The one source of whatever is drawn in the trial."""
        return random.Random(f"{self.seed} {self.kind} {self.number}")

    @property
    def size(self) -> int:
        """Bytes of the payload: from next to nothing to several pieces of an upload."""
        chance = random.Random(f"size {self.seed} {self.number}")
        if self.kind == "slow link":
            return chance.randrange(1000, 400_000)
        return chance.choice((
            chance.randrange(1, 60_000), chance.randrange(60_000, 1 << 20),
            chance.randrange(1 << 20, LARGEST),
        ))  # fmt: skip


def trials(seed: int) -> list[Trial]:
    """All of them, the kinds mixed, so that a part of the list is a sample of the whole."""
    kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
    random.Random(seed).shuffle(kinds)
    return [Trial(number, kind, seed) for number, kind in enumerate(kinds)]
