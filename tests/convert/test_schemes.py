"""Each scheme's file: what it holds, that it answers, and that it comes out the same again."""

from __future__ import annotations

import atexit
import functools
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from pipeline.artifacts import Deployable
from pipeline.convert.audit import audit
from pipeline.convert.layout import sqnr_db
from pipeline.convert.stage import ConvertConfig, convert
from pipeline.quantize.stage import QuantizeConfig, quantize
from tests.convert.chains import chain, workdir
from tests.convert.test_conversion import answers

LOWEST_DB = {"fp16": 45, "dynamic": 20, "mixed": 20}


def made(folder: Path, name: str, **settings: Any) -> Deployable:
    net = chain(name)
    cfg = QuantizeConfig(samples=32, **settings)
    spec = quantize(net.checkpoint, data=net.data, cfg=cfg, work=workdir(folder / "q"))
    work = workdir(folder / "d")
    return convert(spec, exported=net.exported, cfg=ConvertConfig(), work=work)


@functools.cache
def deployable(name: str, scheme: str) -> Deployable:
    folder = Path(tempfile.mkdtemp(prefix="secateur-scheme-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return made(folder, name, scheme=scheme)


@pytest.mark.parametrize("scheme", sorted(LOWEST_DB))
@pytest.mark.parametrize("name", ["pools", "heads", "sound"])
def test_it_answers_as_the_float_file_does(name: str, scheme: str) -> None:
    net, file = chain(name), deployable(name, scheme)
    x = net.data.inputs("validation")[:8]
    want = answers(net.exported.file("float.tflite"), net.exported, x)
    got = answers(file.file("model.tflite"), file, x)
    assert min(map(sqnr_db, want, got)) > LOWEST_DB[scheme]


def test_an_embedding_of_length_one_is_int8_throughout() -> None:
    found = audit(deployable("embedding", "int8").file("model.tflite"))
    assert not found.float_operators
    assert "SQUARE" not in found.operators


def test_mixed_is_int8_where_the_work_is_and_float_outside() -> None:
    file = deployable("pools", "mixed")
    found = audit(file.file("model.tflite"))
    assert "CONV_2D" not in found.float_operators
    assert found.inputs[0].scale is None
    assert file.meta["variant"].split()[0] in ("delegated", "heavy")
    assert [row["variant"] for row in file.meta["tried"] if row["kept"]] == [file.meta["variant"]]


def test_a_tighter_budget_leaves_layers_in_float(tmp_path: Path) -> None:
    file = made(tmp_path, "pools", scheme="mixed", min_sqnr_db=150, calibration="minmax")
    assert "layers" in file.meta["variant"]
    loose = next(row for row in file.meta["tried"] if "layers" not in row["variant"])
    assert float(loose["why"].split()[0]) < 0


def test_best_is_the_most_accurate_calibration_on_samples_that_set_no_range() -> None:
    tried = chain("pools").deployable.meta["tried"]
    assert {row["variant"] for row in tried} >= {
        "tensorflow minmax", "tensorflow percentile", "tensorflow mse", "tensorflow entropy",
    }  # fmt: skip
    others = [row for row in tried if "failed" not in row and not row["kept"]]
    assert others
    assert all(float(row["why"].split()[0]) <= 0.1 for row in others)


@pytest.mark.parametrize("scheme", ["fp16", "dynamic", "mixed"])
def test_same_inputs_give_the_same_bytes(tmp_path: Path, scheme: str) -> None:
    first, again = deployable("sound", scheme), made(tmp_path, "sound", scheme=scheme)
    one, two = (file.file("model.tflite").read_bytes() for file in (first, again))
    assert one == two
    assert first.digest == again.digest


KILLED = """
import sys
from pathlib import Path
from pipeline.artifacts import Exported, Quantized, Workdir
from pipeline.convert.stage import ConvertConfig, convert
from pipeline.single import open_artifact
spec, exported, folder = map(Path, sys.argv[1:])
work = Workdir(folder / "out", folder / "scratch")
convert(open_artifact(spec, Quantized), exported=open_artifact(exported, Exported),
        cfg=ConvertConfig(), work=work)
"""


@pytest.mark.parametrize("scheme", ["int8", "mixed"])
def test_kill_9_leaves_no_file_and_no_process(tmp_path: Path, scheme: str) -> None:
    net = chain("sound")
    cfg = QuantizeConfig(samples=32, scheme=scheme)
    spec = quantize(net.checkpoint, data=net.data, cfg=cfg, work=workdir(tmp_path / "q"))
    work = workdir(tmp_path / "d")
    words = [sys.executable, "-c", KILLED, str(spec.path), str(net.exported.path)]
    parent = subprocess.Popen([*words, str(tmp_path / "d")], stderr=subprocess.DEVNULL)
    children = _wait(lambda: psutil.Process(parent.pid).children())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait(lambda: not any(_running(child.pid) for child in children))
    assert not (work.out / "model.tflite").exists()
    assert not (work.out / "manifest.json").exists()
    done = convert(spec, exported=net.exported, cfg=ConvertConfig(), work=work)
    assert audit(done.file("model.tflite")).size_bytes == done.meta["size_bytes"]


def _running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _wait(condition: Any) -> Any:
    for _ in range(1200):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen within a minute")


def test_masked_values_take_no_part_in_a_range() -> None:
    from pipeline.convert.children.statistics import collect
    from pipeline.convert.flatbuffer import read

    data = chain("sound").exported.file("float.tflite").read_bytes()
    shape = (6, *read(data).subgraphs[0].tensors[read(data).subgraphs[0].inputs[0]].shape[1:])
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    graph = read(data).subgraphs[0]
    (plain,) = collect(data, graph, (x,))
    x[0].flat[0] = -3e38
    (masked,) = collect(data, graph, (x[1:],))
    (both,) = collect(data, graph, (x,))
    place = int(graph.inputs[0])
    assert both[place].low >= plain[place].low - 1e-6
    assert both[place].low <= masked[place].low


@pytest.mark.parametrize("count", [1, 5])
def test_a_handful_of_samples_sets_ranges_and_judges(tmp_path: Path, count: int) -> None:
    net = chain("sound")
    cfg = QuantizeConfig(samples=count, calibration="minmax")
    spec = quantize(net.checkpoint, data=net.data, cfg=cfg, work=workdir(tmp_path / "q"))
    work = workdir(tmp_path / "d")
    done = convert(spec, exported=net.exported, cfg=ConvertConfig(), work=work)
    assert audit(done.file("model.tflite")).float_operators == {}
