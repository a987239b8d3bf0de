"""Sensors on a sysfs of plain files: found by name, sampled as raw text, absent when not there."""

import itertools

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


QUICK = {"block_ns": 200_000_000, "settle_ns": 10_000_000, "margin_ns": 10_000_000}


def run(python, start, tmp_path, root, names, **energy):
    site = boards.fake_runtime(tmp_path / "site", "import time\ntime.sleep(0.1)\nraise OSError")
    agent = start(python)
    settings = {"root": str(root), "sensors": names, "sensor_interval_ms": 20}
    agent.send(boards.failing(site, **settings, energy={"order": [0], **QUICK, **energy}))
    events = agent.events()
    assert events[-1] == {"event": "done"}
    return events


def readings(*given):
    events = run(*given)
    return events[0], [e for e in events if e["event"] == "readings"]


def test_power_and_energy_are_read_while_workers_run(python, start, tmp_path, root):
    facts, read = readings(python, start, tmp_path, root, ["rapl", "hwmon"])
    assert set(facts["sensors"]) == {"rapl", "hwmon"}
    rows = {}
    for event in read:
        rows.setdefault(event["channel"], (event["about"], []))[1].extend(event["rows"])
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


def test_blocks_of_work_lie_between_idle_ones(python, start, tmp_path, root):
    events = run(python, start, tmp_path, root, ["hwmon"], order=[0, 0])
    marks = [e for e in events if e["event"] in ("idle", "failed", "readings")]
    assert [e["event"] for e in marks if e["event"] != "readings"][1:] == [
        "idle", "failed", "idle", "failed", "idle",
    ]  # fmt: skip
    assert [e["index"] for e in events if e["event"] == "failed"] == [0, 1, 2]
    idle = [e["t_ns"] for e in events if e["event"] == "idle"]
    assert all(end - begin >= QUICK["block_ns"] for begin, end in idle)
    times = [t for e in marks if e["event"] == "readings" for t, _ in e["rows"]]
    assert times[0] < idle[0][0] and times[-1] > idle[-1][1]


def test_reading_times_do_not_keep_step_with_anything(python, start, tmp_path, root):
    events = run(python, start, tmp_path, root, ["hwmon"], order=[], block_ns=1_000_000_000)
    times = [t for e in events if e["event"] == "readings" for t, _ in e["rows"]]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert max(gaps) > 1.5 * min(gaps)


def test_without_sensor_and_meter_there_are_no_blocks(python, start, tmp_path):
    (tmp_path / "empty").mkdir()
    bare = run(python, start, tmp_path / "a", tmp_path / "empty", ["hwmon"])
    assert [e for e in bare if e["event"] in ("idle", "marker")] == []
    metered = run(python, start, tmp_path / "b", tmp_path / "empty", ["hwmon"], metered=True)
    assert [e["event"] for e in metered if e["event"] in ("idle", "marker")] == [
        "marker", "idle", "idle",
    ]  # fmt: skip


def test_a_ping_is_answered_with_the_time(python, start, tmp_path, root):
    site = boards.fake_runtime(tmp_path / "site", "import time\ntime.sleep(0.5)\nraise OSError")
    agent = start(python)
    agent.send(boards.failing(site))
    agent.until("facts")
    for number in range(3):
        agent.process.stdin.write(b"ping %d\n" % number)
    agent.process.stdin.flush()
    pongs = [e for e in agent.events() if e["event"] == "pong"]
    assert [p["ping"] for p in pongs] == ["0", "1", "2"]
    assert [p["t_ns"] for p in pongs] == sorted(p["t_ns"] for p in pongs)
