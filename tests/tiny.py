"""A recipe whose whole chain runs in half a minute: small net, small data, every stage."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

RECIPE = """# a tiny chain for tests
[model]
factory = "pipeline.models.resnet8:resnet8"
args = { widths = [8, 16, 16], classes = 2 }
input = [1, 16, 16]
classes = 2
[data]
npz = "tiny.npz"
[quantize]
samples = 32
[verify]
samples = 32
runtimes = ["ai-edge-litert"]
min_agreement = 0.8
[[step]]
id = "dense"
use = "train"
epochs = 3
batch_size = 32
[[step]]
id = "cut"
use = "prune"
[[step]]
id = "small"
use = "finetune"
teacher = "dense"
epochs = 2
batch_size = 32
[[arm]]
name = "dense"
from = "dense"
scheme = "fp32"
[[arm]]
name = "small"
from = "small"
[measure]
processes = 2
warmup_ms = 10
window_ms = 20
samples = 50
"""


def write(folder: Path) -> Path:
    """The recipe and its data: two classes of 16x16 stripes."""
    random = np.random.default_rng(0)
    y = np.arange(400) % 2
    wave = np.sin(np.arange(16) * 1.5)
    across = np.where(y[:, None, None] == 1, wave[None, :, None], wave[None, None, :])
    x = (across[:, None] + random.normal(0, 0.4, (400, 1, 16, 16))).astype(np.float32)
    np.savez(folder / "tiny.npz", x_train=x, y_train=y)
    (folder / "tiny.toml").write_text(RECIPE)
    return folder / "tiny.toml"


def command(*words: str) -> list[str]:
    """Our command line as a process of its own."""
    return [str(Path(sys.executable).with_name("secateur")), *words]


def environment(home: Path) -> dict[str, str]:
    """Its environment, with all of its folders below `home`."""
    return {**os.environ, "SECATEUR_HOME": str(home)}
