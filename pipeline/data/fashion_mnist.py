"""Fashion-MNIST: 60,000 and 10,000 grey images of 28x28 in ten classes (Xiao et al. 2017, MIT).

Found on disk, or taken from Debian's package `dataset-fashion-mnist`, which needs no root.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import digest_of, file_digest
from pipeline.data.arrays import Split
from pipeline.errors import UsageError
from pipeline.paths import cache_dir
from pipeline.progress import say

PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("usr/share/datasets/fashion-mnist")
VALIDATION = 5000  # the last of train: the same for everybody
SHA256 = dict(
    line.split()[::-1]
    for line in """
        b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7  train-images-idx3-ubyte.gz
        0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056  train-labels-idx1-ubyte.gz
        cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa  t10k-images-idx3-ubyte.gz
        8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05  t10k-labels-idx1-ubyte.gz
    """.strip().splitlines()
)


def digest() -> str:
    """Digest of the data: of the four checksums below which nothing else is accepted."""
    return digest_of(SHA256)


def load() -> dict[str, Split]:
    """Train (55,000), validation (5,000) and test (10,000): x uint8 (n, 1, 28, 28), y int64."""
    folder = locate()
    train = _split(folder, "train")
    return {
        "train": train.part(slice(None, -VALIDATION)),
        "validation": train.part(slice(-VALIDATION, None)),
        "test": _split(folder, "t10k"),
    }


def locate() -> Path:
    """The folder with the four files, fetched from Debian's package where nowhere on disk.

    Raises:
        UsageError: they are nowhere and cannot be fetched, or one is not what it should be.
    """
    cached = cache_dir() / "datasets" / "fashion-mnist"
    for folder in (Path("/") / DEBIAN_FOLDER, cached):
        if all((folder / name).is_file() for name in SHA256):
            _check(folder)
            return folder
    _fetch(cached)
    _check(cached)
    return cached


def _check(folder: Path) -> None:
    for name, expected in SHA256.items():
        if file_digest(folder / name) != expected:
            fix = f"delete it; the next run fetches it again (sha256 must be {expected[:16]}...)"
            raise UsageError("is corrupt", where=folder / name, fix=fix)


def _fetch(destination: Path) -> None:
    say(f"fetching Fashion-MNIST (31 MB, Debian package {PACKAGE}) ...")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as scratch:
        try:
            _unpack(Path(scratch))
        except (OSError, subprocess.CalledProcessError) as error:
            reason = getattr(error, "stderr", None) or str(error)
            raise UsageError(
                f"Fashion-MNIST is not on disk and could not be fetched ({reason.strip()[-200:]})",
                fix=f"put {', '.join(SHA256)} into {destination}",
            ) from error
        shutil.rmtree(destination, ignore_errors=True)
        (Path(scratch) / DEBIAN_FOLDER).rename(destination)


def _unpack(scratch: Path) -> None:
    """Download and unpack below `scratch`; package lists of our own where the machine has none."""
    own_lists = ["-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}/cache"]
    download = ["download", "--quiet", PACKAGE]
    try:
        _command(scratch, "apt-get", *download)
    except subprocess.CalledProcessError:
        for folder in ("lists/partial", "cache/archives/partial"):
            (scratch / folder).mkdir(parents=True)
        _command(scratch, "apt-get", *own_lists, "update", "--quiet")
        _command(scratch, "apt-get", *own_lists, *download)
    _command(scratch, "dpkg", "-x", next(scratch.glob("*.deb")).name, ".")


def _command(folder: Path, *words: str) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True, text=True)


def _split(folder: Path, name: str) -> Split:
    images = _idx(folder / f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    return Split(images, _idx(folder / f"{name}-labels-idx1-ubyte.gz", 8).astype(np.int64))


def _idx(path: Path, header_bytes: int) -> NDArray[Any]:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header_bytes)
