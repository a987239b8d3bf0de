"""What an artifact is, as a document; for a quantized file, where its error comes from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import MANIFEST, Deployable, Model, write_atomic
from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch, load, saved
from pipeline.inputs.ports import Port, Ports
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


def _samples(made: Deployable, path: Path | None) -> tuple[Batch, str]:
    """At most FEW samples in torch's layout, and what they are."""
    ports, scales = _ports(made)
    if path is not None:
        from pipeline.data import samples

        x = Batch.of(samples.load(path, ports).inputs("train", slice(0, FEW)))
        return x, f"{len(x)} samples of {path.name}"
    if (calibration := _calibration(made)) is not None:
        return calibration[:FEW], f"{FEW} of its calibration samples"
    noise = zip(ports, ports.draw(FEW).arrays, scales, strict=True)
    # Floats reach a quarter of the input's range; of integers nothing is known but that 0 is one.
    x = Batch({p.name: a * np.float32(32 * (s or 1 / 32)) if p.is_float else a * 0
               for p, a, s in noise})  # fmt: skip
    return x, f"{FEW} random samples (--samples takes real ones)"


def _ports(made: Deployable) -> tuple[Ports, list[float | None]]:
    """What the torch model takes, as far as its file tells, and the scales in the file."""
    from pipeline.convert.layout import given

    held = {port["name"]: port for port in made.meta["inputs"]}
    pairs = [(held.get(n, made.meta["inputs"][0]), n, o) for n, o in given(made.meta["layout"])]
    ports = Ports(
        Port(name, tuple(port["shape"][order.index(axis)] for axis in range(1, len(order))),
             "float32" if port["scale"] else port["dtype"])
        for port, name, order in pairs
    )  # fmt: skip
    return ports, [port["scale"] for port, _, _ in pairs]


def _calibration(made: Deployable) -> Batch | None:
    """The samples that the file's ranges were taken from, where the store still has them."""
    store = Store(cache_dir() / "store")
    for path in (store.root / "steps").glob("*/*.json"):
        entry = read_json(path) or {}
        if entry.get("artifact") == made.digest and "model" in entry["parts"]["inputs"]:
            file = saved(store.artifact_path(entry["parts"]["inputs"]["model"]) / "calibration")
            if file is not None:
                return load(file)
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
