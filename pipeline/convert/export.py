"""A model to ONNX and float TFLite, compared with the original by its answers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.artifacts import Exported, Foreign, Model, Workdir
from pipeline.convert import foreign, foreign_onnx, foreign_tflite, onnx_file, worker
from pipeline.convert.layout import match_outputs, sqnr_db
from pipeline.convert.prepare import (
    fill_masks,
    settle_attention,
    spell_out_distances,
    spread_adaptive_pools,
)
from pipeline.errors import Refused
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports
from pipeline.progress import log_text, say
from pipeline.prune.certify import to_float64
from pipeline.prune.checkpoint import load

if TYPE_CHECKING:
    from pipeline.convert.stage import ExportConfig

PROBES = 4
WAYS = {"savedmodel": "own", "second": "onnx2tf"}  # child process: what the artifact calls it
MIN_PARITY_DB = 60.0  # float rounding leaves 90 and more; a mistake leaves 40 and less
FLOOR_PARITY_DB = 40.0  # however unstable the network is
ROUNDING_MARGIN_DB = 6.0  # another order of summing rounds about as badly, not better


@dataclass(frozen=True)
class Source:
    """What is converted: the ONNX model, the user's line of its nodes, and a probe's answers.

    probe: PROBES samples in the model's own layout; reference: its outputs in order, and
    rounding_db how far each is from the same in float64, where that could be had.
    """

    onnx: bytes
    lines: dict[str, str]
    ports: Ports
    probe: Batch
    reference: list[NDArray[Any]]
    rounding_db: list[float]


def run(model: Model, cfg: ExportConfig, work: Workdir) -> Exported:
    """Export a model; what a killed run left in the scratch folder is made anew.

    Raises:
        Refused: an operator cannot be converted, or the converted network answers differently.
    """
    if isinstance(model, Foreign) and foreign.file_of(model).suffix == ".tflite":
        return _taken(model, work)
    source = from_onnx(model) if isinstance(model, Foreign) else from_torch(model)
    made, found = convert(source, cfg.timeout_s, work.scratch)
    shutil.copytree(made, work.out, dirs_exist_ok=True)
    shutil.rmtree(made)
    return work.seal(Exported, {"checkpoint": model.digest, **found})


def _taken(model: Foreign, work: Workdir) -> Exported:
    """A float .tflite as it is."""
    shutil.copyfile(foreign.file_of(model), work.out / "float.tflite")
    layout = foreign_tflite.layout_of(foreign.file_of(model))
    return work.seal(Exported, {"checkpoint": model.digest, "folded": {}, "layout": layout})


def from_onnx(model: Foreign) -> Source:
    """A user's ONNX file, with onnxruntime's answers."""
    ports = Ports.of(model.meta["input"])
    probe = ports.draw(PROBES)
    data = foreign_onnx.fixed(foreign.file_of(model), ports)
    reference = foreign.outputs(model, probe)
    return Source(data, {}, ports, probe, reference, [np.inf] * len(reference))


def from_torch(model: Model) -> Source:
    """A torch checkpoint's graph as ONNX, with its own answers."""
    gm = load(model)
    ports: Ports = gm.meta["ports"]
    probe = ports.draw(PROBES)
    reference = [value.numpy() for value in onnx_file.run(gm, probe)]
    rounding_db = _rounding_db(gm, probe, reference)
    spread_adaptive_pools(gm)
    spell_out_distances(gm)
    fill_masks(gm)
    settle_attention(gm)
    data, lines = onnx_file.to_onnx(gm, len(reference))
    return Source(data, lines, ports, probe, reference, rounding_db)


def _rounding_db(
    gm: torch.fx.GraphModule, probe: Batch, reference: list[NDArray[Any]]
) -> list[float]:
    """How far each output is from the same in float64; infinite for a network fixed to float32."""
    try:
        exact = onnx_file.run(to_float64(gm), probe.double())
    except RuntimeError as error:  # it makes float32 tensors of its own
        log_text(f"no float64 reference: {error}")
        return [np.inf] * len(reference)
    return [sqnr_db(e.numpy(), r) for e, r in zip(exact, reference, strict=True)]


def convert(source: Source, timeout_s: float, scratch: Path) -> tuple[Path, dict[str, Any]]:
    """Folder with model.onnx and float.tflite; `layout`, what was `folded`, and by which `way`.

    Our own rules come first: they keep the user's lines, and leave no needless transpose. What they
    lack or get wrong, onnx2tf may know; its answers are held against the original's all the same.

    Raises:
        Refused: neither way converts it; the reason is the first one's.
    """
    try:
        return _converted(source, "savedmodel", timeout_s, scratch)
    except Refused as first:
        say(f"export: {first.what}; trying onnx2tf")
        try:
            return _converted(source, "second", timeout_s, scratch)
        except Refused as second:
            log_text(f"onnx2tf: {second}")
            raise first from None


def _converted(
    source: Source, child: str, timeout_s: float, scratch: Path
) -> tuple[Path, dict[str, Any]]:
    """One way, in a child process. Raises Refused: it fails, or answers differently."""
    folder = scratch / "export"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(source.onnx)
    probe = source.probe.save(scratch / "probe")
    names = onnx_file.input_names(source.ports.names)
    spec = {
        "onnx": str(folder / "model.onnx"), "sources": source.lines, "probe": str(probe),
        "out": str(folder), "inputs": [
            {"name": name, "shape": [1, *port.shape], "dtype": port.stored}
            for name, port in zip(names, source.ports, strict=True)
        ],
    }  # fmt: skip
    log = scratch / f"{child}.log"
    found = worker.call(f"pipeline.convert.children.{child}", spec, log=log, timeout_s=timeout_s)
    with np.load(folder / "probe.npz") as stored:
        answers = dict(stored)
    (folder / "probe.npz").unlink()
    layout = {"outputs": None, **found["layout"]}
    if layout["outputs"] is None:
        matches = match_outputs(source.reference, answers)
        layout["outputs"] = [{"name": name, "to_torch": order} for name, order in matches]
    require_parity(source, answers, layout)
    return folder, {**found, "layout": layout, "way": WAYS[child]}


def require_parity(
    source: Source, answers: dict[str, NDArray[Any]], layout: dict[str, Any]
) -> None:
    """Compare each output with the original's.

    A network that is unstable in itself, so that float32 leaves little of float64's answer, cannot
    be held to more than that.

    Raises:
        Refused: one of them differs by more than rounding.
    """
    for index, (want, entry) in enumerate(zip(source.reference, layout["outputs"], strict=True)):
        got = answers[entry["name"]].transpose(entry["to_torch"])
        quality_db = sqnr_db(want, got) if got.shape == want.shape else -np.inf
        own_db = source.rounding_db[index] - ROUNDING_MARGIN_DB
        needed_db = max(FLOOR_PARITY_DB, min(MIN_PARITY_DB, own_db))
        if quality_db < needed_db:
            raise Refused(
                f"output {index} of the converted network differs from the original's"
                f" ({quality_db:.0f} dB, {needed_db:.0f} needed)", where="export",
                fix="see whether the model is deterministic; else report this model",
            )  # fmt: skip
