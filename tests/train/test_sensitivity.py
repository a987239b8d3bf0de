"""A scan says what each family costs alone, and an allocation follows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, fx, nn
from torch.nn import functional

from pipeline.errors import Refused, UsageError
from pipeline.models.factory import build
from pipeline.models.graph import capture
from pipeline.models.resnet8 import resnet8
from pipeline.prune.checkpoint import save
from pipeline.prune.cost import macs
from pipeline.prune.curves import picture
from pipeline.prune.engine import Pruned, prune_graph
from pipeline.prune.stage import PruneConfig
from pipeline.train.sensitivity import scan
from tests.train.test_schedules import DATA, TrainConfig, dense, train, work  # noqa: F401

SHAPE = (1, 28, 28)
FAMILIES = {"stem.weight": 16, "blocks.0.conv1.weight": 16, "blocks.1.conv1.weight": 32,
            "blocks.1.conv2.weight": 32, "blocks.2.conv1.weight": 64,
            "blocks.2.conv2.weight": 64}  # fmt: skip


def written(folder: Path, drops: dict[str, list[float]]) -> Path:
    """A scan of resnet8 by hand: drops at 50 % and 100 % less one channel; 0.1, 0.2 if not said."""
    rows = []
    for name, width in FAMILIES.items():
        half, most = drops.get(name, [0.1, 0.2])
        points = [{"ratio": 0.5, "metric": 0.9 - half}, {"ratio": 0.9, "metric": 0.9 - most}]
        rows.append({"name": name, "width": width, "points": points})
    document = {"sensitivity": 1, "metric": 0.9, "families": rows}
    (folder / "s.json").write_text(json.dumps(document))
    return folder / "s.json"


def cut(path: Path, **settings: Any) -> Pruned:
    torch.manual_seed(0)
    cfg = PruneConfig(**{"round_to": 1, "scope": "sensitivity", "sensitivity": path, **settings})
    return prune_graph(capture(resnet8(), SHAPE), cfg)


def widths(pruned: Pruned) -> dict[str, int]:
    after = {f["name"]: f["width"]["after"] for f in pruned.plan["families"]}
    return {name: after.get(name, width) for name, width in FAMILIES.items()}


def test_what_costs_nothing_goes_first_and_what_costs_most_stays(tmp_path: Path) -> None:
    drops = {"blocks.2.conv1.weight": [0.0, 0.001], "stem.weight": [0.6, 0.8]}
    found = widths(cut(written(tmp_path, drops), ratio=0.3))
    assert found["blocks.2.conv1.weight"] == 64 - int(64 * 0.9)
    assert found["stem.weight"] >= 15
    assert sum(found.values()) == 224 - int(0.3 * 224)


def test_a_budget_in_macs_is_met(tmp_path: Path) -> None:
    pruned = cut(written(tmp_path, {}), macs=0.5)
    whole: fx.GraphModule = capture(resnet8(), SHAPE)
    assert 0.45 < macs(pruned.graph_module) / macs(whole) <= 0.5


def test_more_than_was_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="closest that can be met is channels = "):
        cut(written(tmp_path, {}), ratio=0.97)


def test_the_plan_replays_without_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, {})
    plan = cut(path, ratio=0.4).plan
    assert "s.json" not in json.dumps(plan)
    torch.manual_seed(0)
    again = prune_graph(capture(resnet8(), SHAPE), PruneConfig(), plan=plan)
    assert again.plan == plan


def test_another_models_scan_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {})
    path.write_text(path.read_text().replace("stem.weight", "steam.weight"))
    with pytest.raises(UsageError, match=r"'stem\.weight' was not scanned"):
        cut(path, ratio=0.4)
    path.write_text("{}")
    with pytest.raises(UsageError, match="no sensitivity scan"):
        cut(path, ratio=0.4)


def test_scope_and_file_go_together() -> None:
    with pytest.raises(ValidationError, match="go together"):
        PruneConfig(scope="sensitivity")


class Standardised(nn.Module):
    """The second weight is computed from two parameters: families are of what it comes to."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.fc = nn.Conv2d(1, 8, 3), nn.Linear(8, 2)
        self.gain, self.b = nn.Parameter(torch.ones(8, 1, 1, 1)), nn.Conv2d(8, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.conv2d(self.a(x).relu(), self.b.weight * self.gain)
        logits: Tensor = self.fc(y.relu().mean((2, 3)))
        return logits


def test_what_was_scanned_is_what_is_pruned(tmp_path: Path) -> None:
    source = {"factory": f"{__name__}:Standardised", "args": {}, "seed": 0}
    graph = capture(build(source), (1, 8, 8))
    place = work(tmp_path, "dense")
    model = save(place, graph, source=source, classes=2)
    (tmp_path / "s.json").write_text(json.dumps(scan(model, DATA, PruneConfig(), [0.5, 0.9], 32)))
    cfg = PruneConfig(ratio=0.3, round_to=1, scope="sensitivity", sensitivity=tmp_path / "s.json")
    assert len(prune_graph(graph, cfg).plan["families"]) == 2


def test_a_scan_is_the_metric_of_each_cut_alone(dense: Any, tmp_path: Path) -> None:  # noqa: F811
    cfg = TrainConfig(epochs=3, batch_size=16, lr=0.05)
    trained = train(dense, data=DATA, cfg=cfg, work=work(tmp_path, "trained"))
    found = scan(trained, DATA, PruneConfig(), [0.9, 0.5], 50)
    assert found == scan(trained, DATA, PruneConfig(), [0.5, 0.9], 50)
    assert found["samples"] == 50
    assert found["metric"] > 0.7
    names = [family["name"] for family in found["families"]]
    assert names[0] == "stem.weight" and len(names) == len(set(names)) == 6
    for family in found["families"]:
        assert [p["ratio"] for p in family["points"]] == [0.5, 0.9]
        assert family["points"][0]["width"] == family["width"] // 2
    assert any(f["points"][1]["metric"] < found["metric"] for f in found["families"])
    assert picture(found) == picture(found)
