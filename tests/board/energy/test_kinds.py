"""From each board's files to watts: what the agent reads, and what the host makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.agent.sensors import module
from pipeline.board.energy.kinds import kind, pmic
from pipeline.board.energy.rail import Rail
from tests.board.energy.trees import CAPTURES, sysfs, text


def rails(board: str, sensor: str, root: Path) -> dict[str, Rail]:
    """{scope: rail} with the one reading that the capture holds."""
    tree, found = sysfs(board, root), module(sensor).find(str(root))
    read = [
        Rail(sensor, about, [[0, module(sensor).read(str(tree), channel)]])
        for channel, about in found.items()
    ]
    return {rail.scope: rail for rail in read}


def watts(rail: Rail) -> float:
    return rail.values()[0][1]


def test_ina226_with_its_power_file(tmp_path: Path) -> None:
    (rail,) = rails("rpi5-ina226-synthesised", "hwmon", tmp_path).values()
    assert (rail.scope, watts(rail)) == ("ina226", 3.1125)
    assert rail.accuracy.resolution_w == pytest.approx(0.00625)
    assert rail.accuracy.offset_w == pytest.approx(0.001 * 5.095)
    assert rail.accuracy.averaging_s == 0.035
    assert "1 % " in rail.accuracy.source + " "


def test_ina219_without_one_is_volts_times_amperes(tmp_path: Path) -> None:
    (rail,) = rails("rpi4-ina219-synthesised", "hwmon", tmp_path).values()
    assert watts(rail) == pytest.approx(5.012 * 0.583)


def test_jetson_rails_stay_apart(tmp_path: Path) -> None:
    found = rails("jetson-orin-nano-synthesised", "ina3221", tmp_path)
    assert set(found) == {"VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"}
    assert watts(found["VDD_IN"]) == pytest.approx(5.056 * 0.92)
    assert found["VDD_IN"].accuracy.offset_w == pytest.approx(80e-6 / 5e-3 * 5)


def test_an_older_jetson_below_the_i2c_driver(tmp_path: Path) -> None:
    """Two chips; a rail that is off and one that is not connected are no rails."""
    found = rails("jetson-xavier-nx-synthesised", "ina3221", tmp_path)
    assert set(found) == {"VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC", "VDDRQ"}


def test_a_chip_that_is_found_both_ways_counts_once(tmp_path: Path) -> None:
    sysfs("jetson-orin-nano-synthesised", tmp_path)
    link = tmp_path / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "sys/class/hwmon/hwmon1")
    assert len(module("ina3221").find(str(tmp_path))) == 3


def test_rapl_is_the_package_alone(tmp_path: Path) -> None:
    (rail,) = rails("x86-64-rapl-synthesised", "rapl", tmp_path).values()
    assert rail.scope == "CPU package-0"
    assert watts(rail) == pytest.approx(262143.328)  # joules of a counter
    assert rail.wrap_j == pytest.approx(262143.32885)


@pytest.mark.parametrize(("state", "least", "most"), [("idle", 1.5, 1.6), ("busy", 4.4, 4.7)])
def test_pmic_is_the_sum_over_twelve_converters(state: str, least: float, most: float) -> None:
    answer = text("rpi5-documented", f"pmic_read_adc-{state}.txt")
    assert len(pmic.converters(answer)) == 12
    assert "EXT5V" not in pmic.converters(answer)
    assert least < pmic.value(answer) < most
    assert Rail("pmic", {}).scope == "PMIC rails"
    assert "assumed" in Rail("pmic", {}).accuracy.source


@pytest.mark.parametrize(
    ("sensor", "wrong"),
    [("hwmon", "n/a"), ("hwmon", ""), ("ina3221", "5000 x"), ("rapl", "nan"), ("rapl", "-"),
     ("pmic", "error=1 error_msg='Command not registered'"), ("pmic", "EXT5V_V volt(24)=5.1V"),
     ("scpi", "+9.9E37"), ("scpi", "+9.91E37"), ("scpi", "OVLD")],
)  # fmt: skip
def test_what_is_no_reading_is_none_never_zero(sensor: str, wrong: str) -> None:
    assert kind(sensor).value(wrong) is None
    assert Rail(sensor, {}, [[0, wrong]]).values() == []


WRAP_UJ = 262_143_328_850


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=30), st.integers(1, WRAP_UJ - 1))
def test_a_counter_that_wraps_loses_nothing(steps: list[int], start: int) -> None:
    about = {"name": "package-0", "max_energy_range_uj": str(WRAP_UJ)}
    counts = [start + sum(steps[:n]) for n in range(len(steps) + 1)]
    rows = [[n * 10**9, str(count % WRAP_UJ)] for n, count in enumerate(counts)]
    trace = Rail("rapl", about, rows).trace()
    assert trace.watts.sum() == pytest.approx(sum(steps) * 1e-6, abs=1e-4)


def test_the_lab_file_overrides_the_data_sheet_and_names_the_scope() -> None:
    about = {"name": "ina226", "shunt_resistor": "10000"}
    rail = Rail("hwmon", about, known={"scope": "board input", "gain": 0.002, "basis": "k2"})
    assert (rail.scope, rail.accuracy.gain, rail.accuracy.basis) == ("board input", 0.002, "k2")
    assert rail.accuracy.resolution_w == pytest.approx(0.00625)


def test_an_unknown_sensor_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="thermometer"):
        print(Rail("thermometer", {}).scope)


def test_every_sensor_of_the_agent_has_its_meaning_here() -> None:
    from pipeline.agent.sensors import names

    for name in names():
        assert kind(name).COUNTER in (True, False)


def test_every_capture_says_where_it_is_from() -> None:
    for folder in CAPTURES.iterdir():
        first = (folder / "PROVENANCE").read_text().split()[0].strip(":,")
        assert first in ("captured", "documented", "synthesised"), folder
