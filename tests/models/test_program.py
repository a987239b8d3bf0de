"""`.pt2` files: read without unpickling objects, written with equal bytes."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn

from pipeline.errors import UsageError
from pipeline.models import program
from pipeline.models.graph import capture
from pipeline.models.resnet8 import resnet8


def exported(path: Path, module: nn.Module, batch: int = 2) -> Path:
    found = torch.export.export(module, (torch.zeros(batch, 1, 28, 28),))
    torch.export.save(found, path)
    return path


def test_a_file_is_loaded_in_eval_mode_with_any_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = resnet8().train()
    graph, ports = program.load(exported(tmp_path / "m.pt2", module))
    assert ports.to_json() == [1, 28, 28]
    x = torch.randn(5, 1, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(capture(graph, ports)(x), module.eval()(x))


def test_equal_graphs_give_equal_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = resnet8()
    first, second = (program.save(capture(module, (1, 28, 28))) for _ in "ab")
    assert first == second
    assert b"test_program" not in first and str(Path.cwd()).encode() not in first
    (tmp_path / "m.pt2").write_bytes(first)
    graph, ports = program.load(tmp_path / "m.pt2")
    x = torch.randn(3, 1, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(graph(x), module.eval()(x))
    assert ports.to_json() == [1, 28, 28]


class Evil:
    def __reduce__(self) -> object:
        return (Path.touch, (Path("evil-was-here"),))


def rewritten(path: Path, into: Path, part: str, content: bytes) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(into, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if part in name else old.read(name))
    return into


def test_objects_in_a_file_are_not_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = exported(tmp_path / "m.pt2", resnet8())
    buffer = tmp_path / "evil.bin"
    torch.save((Evil(),), buffer)
    bad = rewritten(good, tmp_path / "bad.pt2", "sample_inputs", buffer.read_bytes())
    with pytest.raises(UsageError, match="cannot load it"):
        program.load(bad)
    with zipfile.ZipFile(good, "a") as archive:
        archive.writestr("m/data/constants/opaque_obj_0", pickle.dumps(Evil()))
    with pytest.raises(UsageError, match="more than a graph and tensors"):
        program.load(good)
    assert not Path("evil-was-here").exists()


def test_what_is_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt2").write_text("hello")
    with pytest.raises(UsageError, match=r"is no \.pt2 file"):
        program.load(tmp_path / "text.pt2")

    class Two(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    found = torch.export.export(Two(), (torch.zeros(2, 3), torch.zeros(2, 3)))
    torch.export.save(found, tmp_path / "two.pt2")
    assert program.load(tmp_path / "two.pt2")[1].names == ["x", "y"]

    class Number(nn.Module):
        def forward(self, x: torch.Tensor, y: int) -> torch.Tensor:
            return x + y

    found = torch.export.export(Number(), (torch.zeros(2, 3), 3))
    torch.export.save(found, tmp_path / "number.pt2")
    with pytest.raises(UsageError, match="takes 2 inputs, and some are no tensors"):
        program.load(tmp_path / "number.pt2")


def test_a_norm_without_statistics_keeps_using_the_samples_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4)).eval()
    graph, _ = program.load(exported(tmp_path / "m.pt2", module))
    x = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(graph(x), module(x))


class Answer(NamedTuple):
    best: torch.return_types.topk
    sure: torch.Tensor


def test_results_of_own_types_are_stored_as_built_in_ones() -> None:
    class Classifier(nn.Module):
        def forward(self, x: torch.Tensor) -> Answer:
            return Answer(x.topk(2), x > 0)

    stored = program.save(capture(Classifier(), (5,)))
    x = torch.randn(3, 5)
    (values, indices), sure = torch.export.load(io.BytesIO(stored)).module()(x)
    assert torch.equal(values, x.topk(2).values) and torch.equal(indices, x.topk(2).indices)
    assert torch.equal(sure, x > 0)
