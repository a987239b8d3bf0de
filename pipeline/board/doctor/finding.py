"""One line of what the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """`fail`: nothing can be measured so; `warn`: the figures suffer, or there are fewer.

    `exit_code` is that of a failure: 3 where the board cannot be reached, else 4.
    """

    check: str
    state: State
    said: str
    fix: str = ""
    exit_code: int = 4
