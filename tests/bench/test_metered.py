"""A whole session with a meter beside it: the real agent, runtime and line, a stub's power."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.bench.files import bench_files
from pipeline.bench.results import read_raw
from pipeline.bench.settings import SessionSettings
from pipeline.board.board import LocalBoard
from pipeline.errors import BoardUnreachable
from tests.bench.models import write_dense
from tests.board.energy.trees import sysfs
from tests.board.meters.instrument import working
from tests.board.meters.instruments import instrument

__all__ = ["instrument"]
QUICK = {"processes": 1, "warmup_ms": 5, "window_ms": 20, "sampler_pairs": 0,
         "energy_blocks": 1, "energy_block_ms": 2500, "energy_settle_ms": 300}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dense(tmp_path_factory.mktemp("models") / "dense.tflite", width=16)


@pytest.mark.parametrize("line", ["pty", "tcp"])
def test_energy_from_a_meter_on_this_machine(instrument, model: Path, tmp_path: Path, line) -> None:
    """The stub draws 2.5 W, and 2 W more while a worker of ours lives."""
    meter = instrument(line, "--of", str(os.getpid()), interval_ms=50)
    settings = SessionSettings("local", **QUICK, meter=meter)
    stored = bench_files([model], settings, LocalBoard(), results=tmp_path)
    gross, net, idle = (
        stored.record.row(name, "dense") for name in ("energy_gross", "energy_net", "idle_power")
    )
    assert gross is not None and net is not None and idle is not None
    assert {row.scope for row in (gross, net, idle)} == {"board input"}
    assert idle.value == pytest.approx(2.5)
    assert gross.value / net.value == pytest.approx(4.5 / 2.0, rel=1e-3)
    (block,) = [e for e in read_raw(stored.folder) if e["event"] == "block"]
    seconds = (block["t_ns"][1] - block["t_ns"][0]) * 1e-9
    assert net.value == pytest.approx(2000 * seconds / block["inferences"], rel=1e-3)
    (metered,) = [e for e in read_raw(stored.folder) if e["event"] == "metered"]
    assert len(metered["pings"]) > 5 and metered["about"]["name"].startswith("SECATEUR")
    assert all(sent < received for sent, _, received in metered["pings"])
    assert "METER_CLOCK" not in [caution.kind for caution in stored.record.cautions]


def test_a_meter_that_is_not_there_stops_a_session_before_it_begins(
    model: Path, tmp_path: Path
) -> None:
    meter = {"kind": "scpi", "port": str(tmp_path / "ttyUSB7"), "scope": "board input",
             "baud": 9600, "gain": 0.0, "offset_w": 0.0, "query": ["READ?"], "setup": [],
             "timeout_s": 1.0, "interval_ms": 100}  # fmt: skip
    settings = SessionSettings("local", **QUICK, meter=meter)
    with pytest.raises(BoardUnreachable, match="ttyUSB7: no meter there"):
        bench_files([model], settings, LocalBoard(), results=tmp_path / "results")
    assert not (tmp_path / "results").exists()


class Rooted(LocalBoard):
    """This machine, with the sysfs of a captured board."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def run(self, spec: Any, **how: Any) -> Any:
        return super().run({**spec, "root": str(self._root)}, **how)


@contextlib.contextmanager
def drawing(file: Path) -> Iterator[None]:
    """The sensor's file follows our workers: 3 W, and 2 W more while one lives."""
    over = threading.Event()

    def follow() -> None:
        fresh = file.with_suffix(".new")
        while not over.wait(0.03):
            fresh.write_text(f"{5_000_000 if working(os.getpid()) else 3_000_000}\n")
            fresh.replace(file)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_energy_from_a_boards_own_sensors(model: Path, tmp_path: Path) -> None:
    root = sysfs("rpi5-ina226-synthesised", tmp_path / "root")
    wiring = {"ina226": {"scope": "board input"}}
    quick = {**QUICK, "sampler_pairs": 1, "sensor_interval_ms": 40}
    settings = SessionSettings("local", **quick, wiring=wiring)
    with drawing(root / "sys/class/hwmon/hwmon4/power1_input"):
        stored = bench_files([model], settings, Rooted(root), results=tmp_path / "results")
    net, cost = (stored.record.row(name, "dense") for name in ("energy_net", "sampler_cost"))
    events = read_raw(stored.folder)
    (block,) = [e for e in events if e["event"] == "block"]
    seconds = (block["t_ns"][1] - block["t_ns"][0]) * 1e-9
    assert net is not None and cost is not None
    assert net.scope == "board input"
    assert net.value == pytest.approx(2000 * seconds / block["inferences"], rel=1e-3)
    assert cost.n == 1 and cost.value > 0
    assert {e["sampled"] for e in events if e["event"] == "sampler"} == {False, True}


def test_a_sensor_that_does_not_move_as_work_begins_is_frozen(model: Path, tmp_path: Path) -> None:
    root = sysfs("rpi5-ina226-synthesised", tmp_path / "root")
    settings = SessionSettings("local", **QUICK, sensor_interval_ms=40)
    record = bench_files([model], settings, Rooted(root), results=tmp_path / "results").record
    assert not [row for row in record.rows if row.unit in ("mJ", "W")]
    assert [c.detail.split(":")[0] for c in record.cautions if c.kind == "SENSOR_FAULT"] == [
        "ina226 frozen"
    ]
