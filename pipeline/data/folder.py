"""A folder of images: `train/CLASS/*.png`, and `validation/` and `test/` beside it if there are.

Images without folders of classes are samples alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.data.arrays import SPLITS, Split
from pipeline.errors import UsageError
from pipeline.progress import track

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm"}


def load(folder: Path, shape: list[int]) -> dict[str, Split]:
    """Read and resize every image to `shape` (c, h, w), uint8; classes are the sorted folder names.

    A folder without `train/` is taken as one split, from which the others are carved.

    Raises:
        UsageError: no images, an unreadable one, or a split whose classes differ from train's.
    """
    _require_image_shape(folder, shape)
    names = [name for name in SPLITS if (folder / name).is_dir()]
    roots = {name: folder / name for name in names} if "train" in names else {"train": folder}
    if not any(path.is_dir() for path in roots["train"].iterdir()) and _images(roots["train"]):
        return {name: Split(images(root, shape), None) for name, root in roots.items()}
    classes = _classes(roots["train"])
    return {name: _read(root, classes, shape) for name, root in roots.items()}


def images(folder: Path, shape: list[int]) -> np.ndarray:
    """Every image at any depth below a folder, without classes: uint8 (n, c, h, w).

    Raises:
        UsageError: none, an unreadable one, or a shape that no image has.
    """
    _require_image_shape(folder, shape)
    paths = _images(folder)
    if not paths:
        what = f"has no .npz, no .npy and no images ({', '.join(sorted(ENDINGS))})"
        raise UsageError(what, where=folder, fix="name the folder that holds the samples")
    return np.stack([_image(path, shape) for path in track(paths, f"reading {folder.name}")])


def _require_image_shape(folder: Path, shape: list[int]) -> None:
    if len(shape) != 3 or shape[0] not in (1, 3):
        fix = "set input = [1 or 3, height, width] in [model]"
        raise UsageError(f"images cannot become samples of shape {shape}", where=folder, fix=fix)


def _classes(root: Path) -> list[str]:
    classes = sorted(p.name for p in root.iterdir() if p.is_dir())
    if not classes:
        raise UsageError("has no class folders", where=root, fix="lay it out as CLASS/image.png")
    return classes


def _read(root: Path, classes: list[str], shape: list[int]) -> Split:
    if extra := sorted(set(_classes(root)) - set(classes)):
        raise UsageError(f"has classes that train has not: {', '.join(extra)}", where=root)
    paths = [(p, n) for n, c in enumerate(classes) for p in _images(root / c)]
    if not paths:
        raise UsageError(f"has no images ({', '.join(sorted(ENDINGS))})", where=root)
    x = np.stack([_image(path, shape) for path, _ in track(paths, f"reading {root.name}")])
    return Split(x, np.array([n for _, n in paths], np.int64))


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS)


def _image(path: Path, shape: list[int]) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    channels, height, width = shape
    try:
        with Image.open(path) as image:
            plain = image.convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(plain.resize((width, height), Image.Resampling.BILINEAR))
    except (OSError, UnidentifiedImageError) as error:
        raise UsageError(
            f"is no readable image ({error})", where=path, fix="remove or mend it"
        ) from error
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)
