"""From an export to the file for one scheme, audited before anyone loads it."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

from pipeline.artifacts import Deployable, Exported, Quantized, Workdir
from pipeline.convert.audit import audit, listed, require_sound
from pipeline.convert.schemes import FLOAT, SCHEMES, Job
from pipeline.errors import UsageError
from pipeline.progress import say

if TYPE_CHECKING:
    from pipeline.convert.stage import ConvertConfig

MODEL, ONNX = "model.tflite", "model.onnx"


def run(model: Quantized, exported: Exported, cfg: ConvertConfig, work: Workdir) -> Deployable:
    """Make and audit `model.tflite`; the float file and the ONNX model stay beside it.

    Raises:
        UsageError: `exported` comes from another checkpoint than `model`.
        Refused: the converter failed, or its file would not run on a board.
    """
    if model.meta["checkpoint"] != exported.meta["checkpoint"]:
        raise UsageError(
            "the export is of another checkpoint than the quantized model",
            where="convert", fix="export the step that is quantized",
        )  # fmt: skip
    work.out.mkdir(parents=True, exist_ok=True)
    for name in (FLOAT, ONNX):
        if exported.file(name).is_file():  # a user's .tflite has no ONNX
            shutil.copyfile(exported.file(name), work.out / name)
    path, scheme = work.out / MODEL, model.meta["scheme"]
    said = SCHEMES[scheme](Job(model, exported, path, work.scratch, cfg.timeout_s))
    found = audit(path)
    require_sound(found, path, scheme=scheme)
    if said.get("unlike"):
        say(
            "warning: an output joins parts of unlike size, of which one int8 scale would lose the"
            f" small ones: it and {said['unlike']} operators that join it are float"
        )
    elif scheme == "int8" and found.float_operators:
        say(f"warning: no runtime has {listed(found.float_operators)} in int8: left in float")
    return work.seal(Deployable, {
        "format": "tflite",
        "scheme": scheme,
        "variant": said.get("variant", scheme),
        "tried": said.get("tried", []),
        "file": MODEL,
        "checkpoint": exported.meta["checkpoint"],
        "inputs": [asdict(port) for port in found.inputs],
        "outputs": [asdict(port) for port in found.outputs],
        "layout": exported.meta["layout"],
        "size_bytes": found.size_bytes,
    })  # fmt: skip
