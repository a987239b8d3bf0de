"""Meters beside the board, read by this machine while the board works: one module a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.board.meters import scpi


class Meter(Protocol):
    """An open meter. Its readings are raw texts; `energy.kinds` says what they mean."""

    def identity(self) -> str:
        """Maker, model, serial number and firmware, as it tells them."""

    def read(self) -> str | None:
        """One reading; None where none came in time."""

    def problems(self) -> list[str]:
        """What the meter itself reports to have gone wrong."""

    def close(self) -> None:
        """Give the port back."""


KINDS = {"scpi": scpi.opened}


def opened(config: Mapping[str, Any]) -> Meter:
    """The meter of a lab file's `meter` table.

    Raises:
        BoardUnreachable: it cannot be opened, or does not answer.
        Refused: it does not take its setup.
    """
    return KINDS[config["kind"]](config)
