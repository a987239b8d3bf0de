"""A .tflite file that no stage of ours made, as a deployable that can be verified."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import Deployable, Model, Workdir
from pipeline.board.runtimes import python_for
from pipeline.convert.audit import audit
from pipeline.convert.foreign_tflite import inputs_of
from pipeline.convert.layout import input_permutation, match_outputs, noted
from pipeline.convert.onnx_file import input_names
from pipeline.errors import Refused, UsageError
from pipeline.inputs.ports import Port, Ports
from pipeline.verify import reference as torch_side
from pipeline.verify.runs import Job, evaluate

if TYPE_CHECKING:
    from pipeline.data.source import Data

MODEL, RUNTIME = "model.tflite", "ai-edge-litert"
SAMPLES, TIMEOUT_S = 16, 600
MIN_MATCH_DB = 0.0  # an int8 file may be far from torch and still be recognised


def adopt(path: Path, reference: Model, data: Data, work: Workdir) -> Deployable:
    """Take a .tflite file of any origin for the given torch model.

    How its axes and outputs relate to torch's is found by running it on validation samples.

    Raises:
        UsageError: no .tflite, or its input does not fit the model's.
        Refused: it does not run, or an output of the model has no counterpart.
    """
    found = audit(path)
    ports = Ports.of(reference.meta["input"])
    layout = {"input": noted(_placed(path, ports))}
    work.out.mkdir(parents=True, exist_ok=True)
    work.scratch.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, work.out / MODEL)
    index = torch_side.draw(data, "validation", SAMPLES)
    want = torch_side.outputs(reference, data.inputs("validation", index))
    given = torch_side.store(data, "validation", index, layout, work.scratch / "adopt")
    job = Job("adopt", work.out / MODEL, given)
    done = evaluate(python_for(RUNTIME), RUNTIME, [job], work.scratch, TIMEOUT_S)
    if job.name in done.failures:
        fix = "verify a file that this runtime takes"
        raise Refused(f"does not run in {RUNTIME}: {done.failures[job.name]}", where=path, fix=fix)
    quantized = any(p.scale is not None for p in found.inputs) or not found.float_operators
    matches = match_outputs(want, done.outputs[job.name], MIN_MATCH_DB)
    outputs = [{"name": name, "to_torch": axes} for name, axes in matches]
    return work.seal(Deployable, {
        "format": "tflite",
        "scheme": "int8" if quantized else "fp32",
        "file": MODEL,
        "checkpoint": reference.digest,
        "inputs": [asdict(port) for port in found.inputs],
        "outputs": [asdict(port) for port in found.outputs],
        "layout": {**layout, "outputs": outputs},
        "size_bytes": found.size_bytes,
    })  # fmt: skip


def _placed(path: Path, ports: Ports) -> list[tuple[str, list[int]]]:
    """Name in the file and axis order of each input of the model.

    By name where the file has the model's names; else by what shape alone tells.
    """
    free = inputs_of(path)
    found = []
    for port, name in zip(ports, input_names(ports.names), strict=True):
        fits = {own: o for own, shape in free.items() if (o := _order(port, shape)) is not None}
        if len(ports) != len(inputs_of(path)) or not (name in fits or len(fits) == 1):
            raise UsageError(
                f"takes {inputs_of(path)}, the torch model {ports}", where=path,
                fix="verify a file with the inputs of the model, named as there, batch 1",
            )  # fmt: skip
        own = name if name in fits else next(iter(fits))
        found.append((own, fits[own]))
        free.pop(own)
    return found


def _order(port: Port, shape: list[int]) -> list[int] | None:
    """Channels last if that fits the file, else as in torch; None where neither does."""
    torch_shape = [1, *port.shape]
    rank = len(torch_shape)
    orders = (input_permutation(rank), list(range(rank)))
    return next((o for o in orders if [torch_shape[axis] for axis in o] == shape), None)
