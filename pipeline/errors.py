"""What can go wrong outside our own code, and the exit code each kind has."""

from __future__ import annotations


class SecateurError(Exception):
    """A failure the user can mend: what happened, where, and the fix.

    Anything else that escapes is a bug of ours and keeps its traceback (exit code 1).
    """

    exit_code = 4

    def __init__(self, what: str, *, where: object = None, fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        head = what if where is None else f"{where}: {what}"
        super().__init__(f"{head}\n  fix: {fix}" if fix else head)


class UsageError(SecateurError):
    """The command line, a recipe, a target, a lab file or the data is wrong."""

    exit_code = 2


class BoardUnreachable(SecateurError):
    """No session with the board can be had, or it was lost."""

    exit_code = 3


class Refused(SecateurError):
    """The model or the board cannot do what was asked, or a proof failed."""

    exit_code = 4


class GateFailed(SecateurError):
    """Everything ran, and a measured figure misses its bound."""

    exit_code = 5
