"""What the README promises: a recipe in the user's own folder, with their own code and data.

Their folder has a `pipeline/` of its own, which must neither be imported nor hide ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NET = """
import torch
from torch import nn
from .tools import width

def build(classes):
    return nn.Sequential(
        nn.Conv2d(3, width(), 3, 2, 1, bias=False), nn.BatchNorm2d(width()), nn.ReLU(),
        nn.MaxPool2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width(), classes))

def loss(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets, label_smoothing=0.1)

def balanced(outputs, targets):
    right = outputs.argmax(-1) == targets
    return sum(right[targets == c].mean() for c in set(targets)) / len(set(targets))
"""
TRAIN = """
import torch
from acme.tools import width
from pipeline.train.handover import load, save, set_training
model = load()
set_training(model, True)
model(torch.randn(8, 3, 16, 16))
set_training(model, False)
save(model)
print("trained")
"""
RECIPE = """# red against blue
[model]
factory = "acme.net:build"
args = { classes = 2 }
input = [3, 16, 16]
classes = 2
[data]
folder = "photos"
[task]
loss = "acme.net:loss"
metric = "acme.net:balanced"
[quantize]
samples = 32
[[step]]
id = "dense"
use = "train"
epochs = 4
batch_size = 16
[[step]]
id = "cut"
use = "prune"
[[step]]
id = "own"
use = "command"
script = "train_mine.py"
[[arm]]
name = "dense"
from = "dense"
scheme = "fp32"
[[arm]]
name = "small"
from = "own"
[verify]
runtimes = ["ai-edge-litert"]
[measure]
processes = 2
warmup_ms = 10
window_ms = 20
"""


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    for folder in ("acme", "pipeline"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pipeline/__init__.py").write_text("raise SystemExit('the wrong pipeline')\n")
    (tmp_path / "acme/__init__.py").write_text("")
    (tmp_path / "acme/tools.py").write_text("def width(): return 16\n")
    (tmp_path / "acme/net.py").write_text(NET)
    (tmp_path / "train_mine.py").write_text(TRAIN)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    random = np.random.default_rng(0)
    for channel, name in ((0, "red"), (2, "blue")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for n in range(60):
            pixels = random.integers(0, 120, (20, 20, 3), dtype=np.uint8)
            pixels[..., channel] += 100
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{n}.png")
    return tmp_path


def secateur(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = str(Path(sys.executable).with_name("secateur"))
    return subprocess.run(
        [command, *words], cwd=cwd, env=dict(os.environ), capture_output=True, text=True
    )


def test_their_model_data_loss_metric_and_script(acme: Path) -> None:
    done = secateur("run", "recipe.toml", "--target", "local", "--json", cwd=acme)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [step["id"] for step in document["steps"]][:4] == ["model", "dense", "cut", "own"]
    rows = {(r["arm"], r["name"]): r for r in document["record"]["rows"]}
    assert rows["dense", "accuracy"]["value"] > 0.9
    assert rows["small", "file_size"]["value"] < rows["dense", "file_size"]["value"]
    assert (acme / "results").is_dir()
    assert "trained" in done.stderr

    (acme / "acme/tools.py").write_text("def width(): return 24\n")
    rows = json.loads(secateur("status", "recipe.toml", "--json", cwd=acme).stdout)["steps"]
    assert not rows[0]["cached"]
    assert "source" in rows[0]["why"]


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "said"),
    [
        ("recipe.toml", "acme.net:build", "acme.nett:build", 2, "cannot import module 'acme.nett'"),
        ("recipe.toml", "classes = 2\n[data]", "classes = 3\n[data]", 2, "set classes = 2"),
        ("recipe.toml", "[3, 16, 16]", "[4, 16, 16]", 2, "rejects an input of shape 4,16,16"),
        ("recipe.toml", "input =", 'weights = "w.pt"\ninput =', 2, "no such file or folder"),
        ("acme/net.py", "return nn.Sequential(", "return (", 2, "not a torch.nn.Module"),
        ("acme/tools.py", "return 16", "return 16 / 0", 2, "ZeroDivisionError"),
        ("train_mine.py", "save(model)", "raise SystemExit(3)", 4, "exit code 3"),
        ("train_mine.py", "save(model)", "", 4, "ended without saving weights"),
    ],
)
def test_what_they_got_wrong_is_said(
    acme: Path, file: str, old: str, new: str, code: int, said: str
) -> None:
    path = acme / file
    path.write_text(path.read_text().replace(old, new, 1))
    done = secateur("run", "recipe.toml", "--until", "own", cwd=acme)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
