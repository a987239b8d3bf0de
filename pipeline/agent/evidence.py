"""What shows that the measured process did what it was asked: gathered outside of the clock.

After the window: the digest of the file that was run, where the process was, the outputs, and the
latency of inputs that it never saw. A runtime that answers from a cache is fast on the inputs of
the window and slow on those.
"""

from __future__ import annotations

import glob
import hashlib
import os
from time import perf_counter_ns
from typing import Any

import numpy as np

from .loop import Input
from .tensors import SEED, Detail
from .texts import read, read_stripped

FRESH = 5
CHUNK = 1 << 20
STATES = "/sys/devices/system/cpu/cpufreq/policy*/stats/time_in_state"


def states(root: str) -> dict[str, str]:
    """`time_in_state` of every cpufreq policy: read right before and right after the window."""
    found = {path[len(root) :]: read(path) for path in glob.glob(root + STATES)}
    return {path: text for path, text in found.items() if text is not None}


def place() -> dict[str, Any]:
    """The CPUs we may run on, and the one we are on (proc(5), stat, field 39)."""
    fields = (read_stripped("/proc/self/stat") or "").rpartition(")")[2].split()
    cpu = int(fields[36]) if len(fields) > 36 else None
    return {"affinity": sorted(os.sched_getaffinity(0)), "cpu": cpu}


def file_sha256(path: str) -> str:
    """Digest of the model file as it lies there now."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(CHUNK), b""):
            digest.update(block)
    return digest.hexdigest()


def answers(model: Any, indices: list[int], pool: list[Input]) -> dict[str, Any]:
    """`outputs` of known and of fresh inputs in turns, and how long each kind took.

    A fresh input is a permutation of a known one, so each value is one that the model may get.
    The known ones between are the yardstick: same gaps, same caches.
    """
    chance = np.random.Generator(np.random.PCG64(SEED + 1))
    outputs, spent = [], {"known_ns": [], "fresh_ns": []}  # type: ignore[var-annotated]
    for number in range(FRESH):
        known = pool[number % len(pool)]
        fresh = [_shuffled(value, chance) for value in known]
        for kind, values in (("known_ns", known), ("fresh_ns", fresh)):
            for index, value in zip(indices, values):
                model.set_tensor(index, value)
            begin = perf_counter_ns()
            model.invoke()
            spent[kind].append(perf_counter_ns() - begin)
            outputs.append(_output(model, values))
    return {"outputs": outputs, **spent}


def _shuffled(value: Any, chance: Any) -> Any:
    return chance.permutation(value.reshape(-1)).reshape(value.shape)


def _output(model: Any, values: Input) -> dict[str, Any]:
    """Digests of input and output; `rich`: the output holds more than ends of its range."""
    seen, rich = hashlib.sha256(), False
    for detail in model.get_output_details():
        tensor = np.asarray(model.get_tensor(detail["index"]))
        seen.update(tensor.tobytes())
        rich = rich or is_rich(tensor, detail)
    given = hashlib.sha256(b"".join(np.ascontiguousarray(value).tobytes() for value in values))
    return {"input": given.hexdigest()[:16], "sha256": seen.hexdigest()[:16], "rich": rich}


def is_rich(tensor: Any, detail: Detail) -> bool:
    """Whether an output tells more than a label: only then must it move with the input.

    An arg-max, a quantized softmax that is saturated, or the even one of a network that was never
    trained may say the same of many inputs.
    """
    if tensor.dtype.kind == "f":
        uneven = np.ptp(tensor) > 1e-3 * np.max(np.abs(tensor)) if tensor.size else False
        return bool(uneven and np.any(tensor != np.round(tensor)))
    if tensor.dtype.kind not in "iu" or not detail["quantization"][0]:
        return False
    limits = np.iinfo(tensor.dtype)
    inner = tensor[(tensor != limits.min) & (tensor != limits.max)]
    return len(np.unique(inner)) > 1
