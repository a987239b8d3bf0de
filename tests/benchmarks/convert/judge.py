"""The one judge of all tools' files: the same runtimes, held-out samples and torch's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.board.runtimes import python_for
from pipeline.convert.audit import audit
from pipeline.convert.layout import input_permutation, match_outputs, sqnr_db
from pipeline.errors import Refused
from pipeline.verify.runs import Job, evaluate, partitions

RUNTIMES = ("ai-edge-litert", "tflite-runtime")
LOWEST_DB = -150.0  # an output is recognised however bad it is


def judged(folder: Path, path: Path, floating: str | None) -> dict[str, Any]:
    """Figures of a file: it loads, error against torch, transposes, partitions, size."""
    found = audit(path)
    line: dict[str, Any] = {
        "size_bytes": found.size_bytes, "transposes": found.transposes,
        "float_operators": sum(found.float_operators.values()),
    }  # fmt: skip
    for runtime in RUNTIMES:
        line[runtime] = _figure(folder, path, runtime)
    inside = partitions(python_for(RUNTIMES[0]), RUNTIMES[0], path, 300)
    line["partitions"] = inside.get("partitions")
    if floating and Path(floating).is_file():
        line["float_db"] = _figure(folder, Path(floating), RUNTIMES[0])
    return line


def _figure(folder: Path, path: Path, runtime: str) -> float | str:
    """The worst output's dB; or why there is none."""
    with np.load(folder / "answers.npz") as stored:
        want = [stored[f"a{index}"] for index in range(len(stored.files))]
    held = np.load(folder / "held.npy")
    order = _order(list(held.shape), audit(path).inputs[0].shape)
    samples = folder / f"held-{path.stem}.npy"
    np.save(samples, held.transpose(order))
    job = Job("held", path, samples)
    try:
        done = evaluate(python_for(runtime), runtime, [job], folder / f"out-{runtime}", 300)
    except Refused as error:
        return error.what[:100]
    if job.name in done.failures:
        return done.failures[job.name][:100]
    try:
        matches = match_outputs(want, done.outputs[job.name], LOWEST_DB)
    except Refused as error:
        return error.what[:100]
    outputs = [done.outputs[job.name][name].transpose(axes) for name, axes in matches]
    return round(min(sqnr_db(w, o) for w, o in zip(want, outputs, strict=True)), 1)


def _order(shape: list[int], given: list[int]) -> list[int]:
    one = [1, *shape[1:]]
    for order in (input_permutation(len(shape)), list(range(len(shape)))):
        if [one[axis] for axis in order] == given:
            return order
    raise Refused(f"takes {given}, the model {one}")
