"""Parsers over the texts of real and documented boards, and over nothing."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.board import facts

CAPTURES = Path(__file__).parent.parent / "captures"
POLICY = "/sys/devices/system/cpu/cpufreq/policy"


def board(name):
    return facts.parse(json.loads((CAPTURES / name / "texts.json").read_text()))


def test_every_capture_says_where_it_is_from():
    for folder in CAPTURES.iterdir():
        kind = (folder / "PROVENANCE").read_text().split()[0]
        assert kind.strip(":,") in ("captured", "documented", "synthesised"), folder


def test_a_captured_virtual_machine():
    vm = board("x86-64-vm")
    assert vm.cpu_model == "AMD EPYC"
    assert (vm.cpus, vm.machine, vm.kernel) == (2, "x86_64", "6.18.44-fc-v595")
    assert vm.os_name == "Debian GNU/Linux 12 (bookworm)"
    assert vm.clock_mhz == {"cpu0": 2596.13, "cpu1": 2596.13}
    assert vm.memory_total_kib == 24684096
    assert vm.load_1min == 3.03
    assert vm.steal_ticks == 546
    assert vm.swap_used_kib == 0
    missing = (vm.board, vm.throttled, vm.governors, vm.temperature_c, vm.time_in_state)
    assert missing == (None, None, {}, {}, {})


def test_a_documented_raspberry_pi_4():
    pi = board("rpi4-documented")
    assert pi.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert pi.cpu_model == "Cortex-A72"
    assert pi.governors == {"policy0": "ondemand"}
    assert pi.clock_mhz == {"policy0": 1800.0}
    assert pi.time_in_state["policy0"] == {600000: 81234, 1500000: 402, 1800000: 9120}
    assert pi.temperature_c == {"cpu-thermal": 48.312}
    assert pi.swap_used_kib == 256
    assert pi.steal_ticks == 0
    assert pi.throttled.now == ()
    assert pi.throttled.sticky == ("under-voltage", "throttled")


def test_a_documented_raspberry_pi_5_at_its_limit():
    pi = board("rpi5-documented")
    assert pi.cpu_model == "Cortex-A76"
    assert pi.temperature_c == {"cpu-thermal": 84.9}
    assert pi.throttled.now == ("soft temperature limit",)
    assert pi.throttled.sticky == ("frequency capped", "throttled", "soft temperature limit")


def test_nothing_known_is_none_and_empty_never_zero():
    nothing = facts.parse({})
    values = [getattr(nothing, name) for name in nothing.__dataclass_fields__]
    assert all(value is None or value == {} for value in values)


@pytest.mark.parametrize(
    "before, after, expected",
    [
        (0x0, 0x0, ()),
        (0x50000, 0x50000, ()),
        (0x0, 0x10000, ("under-voltage",)),
        (0x50000, 0x70000, ("frequency capped",)),
        (0x50000, 0x50004, ("throttled",)),
        (0x80000, 0x90000, ("under-voltage",)),
    ],
)
def test_an_excursion_between_two_readings_shows_in_the_sticky_bits(before, after, expected):
    assert facts.Throttled(after).since(facts.Throttled(before)) == expected


def test_clusters_of_two_kinds_are_both_named():
    lines = "".join(
        f"processor\t: {i}\nCPU part\t: {p}\n" for i, p in enumerate(["0xd05", "0xd0b"])
    )
    assert facts.cpu_model(lines) == "Cortex-A55 + Cortex-A76"
    assert facts.cpu_model("CPU part\t: 0xfff\n") == "Arm part 0xfff"
    assert facts.cpu_model("model name\t: ARMv7 Processor rev 4 (v7l)\nCPU part\t: 0xd03\n") == (
        "Cortex-A53"
    )


def test_policies_keep_their_own_governor_and_clock():
    texts = {
        f"{POLICY}0/scaling_governor": "schedutil\n",
        f"{POLICY}4/scaling_governor": "performance\n",
        f"{POLICY}0/scaling_cur_freq": "<unknown>\n",
        f"{POLICY}4/scaling_cur_freq": "2208000\n",
    }
    found = facts.parse(texts)
    assert found.governors == {"policy0": "schedutil", "policy4": "performance"}
    assert found.clock_mhz == {"policy4": 2208.0}


def test_two_zones_of_one_type_are_both_kept():
    base = "/sys/class/thermal/thermal_zone"
    texts = {f"{base}{i}/temp": f"{40 + i}000" for i in range(2)}
    assert facts.parse(texts).temperature_c == {"thermal_zone0": 40.0, "thermal_zone1": 41.0}
    named = texts | {f"{base}{i}/type": "soc\n" for i in range(2)}
    assert facts.parse(named).temperature_c == {"soc": 40.0, "soc thermal_zone1": 41.0}


KEYS = sorted(json.loads((CAPTURES / "rpi4-documented" / "texts.json").read_text()))
TEXT = st.text("0123456789abcpx: \n.=/-kB", max_size=40)


@given(st.dictionaries(st.sampled_from(KEYS), TEXT))
def test_any_text_is_parsed_or_left_out(texts):
    facts.parse(texts)
