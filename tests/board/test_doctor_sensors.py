"""What the doctor says of power sensors: the captured boards', and a meter's on a real line."""

from __future__ import annotations

import json

import pytest

from pipeline.board.doctor.sensors import meter, sensors
from pipeline.config.lab import lab_path
from pipeline.config.target import load
from tests.board.energy.trees import CAPTURES, text
from tests.board.meters.instruments import instrument

__all__ = ["instrument"]


def sysfs(board: str) -> dict[str, str]:
    return json.loads((CAPTURES / board / "sysfs.json").read_text())


@pytest.mark.parametrize(
    ("board", "said"),
    [
        ("rpi5-ina226-synthesised", "ina226"),
        ("rpi4-ina219-synthesised", "ina219"),
        ("jetson-orin-nano-synthesised",
         "ina3221 VDD_IN, ina3221 VDD_CPU_GPU_CV, ina3221 VDD_SOC"),
        ("jetson-xavier-nx-synthesised",
         "ina3221 VDD_IN, ina3221 VDD_CPU_GPU_CV, ina3221 VDD_SOC, ina3221 VDDRQ"),
        ("x86-64-rapl-synthesised", "rapl package-0"),
    ],
)  # fmt: skip
def test_each_board_has_its_sensors(board: str, said: str) -> None:
    (found,) = sensors(sysfs(board), {})
    assert (found.state, found.said) == ("ok", said)


def test_the_pi_5_has_its_power_chip() -> None:
    texts = {"vcgencmd pmic_read_adc": text("rpi5-documented", "pmic_read_adc-idle.txt")}
    (found,) = sensors(texts, {})
    assert (found.state, found.said) == ("ok", "pmic, 12 converters")


def test_scopes_of_the_lab_file_stand_beside_them() -> None:
    wiring = {"ina226": {"scope": "board input"}, "VDD_SOC": {"use": False}}
    (found,) = sensors(sysfs("rpi5-ina226-synthesised"), wiring)
    assert found.said == "ina226 (board input)"
    (jetson,) = sensors(sysfs("jetson-orin-nano-synthesised"), wiring)
    assert jetson.said.endswith("ina3221 VDD_SOC (off)")


def test_none_at_all_has_its_fix() -> None:
    (found,) = sensors({"/sys/class/hwmon/hwmon0/name": "cpu_thermal\n"}, {})
    assert found.state == "warn" and "INA226" in found.fix


def test_a_counter_that_only_root_may_read_has_its_fix() -> None:
    texts = {**sysfs("x86-64-rapl-synthesised"), "/sys/class/powercap/intel-rapl:0/energy_uj": ""}
    (found,) = sensors(texts, {})
    assert found.state == "warn"
    assert "chmod a+r /sys/class/powercap/intel-rapl:0/energy_uj" in found.fix


def test_a_meter_tells_its_name_and_a_reading(instrument) -> None:
    found = meter(instrument("tcp", "--watts", "3"))
    assert found.state == "ok"
    assert found.said.startswith("SECATEUR,STUB POWER METER") and "board input" in found.said


def test_a_meter_that_is_not_there_is_a_failure(instrument) -> None:
    found = meter({**instrument("tcp"), "port": "tcp://127.0.0.1:9"})
    assert (found.state, found.exit_code) == ("fail", 4)
    assert "127.0.0.1:9" in found.said and "lab file" in found.fix


LAB = """[boards.local]
meter = { kind = "scpi", port = "/dev/ttyUSB0", scope = "board input", gain = 0.001, offset_w = 0 }
[boards.local.sensors]
ina226 = { scope = "board input", gain = 0.005, basis = "k2" }
rapl = { use = false }
"""


@pytest.fixture
def home(home):
    lab_path().parent.mkdir(parents=True, exist_ok=True)
    return home


def test_the_lab_file_takes_sensors_and_a_meter(home) -> None:
    lab_path().write_text(LAB)
    lab = load("local", flags={}).lab
    assert lab.meter is not None and lab.meter.query == ["MEAS:POW?"]
    assert lab.sensors["ina226"].basis == "k2" and not lab.sensors["rapl"].use


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('kind = "scpi", ', 'kind = "visa", ', "scpi"),
        ("/dev/ttyUSB0", "ttyUSB0", "port"),
        (", gain = 0.001", "", "gain"),
        ('scope = "board input", gain = 0.001', "gain = 0.001", "scope"),
        ("offset_w = 0 }", 'offset_w = 0, query = ["MEAS:POW"] }', 'ends in "[?]"'),
        ("offset_w = 0 }", "offset_w = 0, bauds = 9600 }", "did you mean 'baud'"),
        ('basis = "k2"', 'basis = "k3"', "k2"),
    ],
)
def test_a_wrong_meter_or_sensor_is_a_line_of_the_lab_file(home, old, new, words) -> None:
    from pipeline.errors import UsageError

    lab_path().write_text(LAB.replace(old, new))
    with pytest.raises(UsageError, match=words):
        load("local", flags={})
