"""Instruments that speak SCPI (IEEE 488.2 and SCPI-1999): bench meters and power supplies."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.board.meters.link import Link, connect
from pipeline.errors import BoardUnreachable, Refused

MOST_ERRORS = 32


class Scpi:
    """One instrument on a line. A late answer is never taken for the next one's."""

    def __init__(self, link: Link, *, where: str, query: Sequence[str], timeout_s: float) -> None:
        self._link, self._where = link, where
        self._query, self._timeout_s = query, timeout_s
        self._name, self._behind, self._asked = "", False, False

    def prepare(self, setup: Sequence[str]) -> None:
        """See who answers, clear its errors, and send the setup. Raises as `opened` does."""
        try:
            self._link.discard()
            self._name = self._ask("*IDN?")
            for command in ("*CLS", *setup):
                self._link.write(command)
            problems = self.problems()
            reading = self.read()
        except TimeoutError:
            raise BoardUnreachable(
                f"the meter does not answer *IDN? within {self._timeout_s:g} s",
                where=self._where,
                fix="see that it is on, its baud rate, and that it speaks SCPI",
            ) from None
        except OSError as problem:
            raise self._lost(problem) from None
        if problems or reading is None:
            self._refuse(problems or [*self.problems(), "no answer"])

    def identity(self) -> str:
        """The answer to `*IDN?`."""
        return self._name

    def read(self) -> str | None:
        """The answers to the query, with blanks between; None where they did not come in time."""
        try:
            if self._behind:
                self._catch_up()
            return " ".join([self._ask(text) for text in self._query])
        except TimeoutError:
            self._behind = True
            return None

    def problems(self) -> list[str]:
        """The error queue, emptied, without its last entry `0,"No error"`."""
        found: list[str] = []
        with contextlib.suppress(TimeoutError):
            while len(found) < MOST_ERRORS:
                entry = self._ask("SYST:ERR?")
                if entry.split(",")[0].strip().lstrip("+-") in ("0", ""):
                    break
                found.append(entry)
        return found

    def close(self) -> None:
        """Give the port back."""
        self._link.close()

    def _ask(self, query: str) -> str:
        self._link.write(query)
        return self._link.read_line(self._timeout_s)

    def _catch_up(self) -> None:
        """After a missed answer: ask for the name, once, and drop all that comes before it."""
        if not self._asked:
            self._link.write("*IDN?")
            self._asked = True
        while self._link.read_line(self._timeout_s) != self._name:
            pass
        self._behind = self._asked = False

    def _refuse(self, problems: Sequence[str]) -> None:
        raise Refused(
            f"the meter {self._name} reports {'; '.join(problems)}", where=self._where,
            fix="see `meter.query` and `meter.setup` in the lab file against its manual",
        )  # fmt: skip

    def _lost(self, problem: OSError) -> BoardUnreachable:
        fix = "see the cable and that nothing else has the port open"
        return BoardUnreachable(f"the meter's line broke: {problem}", where=self._where, fix=fix)


def opened(config: Mapping[str, Any]) -> Scpi:
    """An instrument that answered and took its setup.

    Raises:
        BoardUnreachable: no such port, or no answer.
        Refused: its error queue is not empty after the setup, or the query gives nothing.
    """
    link = connect(config["port"], config["baud"])
    meter = Scpi(link, where=config["port"], query=config["query"], timeout_s=config["timeout_s"])
    try:
        meter.prepare(config["setup"])
    except BaseException:
        meter.close()
        raise
    return meter
