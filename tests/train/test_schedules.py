"""What can be done around pruning: masks kept, sparsity, rewinding, fresh weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.errors import Refused, UsageError
from pipeline.models.factory import build
from pipeline.models.graph import capture, named_tensors
from pipeline.prune.checkpoint import load, save
from pipeline.prune.stage import MaskConfig, PruneConfig, mask, prune
from pipeline.train.config import FinetuneConfig, ResetConfig, TrainConfig
from pipeline.train.sparsity import group_penalty
from pipeline.train.stage import finetune, reset, train
from tests.prune.nets import SHAPE, shuffled
from tests.prune.test_shuffle import Halves
from tests.train.test_loop import Stripes

SOURCE = {
    "factory": "pipeline.models.resnet8:resnet8",
    "args": {"widths": [8, 8, 16], "classes": 2},
    "seed": 0,
}
DATA: Any = Stripes(64)
ONCE = FinetuneConfig(epochs=1, batch_size=32)


def work(folder: Path, name: str) -> Workdir:
    for part in ("out", "scratch"):
        (folder / name / part).mkdir(parents=True)
    return Workdir(folder / name / "out", folder / name / "scratch")


@pytest.fixture
def dense(tmp_path: Path) -> Checkpoint:
    graph = capture(build(SOURCE), (1, 8, 8))
    place = work(tmp_path, "dense")
    return save(place, graph, source=SOURCE, classes=2)


def tensors(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    return named_tensors(load(checkpoint))


def masked(dense: Checkpoint, folder: Path, **settings: Any) -> Checkpoint:
    return mask(dense, cfg=MaskConfig(**settings), work=work(folder, "masked"))


def test_unstructured_takes_the_smallest(dense: Checkpoint, tmp_path: Path) -> None:
    made = masked(dense, tmp_path, ratio=0.75)
    before, after = tensors(dense), tensors(made)
    name = "blocks.0.conv1.weight"
    gone = after[name] == 0
    assert int(gone.sum()) == int(0.75 * gone.numel())
    assert before[name][gone].abs().max() <= before[name][~gone].abs().min()
    assert torch.equal(after[name][~gone], before[name][~gone])
    report = json.loads(made.file("report.json").read_text())
    assert abs(report["zeros"] - 0.75) < 0.01
    assert "as long as before" in report["speed"]


def test_two_of_four_inputs_stay_in_every_group(dense: Checkpoint, tmp_path: Path) -> None:
    made = masked(dense, tmp_path, pattern="2:4")
    groups = (tensors(made)["blocks.1.conv2.weight"] != 0).unflatten(1, (-1, 4)).sum(2)
    assert torch.equal(groups, torch.full_like(groups, 2))
    before = tensors(dense)["classifier.weight"].unflatten(1, (-1, 4))
    after = tensors(made)["classifier.weight"].unflatten(1, (-1, 4))
    torch.testing.assert_close(after.abs().sum(2), before.abs().topk(2, 2).values.sum(2))
    report = json.loads(made.file("report.json").read_text())
    assert report["skipped"] == ["stem.weight"]
    assert "NVIDIA" in report["speed"]


def test_global_reaches_its_share_over_all_layers(dense: Checkpoint, tmp_path: Path) -> None:
    made = masked(dense, tmp_path, ratio=0.6, scope="global")
    report = json.loads(made.file("report.json").read_text())
    assert abs(report["zeros"] - 0.6) < 0.001
    assert len({round(layer["zeros"], 2) for layer in report["layers"]}) > 1


def test_zeros_are_kept_by_training_pruning_and_a_second_round(
    dense: Checkpoint, tmp_path: Path
) -> None:
    made = masked(dense, tmp_path, pattern="1:4")
    tuned = finetune(made, data=DATA, cfg=ONCE, work=work(tmp_path, "tuned"))
    zero = tensors(made)["blocks.2.conv2.weight"] == 0
    after = tensors(tuned)["blocks.2.conv2.weight"]
    assert torch.equal(after == 0, zero)
    assert not torch.equal(after, tensors(made)["blocks.2.conv2.weight"])
    small = prune(tuned, data=None, cfg=PruneConfig(round_to=4), work=work(tmp_path, "small"))
    last = finetune(small, data=DATA, cfg=ONCE, work=work(tmp_path, "last"))
    share = (tensors(last)["blocks.2.conv2.weight"] == 0).float().mean()
    assert share >= 0.6
    assert torch.equal(
        tensors(last)["blocks.2.conv2.weight"] == 0, tensors(small)["blocks.2.conv2.weight"] == 0
    )


@pytest.mark.parametrize(
    "settings", [{"pattern": "4:4"}, {"pattern": "0:4"}, {"pattern": "2:4", "ratio": 0.5},
                 {"ratio": 1.0}, {"pattern": "half"}],
)  # fmt: skip
def test_masks_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MaskConfig(**settings)


def test_the_penalty_by_hand() -> None:
    """Two channels of squared norms 4 and 1: strengths 1 and 2^4, so 4 + 16."""
    module = torch.nn.Sequential(
        torch.nn.Linear(1, 2, bias=False), torch.nn.Linear(2, 1, bias=False)
    )
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[2.0], [0.0]]))
        module[1].weight.copy_(torch.tensor([[0.0, 1.0]]))
    assert float(group_penalty(capture(module, (1,)))().detach()) == pytest.approx(20.0)


def test_the_penalty_reaches_channels_that_shuffles_would_tie() -> None:
    """Pruning makes permutations of those shuffles, and cuts what lies behind them."""
    graph = capture(Halves(20, 5, shuffled), SHAPE)
    group_penalty(graph)().backward()
    assert all(tensor.grad is not None for tensor in graph.parameters() if tensor.dim() > 1)


def test_sparse_training_weakens_the_weakest_channels(dense: Checkpoint, tmp_path: Path) -> None:
    spread = []
    for name, sparsity in (("plain", 0.0), ("sparse", 1e-3)):
        cfg = TrainConfig(epochs=3, batch_size=16, sparsity=sparsity)
        made = train(dense, data=DATA, cfg=cfg, work=work(tmp_path, name))
        norms = tensors(made)["blocks.1.conv1.weight"].flatten(1).norm(dim=1)
        spread.append(float((norms.min() / norms.max()).detach()))
    assert spread[1] < spread[0]


def test_rewinding_gives_the_earlier_weights_cut_alike(dense: Checkpoint, tmp_path: Path) -> None:
    cfg = TrainConfig(epochs=1, batch_size=32)
    trained = train(dense, data=DATA, cfg=cfg, work=work(tmp_path, "trained"))
    cut = prune(trained, data=None, cfg=PruneConfig(round_to=4), work=work(tmp_path, "cut"))
    none = FinetuneConfig(epochs=0, recalibrate=0)
    back = finetune(cut, rewind=dense, data=DATA, cfg=none, work=work(tmp_path, "back"))
    plan = {f["name"]: f["kept"] for f in cut.meta["plans"][0]["families"]}
    expected = tensors(dense)["stem.weight"][plan["stem.weight"]]
    assert torch.equal(tensors(back)["stem.weight"], expected)
    with pytest.raises(UsageError, match="no earlier state"):
        finetune(trained, rewind=cut, data=DATA, cfg=none, work=work(tmp_path, "wrong"))


def test_recalibration_alone_changes_no_weight(dense: Checkpoint, tmp_path: Path) -> None:
    cfg = FinetuneConfig(epochs=0, recalibrate=64, batch_size=32)
    made = finetune(dense, data=DATA, cfg=cfg, work=work(tmp_path, "made"))
    before, after = tensors(dense), tensors(made)
    assert torch.equal(after["stem.weight"], before["stem.weight"])
    assert not torch.equal(after["bn.running_mean"], before["bn.running_mean"])


def test_fresh_weights_have_the_variance_of_a_net_built_small(
    dense: Checkpoint, tmp_path: Path
) -> None:
    cut = prune(dense, data=None, cfg=PruneConfig(round_to=4), work=work(tmp_path, "cut"))
    made = reset(cut, cfg=ResetConfig(), work=work(tmp_path, "fresh"))
    again = reset(cut, cfg=ResetConfig(), work=work(tmp_path, "again"))
    assert made.digest == again.digest
    fresh, old = tensors(made), tensors(cut)
    assert {n: t.shape for n, t in fresh.items()} == {n: t.shape for n, t in old.items()}
    assert not torch.equal(fresh["stem.weight"], old["stem.weight"])
    weight = fresh["blocks.2.conv2.weight"]
    built = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, bias=False).weight
    assert float((weight.std() / built.std()).detach()) == pytest.approx(1, abs=0.1)


def test_a_program_has_no_fresh_weights(dense: Checkpoint, tmp_path: Path) -> None:
    from pipeline.models import program

    (tmp_path / "m.pt2").write_bytes(program.save(load(dense)))
    made = save(
        work(tmp_path, "p"), load(dense), source={"program": "x"},
        classes=2, program_file=tmp_path / "m.pt2",
    )  # fmt: skip
    cut = prune(made, data=None, cfg=PruneConfig(round_to=4), work=work(tmp_path, "cut"))
    tuned = finetune(cut, data=DATA, cfg=ONCE, work=work(tmp_path, "tuned"))
    assert load(tuned).get_parameter("stem.weight").shape[0] == 4
    with pytest.raises(Refused, match="cannot give fresh weights"):
        reset(cut, cfg=ResetConfig(), work=work(tmp_path, "fresh"))
