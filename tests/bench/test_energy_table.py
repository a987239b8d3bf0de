"""Energy as people read it: a table a scope, value and expanded uncertainty, dashes for nothing."""

from __future__ import annotations

import io

from pipeline.bench.across import across
from pipeline.bench.compare import lines
from pipeline.bench.energy import energy_rows
from pipeline.bench.gate import parse
from pipeline.bench.gate_check import Outcome, check_record
from pipeline.bench.records import Record, Row
from pipeline.bench.table import print_table
from tests.bench.energy_events import readings, windows
from tests.bench.sessions import record
from tests.bench.test_shown import stored

ARMS = ["dense fp32", "dense int8", "pruned int8"]


def measured(*labels: str) -> Record:
    """Three arms on as many rails; every rail sees half of the one before it."""
    planned = windows([*ARMS, *reversed(ARMS)])
    events, share = list(planned), 1.0
    for label in labels:
        draws = {arm: share * watts for arm, watts in zip(ARMS, (2.0, 1.0, 0.45), strict=True)}
        events += readings(planned, draws, label=label)
        share /= 2
    bare = record()
    cost = Row(name="sampler_cost", unit="ratio", scope="x", arm=ARMS[0], value=1.003,
               interval=(0.998, 1.008), n=4)  # fmt: skip
    rows = [*bare.rows, *energy_rows(ARMS, events, {}), *([cost] if labels else [])]
    settings = {**bare.settings, "energy_block_ms": 10_000}
    return bare.model_copy(update={"rows": rows, "settings": settings})


def shown(found: Record) -> str:
    stream = io.StringIO()
    print_table(stored(found), stream)
    return stream.getvalue()


def test_each_scope_has_a_table_of_its_own() -> None:
    text = shown(measured("VDD_IN", "VDD_SOC"))
    first, second = (text.index(f"inference, {s}: 2 blocks of 10 s") for s in ("VDD_IN", "VDD_SOC"))
    assert first < second
    lines = [line for line in text.splitlines() if line.startswith("dense int8")]
    assert lines[1].split()[2:8] == ["40.01", "+-", "0.43", "10.00", "+-", "0.11"]
    assert "x0.5000 +- 0.0013" in lines[1]
    assert "makes latency x1.003 [0.998, 1.008]" in text


def test_without_energy_there_is_no_table() -> None:
    assert "energy" not in shown(measured())


def test_what_a_line_shows_is_of_one_scope() -> None:
    """An arm whose first rail failed must not lend the figure of another one."""
    found = measured("VDD_IN", "VDD_SOC")
    kept = [r for r in found.rows if (r.arm, r.scope) != ("dense int8", "VDD_IN")]
    first, second, _ = lines(found.model_copy(update={"rows": kept}))
    assert first.figures["energy_net"].scope == "VDD_IN"
    assert "energy_net" not in second.figures


def test_a_bound_on_energy_uses_the_ratio_in_which_the_gain_cancels() -> None:
    found = measured("VDD_IN")
    (_, int8), (_, pruned) = (
        (gate, check_record([parse(gate)], found)) for gate in ("energy>-50.5%", "energy>-49.5%")
    )
    assert [f.outcome for f in int8] == [Outcome.BROKEN, Outcome.HELD]
    assert [f.outcome for f in pruned] == [Outcome.HELD, Outcome.HELD]


def test_two_sessions_of_different_scopes_have_no_energy_ratio() -> None:
    first, second = measured("VDD_IN"), measured("board input")
    apart = across(first, second)
    assert not [ratio for ratio in apart.ratios if ratio.figure == "energy_net"]
    assert "energy, which has no ratio: VDD_IN / board input" in apart.differences
    same = across(first, first)
    assert len([ratio for ratio in same.ratios if ratio.figure == "energy_net"]) == 3
