"""A recipe and commands with a model of two inputs, one of integers, from training to a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.test_own_model import secateur

NET = """
import numpy as np
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16)
        self.place = nn.Embedding(8, 16)
        self.mix, self.head = nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, image, place):
        x = self.norm(self.stem(image)).relu().mean((2, 3))
        return self.head(self.mix(x + self.place(place).mean(1)).relu())

def data():
    random = np.random.default_rng(0)
    y = np.arange(200) % 2
    image = random.standard_normal((200, 3, 8, 8)).astype(np.float32) * 0.3
    image[:, 0] += y[:, None, None]
    return {"train": ({"image": image, "place": random.integers(0, 8, (200, 1))}, y)}
"""
RECIPE = """# a picture and where it was taken
[model]
factory = "sensors:Net"
input = { image = [3, 8, 8], place = { shape = [1], dtype = "int64" } }
classes = 2
[data]
function = "sensors:data"
[quantize]
samples = 32
[[step]]
id = "dense"
use = "train"
epochs = 8
batch_size = 16
[[step]]
id = "cut"
use = "prune"
criterion = "taylor"
[[step]]
id = "small"
use = "finetune"
teacher = "dense"
epochs = 3
batch_size = 16
[[arm]]
name = "small"
from = "small"
[verify]
runtimes = ["ai-edge-litert"]
[measure]
processes = 2
warmup_ms = 10
window_ms = 20
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sensors.py").write_text(NET)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def test_a_recipe_of_two_inputs_is_trained_cut_distilled_converted_and_measured(
    folder: Path,
) -> None:
    done = secateur("run", "recipe.toml", "--target", "local", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)["record"]
    rows = {(r["arm"], r["name"]): r for r in record["rows"]}
    assert rows["small", "accuracy"]["value"] > 0.9


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('epochs = 8', 'epochs = 8\naugment = "flip"', "augment = 'flip' is for one input"),
        ('use = "finetune"', 'use = "qat"', "one float input is trained in int8"),
        ("image = [3, 8, 8]", "picture = [3, 8, 8]", "forward() takes 2 inputs (image, place)"),
        ('dtype = "int64"', 'dtype = "int65"', "int65 is none of float32, int64, int32, bool"),
        ("[data]", "[data]\nmean = [0.5]", "mean and std are for one float input"),
        ("(8, 16)", "(7, 16)", "the table they look up has 7 rows"),
    ],
)  # fmt: skip
def test_what_is_for_one_input_says_so(folder: Path, old: str, new: str, said: str) -> None:
    for name in ("recipe.toml", "sensors.py"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(old, new, 1))
    done = secateur("run", "recipe.toml", "--until", "small", cwd=folder)
    assert done.returncode in (2, 4), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_take_an_option_an_input_and_an_array_an_input(folder: Path) -> None:
    random = np.random.default_rng(1)
    image = random.standard_normal((40, 3, 8, 8), dtype=np.float32)
    np.savez(folder / "x.npz", image=image, place=random.integers(0, 8, (40, 1)))
    words = ["--model", "sensors.py:Net", "--input", "1,3,8,8", "--input", "1,1", "--json"]
    plain = secateur("prune", *words[:-2], "place=1,1", cwd=folder)
    assert plain.returncode == 2 and "only some inputs are named" in plain.stderr
    wrong = secateur("prune", *words, cwd=folder)
    assert wrong.returncode == 2 and "ids=1,128:int64" in wrong.stderr
    words[5] = "1,1:int64"
    cut = secateur("prune", *words, "--ratio", "0.5", "--out", "cut", cwd=folder)
    assert json.loads(cut.stdout)["certificate"]["ok"], cut.stderr
    done = secateur("convert", "--model", "cut", "--calibration", "x.npz", "--json", cwd=folder)
    document = json.loads(done.stdout)
    assert document["sqnr_db"]["int8"] > 25 and document["sqnr_db"]["float"] > 90
    file = {port["name"]: (port["dtype"], port["file"]["dtype"]) for port in document["inputs"]}
    assert file == {"image": ("float32", "int8"), "place": ("int64", "int32")}
    typed = ["--model", "sensors.py:Net", "--input", "1,3,8,8", "--input", "1,1"]
    found = secateur("convert", *typed, "--scheme", "fp32", "--calibration", "x.npz", cwd=folder)
    assert "input place [1, 1] int64" in found.stdout, found.stderr
