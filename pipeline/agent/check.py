"""A model's run against a stored pair: made on the host, repeated where the release stands.

A pair is an .npz: `in_N` holds the first values of input N, which repeat until it is full, and
`out_N` the first values of what output N was then. Both are in the tensors' own dtypes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import runtimes, tensors
from .protocol import Channel

TILE = 4096
KEPT = 65536
FLOAT = 1e-3
QUANTIZED = 2e-2
Pair = dict[str, Any]


def check(task: dict[str, Any], channel: Channel) -> None:
    """Write the pair, or hold the model against it and send `checked` with the largest difference.

    `worst` is in steps of the tensor's dtype where that is an integer, else relative to the
    largest output; `within` is whether every output keeps its bound.
    """
    interpreter, version = runtimes.load(task["runtime"])
    channel.send("progress", done=1, total=3)
    model = interpreter(model_path=task["model"], num_threads=task["threads"])
    model.allocate_tensors()
    channel.send("progress", done=2, total=3)
    asked = task["check"]
    if asked["make"]:
        pair = _made(model)
        with open(asked["pair"], "wb") as stream:
            np.savez(stream, **pair)
        found: dict[str, Any] = {"worst": 0, "within": True}
    else:
        with np.load(asked["pair"], allow_pickle=False) as stored:
            found = _compared(model, dict(stored), asked["steps"])
    channel.send("checked", runtime=f"{task['runtime']} {version}", **found)


def _made(model: Any) -> Pair:
    """A pair of seeded inputs and the outputs they give."""
    details = model.get_input_details()
    tensors.check_static(details)
    pair = {f"in_{n}": tensors.random_input(d).ravel()[:TILE] for n, d in enumerate(details)}
    outputs = _run(model, pair)
    return {**pair, **{f"out_{n}": out for n, out in enumerate(outputs)}}


def _run(model: Any, pair: Pair) -> list[Any]:
    """The first values of each output."""
    for number, detail in enumerate(model.get_input_details()):
        model.set_tensor(detail["index"], np.resize(pair[f"in_{number}"], detail["shape"]))
    model.invoke()
    return [model.get_tensor(d["index"]).ravel()[:KEPT] for d in model.get_output_details()]


def _compared(model: Any, pair: Pair, steps: int) -> dict[str, Any]:
    """The largest difference of the outputs from the pair's, and whether it is small enough.

    An integer with a scale may be off by `steps`, one without must be the same. A float may be
    off by a part of the largest: more where the model computes in integers inside.
    """
    inside = any(np.dtype(d["dtype"]) == np.int8 for d in model.get_tensor_details())
    worst, within = 0.0, True
    for number, (got, detail) in enumerate(zip(_run(model, pair), model.get_output_details())):
        want = pair[f"out_{number}"]
        if got.shape != want.shape or got.dtype != want.dtype:
            raise ValueError(f"output {number} is {got.dtype}{got.shape}, not as it was stored")
        if got.dtype.kind == "f":
            off, bound = _relative(got, want), QUANTIZED if inside else FLOAT
        else:
            off = float(np.abs(got.astype(np.int64) - want.astype(np.int64)).max(initial=0))
            bound = steps if detail["quantization"][0] else 0
        worst, within = max(worst, off), within and off <= bound
    return {"worst": worst, "within": within}


def _relative(got: Any, want: Any) -> float:
    """Largest difference, relative to the largest wanted value; infinite where only one is NaN."""
    if not np.array_equal(np.isfinite(got), np.isfinite(want)):
        return 1e9
    finite = np.isfinite(want)
    largest = float(np.abs(want[finite]).max(initial=0)) or 1.0
    return float(np.abs(got[finite] - want[finite]).max(initial=0)) / largest
