"""A .tflite file that no stage of ours made, as a deployable that can be verified."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import Deployable, Model, Workdir
from pipeline.board.runtimes import python_for
from pipeline.convert.audit import Port, audit
from pipeline.convert.layout import input_permutation, match_outputs
from pipeline.errors import Refused, UsageError
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
    order = _input_order(found.inputs, list(reference.meta["input"]), path)
    work.out.mkdir(parents=True, exist_ok=True)
    work.scratch.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, work.out / MODEL)
    index = torch_side.draw(data, "validation", SAMPLES)
    want = torch_side.outputs(reference, data.inputs("validation", index))
    given = work.scratch / "adopt.npy"
    torch_side.store(data, "validation", index, order, given)
    job = Job("adopt", work.out / MODEL, given)
    done = evaluate(python_for(RUNTIME), RUNTIME, [job], work.scratch, TIMEOUT_S)
    if job.name in done.failures:
        fix = "verify a file that this runtime takes"
        raise Refused(f"does not run in {RUNTIME}: {done.failures[job.name]}", where=path, fix=fix)
    matches = match_outputs(want, done.outputs[job.name], MIN_MATCH_DB)
    outputs = [{"name": name, "to_torch": axes} for name, axes in matches]
    return work.seal(Deployable, {
        "format": "tflite",
        "scheme": "fp32" if found.inputs[0].scale is None and found.float_operators else "int8",
        "file": MODEL,
        "checkpoint": reference.digest,
        "inputs": [asdict(port) for port in found.inputs],
        "outputs": [asdict(port) for port in found.outputs],
        "layout": {"input": order, "outputs": outputs},
        "size_bytes": found.size_bytes,
    })  # fmt: skip


def _input_order(inputs: list[Port], shape: list[int], path: Path) -> list[int]:
    """Channels last if that fits the file, else as in torch."""
    torch_shape = [1, *shape]
    rank = len(torch_shape)
    for order in (input_permutation(rank), list(range(rank))):
        if len(inputs) == 1 and [torch_shape[axis] for axis in order] == inputs[0].shape:
            return order
    raise UsageError(
        f"takes {[port.shape for port in inputs]}, the torch model {torch_shape}", where=path,
        fix="verify a file with one input of the model's shape, batch 1",
    )  # fmt: skip
