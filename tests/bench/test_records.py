"""A board's times and an emulator's counts never stand in one record."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.bench.sessions import record, row


@pytest.mark.parametrize(
    ("emulated", "unit"), [(False, "instructions"), (True, "ns"), (True, "mJ")]
)
def test_a_figure_of_the_other_kind_is_refused(emulated: bool, unit: str) -> None:
    with pytest.raises(ValidationError, match="has no place"):
        record(emulated=emulated, rows=[row("dense fp32", "x", unit, 1.0)])
