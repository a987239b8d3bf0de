"""What moves on a board while it measures, over the texts of boards, and over nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.board.moment import Moment, moment, moments, states_in

CAPTURES = Path(__file__).parent.parent / "captures"


def texts(name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((CAPTURES / name / "texts.json").read_text())
    return found


def board(name: str, **event: Any) -> Moment:
    return moment(texts(name), {"event": "facts", **event})


def test_a_zero_whose_supply_sags() -> None:
    zero = board("rpi-zero2w-synthesised")
    assert zero.under_voltage is True
    assert zero.throttled is not None
    assert zero.throttled.now == ("under-voltage", "throttled")
    assert zero.swapped_pages == 2210 + 9341
    assert zero.swap_used_kib == 36_164
    assert (zero.busy_ticks, zero.idle_ticks) == (30211 + 12 + 9120 + 410, 500310 + 2104)


def test_a_board_that_holds_its_big_cores_down() -> None:
    rock = board("rk3588-synthesised")
    assert rock.cooling == {
        "thermal-cpufreq-0 (cooling_device0)": 0, "thermal-cpufreq-1 (cooling_device1)": 4
    }  # fmt: skip
    assert rock.most_khz["policy4"] < rock.hardware_khz["policy4"]
    assert rock.throttled is None and rock.under_voltage is None


def test_a_fan_at_work_is_no_harm() -> None:
    pi = board("rpi5-documented")
    assert pi.cooling == {}
    assert pi.under_voltage is False


def test_what_did_not_change_was_not_sent_again_and_what_went_is_gone() -> None:
    governor = "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor"
    events = [
        {"event": "facts", "when": "before", "texts": texts("rpi4-documented")},
        {"event": "conditions", "index": 0, "texts": {governor: "performance\n"}},
        {"event": "heartbeat"},
        {"event": "conditions", "texts": {governor: None}},
    ]
    first, second, third = moments(events)
    assert (first.when, second.when, third.when) == ("before", "boundary", "during")
    assert second.governors == {"policy0": "performance"}
    assert second.temperature_c == first.temperature_c
    assert third.governors == {}


def test_an_older_agent_tells_two_clocks() -> None:
    old = board("rpi4-documented", t_ns=5, time_s=1.5)
    assert old.clocks == {"monotonic_ns": 5, "realtime_ns": 1_500_000_000}
    assert old.t_ns == 5


def test_nothing_known_is_none_and_empty_never_zero() -> None:
    nothing = moment({}, {"event": "conditions"})
    told = {name: getattr(nothing, name) for name in nothing.__dataclass_fields__}
    assert told.pop("when") == "during"
    assert all(value is None or value == {} for value in told.values())


KEYS = sorted(texts("rk3588-synthesised") | texts("rpi-zero2w-synthesised"))
TEXT = st.text("0123456789abcpx: \n.=/-kB", max_size=40)


@given(st.dictionaries(st.sampled_from(KEYS), TEXT))
def test_any_text_is_parsed_or_left_out(found: dict[str, str]) -> None:
    moment(found, {"event": "conditions"})
    states_in(found)
