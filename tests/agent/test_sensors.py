"""Sensors on a sysfs of plain files: found by name, sampled as raw text, absent when not there."""

import pytest

from tests.agent import boards


def write(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.fixture
def root(tmp_path):
    zones = tmp_path / "root" / "sys/class/powercap"
    write(
        zones / "intel-rapl:0", name="package-0\n", energy_uj="1000\n", max_energy_range_uj="9000\n"
    )
    write(zones / "intel-rapl:0:0", name="core\n", energy_uj="500\n", max_energy_range_uj="9000\n")
    chips = tmp_path / "root" / "sys/class/hwmon"
    write(chips / "hwmon0", name="cpu_thermal\n", temp1_input="41000\n")
    write(chips / "hwmon3", name="ina226\n", power1_input="637500\n", shunt_resistor="10000\n")
    return tmp_path / "root"


def readings(python, start, tmp_path, root, names):
    site = boards.fake_runtime(tmp_path / "site", "import time\ntime.sleep(0.3)\nraise OSError")
    agent = start(python)
    agent.send(boards.failing(site, root=str(root), sensors=names, sensor_interval_ms=20))
    events = agent.events()
    assert events[-1] == {"event": "done"}
    return events[0], [e for e in events if e["event"] == "readings"]


def test_power_and_energy_are_read_while_workers_run(python, start, tmp_path, root):
    facts, read = readings(python, start, tmp_path, root, ["rapl", "hwmon"])
    assert set(facts["sensors"]) == {"rapl", "hwmon"}
    rows = {e["channel"]: (e["about"], e["rows"]) for e in read}
    assert set(rows) == {
        "/sys/class/powercap/intel-rapl:0/energy_uj",
        "/sys/class/hwmon/hwmon3/power1_input",
    }
    about, samples = rows["/sys/class/hwmon/hwmon3/power1_input"]
    assert about == {"name": "ina226", "shunt_resistor": "10000"}
    assert {text for _, text in samples} == {"637500"}
    times = [t for t, _ in samples]
    assert times == sorted(times) and len(times) > 3
    assert rows["/sys/class/powercap/intel-rapl:0/energy_uj"][0]["max_energy_range_uj"] == "9000"


def test_a_sensor_that_is_not_there_gives_no_rows(python, start, tmp_path):
    (tmp_path / "empty").mkdir()
    facts, read = readings(python, start, tmp_path, tmp_path / "empty", ["rapl", "hwmon"])
    assert (facts["sensors"], read) == ({}, [])


def test_a_sensor_that_cannot_be_read_gives_no_rows(python, start, tmp_path, root):
    (root / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    _, read = readings(python, start, tmp_path, root, ["rapl"])
    assert read == []
