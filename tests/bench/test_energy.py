"""Energy of an inference: gross, net, idle, ratios; per rail, never mixed, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.bench.energy import energy_rows, energy_spec
from pipeline.bench.rails import rails
from pipeline.bench.records import Row
from pipeline.bench.sampler import sampler_rows
from pipeline.bench.settings import SessionSettings
from pipeline.bench.validity import sensors
from pipeline.bench.validity.evidence import Evidence
from tests.bench.energy_events import S, blocks, readings, windows
from tests.bench.sessions import process

ARMS = ["a", "b"]


def rows(events: list[dict[str, Any]], **wiring: Any) -> dict[tuple[str, str, str], Row]:
    found = energy_rows(ARMS, events, wiring)
    return {(row.name, row.arm, row.scope): row for row in found}


def said(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    seen = Evidence(SessionSettings("pi"), events)
    rules = (sensors.faults, sensors.line, sensors.clock)
    return [(c.kind, c.detail) for rule in rules for c in rule(seen)]


def test_gross_net_and_idle_of_one_inference() -> None:
    """2 W over 3 W of idle for 10 s and 1,000 inferences: 50 mJ gross, 20 mJ net."""
    found = rows(blocks(ARMS))
    gross, net = (found[f"energy_{kind}", "a", "VDD_IN"] for kind in ("gross", "net"))
    idle = found["idle_power", "a", "VDD_IN"]
    assert (gross.value, net.value) == (pytest.approx(50, rel=2e-3), pytest.approx(20, rel=2e-3))
    assert (gross.unit, idle.unit, gross.n) == ("mJ", "W", 2)
    assert idle.value == pytest.approx(3.0, rel=2e-3)
    for row in (gross, net, idle):
        assert row.interval is not None and row.interval[0] < row.value < row.interval[1]


def test_the_budget_adds_up_and_says_what_it_rests_on() -> None:
    net = rows(blocks(ARMS))["energy_net", "a", "VDD_IN"]
    budget = net.budget
    assert budget is not None and net.interval is not None
    assert sum(u**2 for u in budget.terms.values()) ** 0.5 == pytest.approx(budget.u)
    assert net.interval[1] - net.value == pytest.approx(budget.k * budget.u)
    assert "INA226 data sheet" in budget.source
    assert 180 < budget.readings < 220
    assert {"gain", "noise"} <= set(budget.terms) and "offset" not in budget.terms


def test_a_ratio_is_surer_than_its_parts_for_the_gain_cancels() -> None:
    found = rows(blocks(ARMS, {"a": 2.0, "b": 1.0}))
    ratio, net = found["energy_net_ratio", "b", "VDD_IN"], found["energy_net", "b", "VDD_IN"]
    assert ratio.value == pytest.approx(0.5, rel=5e-3)
    assert ratio.budget is not None and net.budget is not None
    assert "gain" not in ratio.budget.terms
    assert ratio.budget.u / ratio.value < net.budget.u / net.value
    assert ("energy_net_ratio", "a", "VDD_IN") not in found


def test_rails_stay_apart() -> None:
    planned = windows(["a", "b", "b", "a"])
    events = [*planned, *readings(planned, {"a": 2.0, "b": 1.0}),
              *readings(planned, {"a": 1.0, "b": 0.5}, label="VDD_SOC")]  # fmt: skip
    found = rows(events)
    assert found["energy_net", "a", "VDD_IN"].value == pytest.approx(20, rel=5e-3)
    assert found["energy_net", "a", "VDD_SOC"].value == pytest.approx(10, rel=5e-3)


def test_the_lab_file_names_the_scope_and_turns_a_rail_off() -> None:
    found = rows(blocks(ARMS), VDD_IN={"scope": "board input", "gain": 0.0, "offset_w": 0.0})
    assert {scope for _, _, scope in found} == {"board input"}
    assert rows(blocks(ARMS), ina226={"use": False}) == {}


def test_no_sensor_no_row() -> None:
    assert rows(windows(ARMS)) == {}
    assert rows(readings(windows(ARMS), {"a": 2.0, "b": 2.0})) == {}


def test_a_window_that_the_readings_do_not_span_gives_no_figure() -> None:
    planned = windows(ARMS)
    first = readings(planned, {"a": 2.0, "b": 2.0})
    for event in first:
        event["rows"] = [row for row in event["rows"] if row[0] < 40 * S]
    found = rows([*planned, *first])
    assert ("energy_gross", "a", "VDD_IN") in found
    assert not [key for key in found if key[1] == "b"]


def test_a_block_without_idle_on_both_sides_does_not_count() -> None:
    events = [e for e in blocks(ARMS) if e["event"] != "idle" or e["t_ns"][0] > 5 * S]
    assert rows(events)["energy_net", "a", "VDD_IN"].n == 1


def test_a_frozen_sensor_has_no_rows_and_is_named() -> None:
    events = blocks(ARMS)
    for event in (e for e in events if e["event"] == "readings"):
        event["rows"] = [[t, "3000000" if t > 20 * S else text] for t, text in event["rows"]]
    assert rows(events) == {}
    ((kind, detail),) = said(events)
    assert (kind, detail.split(":")[0]) == ("SENSOR_FAULT", "VDD_IN frozen")


METER = {"scope": "board input", "gain": 0.001, "offset_w": 0.001}


def metered(pings: list[list[int]], **changes: Any) -> list[dict[str, Any]]:
    """The same power from a meter whose clock is 1000 s ahead of the board's."""
    planned = windows(["a", "b"])
    read = readings(planned, {"a": 2.0, "b": 1.0}, clock_ns=1000 * S, sensor="scpi")
    whole = [row for event in read for row in event["rows"]]
    return [*planned, {"event": "metered", "sensor": "scpi", "channel": "meter", "about": {},
             "stated": METER, "rows": whole, "missed": 0, "problems": [], "pings": pings,
             **changes}]  # fmt: skip


PINGS = [[(1000 + n) * S, n * S + 1_000_000, (1000 + n) * S + 2_000_000] for n in range(1, 60)]


def test_a_meter_is_read_on_the_boards_clock() -> None:
    found = rows(metered(PINGS))
    assert found["energy_net", "a", "board input"].value == pytest.approx(20, rel=5e-3)
    (rail,) = rails(metered(PINGS), {})
    assert rail.clock.bound_s == pytest.approx(0.001, rel=0.2)


def test_a_meter_whose_clock_is_not_known_has_no_energy() -> None:
    assert rows(metered([])) == {}
    assert [kind for kind, _ in said(metered([]))] == ["METER_CLOCK"]


def test_a_meter_that_lost_readings_or_reports_errors_is_named() -> None:
    found = [detail for _, detail in said(metered(PINGS, missed=90, problems=["-230"]))]
    assert found == ["90 readings did not come", "it reports -230"]


def test_the_plan_of_an_emulator_or_without_blocks_has_no_energy() -> None:
    assert energy_spec(SessionSettings("vb", emulated=True), 2) is None
    assert energy_spec(SessionSettings("pi", energy_blocks=0), 2) is None
    plan = energy_spec(SessionSettings("pi", meter=METER), 2)
    assert plan is not None
    assert sorted(plan["order"]) == [0, 0, 1, 1] and plan["metered"]
    assert plan["sampler"].count(True) == plan["sampler"].count(False) == 4


def test_what_the_sampler_costs_is_a_ratio_of_neighbours() -> None:
    settings = SessionSettings("pi")
    plan = energy_spec(settings, 2)
    assert plan is not None
    events = [
        {**process(30 + n, "a", [1_030_000 if on else 1_000_000] * 9), "event": "sampler"}
        for n, on in enumerate(plan["sampler"])
    ]
    (row,) = sampler_rows("a", events, settings)
    assert (row.name, row.unit, row.n) == ("sampler_cost", "ratio", 4)
    assert row.value == pytest.approx(1.03)
    assert list(sampler_rows("a", events[:1], settings)) == []
