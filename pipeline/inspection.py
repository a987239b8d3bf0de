"""What an artifact is, as a document; for a quantized file, where its error comes from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import MANIFEST, Deployable, Model, write_atomic
from pipeline.errors import UsageError
from pipeline.paths import cache_dir
from pipeline.store import Store, read_json

FEW = 4


def describe(name: str) -> dict[str, Any]:
    """Describe an artifact's folder, a digest (or its first letters) in the store, or a .tflite.

    Raises:
        UsageError: there is nothing of that name, or the digest fits several artifacts.
    """
    path = Path(name)
    if path.is_file():
        from pipeline.convert.audit import audit

        return {"file": name, **audit(path).to_json()}
    folder = folder_of(name)
    manifest = read_json(folder / MANIFEST)
    if manifest is None:
        raise UsageError(f"has no {MANIFEST}", where=folder, fix="name a folder secateur made")
    reports = {file.stem: read_json(file) for file in sorted(folder.glob("*.json"))}
    reports.pop(Path(MANIFEST).stem)
    return {"folder": str(folder), **manifest, **reports}


def attribution(name: str, samples: Path | None, plot: Path) -> dict[str, Any] | None:
    """The error of each layer of a quantized deployable, and a picture of it at `plot`.

    None for everything else. Without the torch checkpoint in the store, the float file is what the
    layers are compared with.

    Raises:
        UsageError: the samples do not fit the model.
    """
    if Path(name).is_file():
        return None
    folder = folder_of(name)
    manifest = read_json(folder / MANIFEST)
    if manifest is None or manifest["kind"] != Deployable.__name__:
        return None
    made = Deployable(folder, folder.name, manifest["meta"])
    if made.meta["scheme"] in ("fp32", "fp16") or not made.file("float.tflite").is_file():
        return None
    from pipeline.verify.layers import layers, to_json
    from pipeline.verify.layers_plot import layers_png

    x, origin = _samples(made, samples)
    with tempfile.TemporaryDirectory() as scratch:
        found = layers(made, _checkpoint(made), x, Path(scratch))
    title = f"{made.meta['scheme']} file, error by layer, over {origin}"
    write_atomic(plot, layers_png(found, title))
    return {"samples": origin, "layers": to_json(found), "plot": str(plot)}


def _samples(made: Deployable, path: Path | None) -> tuple[np.ndarray, str]:
    """At most FEW samples in torch's layout, and what they are."""
    order, port = made.meta["layout"]["input"], made.meta["inputs"][0]
    shape = [port["shape"][order.index(axis)] for axis in range(len(order))][1:]
    if path is not None:
        from pipeline.data.samples import load

        x = load(path, shape).inputs("train", slice(0, FEW))
        return x, f"{len(x)} samples of {path.name}"
    if (calibration := _calibration(made)) is not None:
        return calibration[:FEW], f"{FEW} of its calibration samples"
    noise = np.random.default_rng(0).standard_normal((FEW, *shape), dtype=np.float32)
    reach = 32 * (port["scale"] or 1 / 32)  # a quarter of the input's range
    return noise * np.float32(reach), f"{FEW} random samples (--samples takes real ones)"


def _calibration(made: Deployable) -> np.ndarray | None:
    """The samples that the file's ranges were taken from, where the store still has them."""
    store = Store(cache_dir() / "store")
    for path in (store.root / "steps").glob("*/*.json"):
        entry = read_json(path) or {}
        if entry.get("artifact") == made.digest and "model" in entry["parts"]["inputs"]:
            file = store.artifact_path(entry["parts"]["inputs"]["model"]) / "calibration.npy"
            if file.is_file():
                samples: np.ndarray = np.load(file, mmap_mode="r")
                return np.array(samples)
    return None


def _checkpoint(made: Deployable) -> Model | None:
    """The torch model that a deployable was made from, where the store still has it."""
    digest = made.meta["checkpoint"]
    return Store(cache_dir() / "store").get(digest, Model)


def folder_of(name: str) -> Path:
    """Folder of an artifact by its path, its digest, or the digest's first letters.

    Raises:
        UsageError: there is nothing of that name, or the digest fits several artifacts.
    """
    return Path(name) if Path(name).is_dir() else _in_store(name)


def _in_store(digest: str) -> Path:
    found = [p for p in (cache_dir() / "store/artifacts").glob(f"*/{digest}*") if len(digest) > 3]
    if len(found) == 1:
        return found[0]
    what = "fits several artifacts" if found else "is no file, no folder and no digest in the store"
    raise UsageError(what, where=digest, fix="`secateur status RECIPE` shows digests")
