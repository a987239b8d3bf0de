"""An error of a board says what state it leaves the board in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pipeline.errors import BoardUnreachable, Refused


@contextlib.contextmanager
def left(
    state: str, fix: str | None = None, *, refused: Callable[[], str] | None = None
) -> Iterator[None]:
    """Add `state` to what goes wrong in the block, and `fix` where the line broke.

    `refused` finds out what the board is left with when it could not do what it was asked.
    """
    try:
        yield
    except BoardUnreachable as problem:
        what = f"{problem.what}; {state}"
        raise BoardUnreachable(what, where=problem.where, fix=fix or problem.fix) from None
    except Refused as problem:
        what = f"{problem.what}; {refused() if refused else state}"
        raise Refused(what, where=problem.where, fix=problem.fix) from None
