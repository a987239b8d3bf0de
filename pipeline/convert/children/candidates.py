"""Files made of one float file and what held-out samples say of each; for a child process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.convert.audit import Audit, audit
from pipeline.convert.children import lite, mlir
from pipeline.convert.children.judge import Judge
from pipeline.convert.children.statistics import collect
from pipeline.convert.flatbuffer import pack, reading
from pipeline.convert.integer_form import integer_form
from pipeline.quantize.ranges import METHODS, Histogram, Range

HOLD_OUT = 4  # every fourth sample judges, the others set the ranges
FEWEST = 8  # below it all samples do both
NOTABLE_DB = 0.1  # a method that gains less than this is not worth being another one

Ranges = dict[int, Range]
Make = Callable[[Ranges], bytes]


@dataclass
class Candidate:
    """One way to quantize: `make` gives its file for ranges by `method`."""

    name: str
    method: str
    make: Make
    data: bytes
    audit: Audit
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def sqnr_db(self) -> float:
        """Held-out figure; below everything where it does not run."""
        return float(self.figures.get("sqnr_db", -1000.0))

    @property
    def mean_db(self) -> float:
        """The same over all outputs."""
        return float(self.figures.get("mean_db", -1000.0))


class Workbench:
    """A float file, its statistics, and a judge over samples that set no range."""

    def __init__(self, path: Path, samples: np.ndarray) -> None:
        with reading(path) as model:
            self.model = model
        changed = integer_form(self.model)
        self.data = pack(self.model) if changed else path.read_bytes()
        held = np.arange(len(samples)) % HOLD_OUT == HOLD_OUT - 1
        groups = [samples[~held], samples[held]] if len(samples) >= FEWEST else [samples]
        self.judge = Judge(self.data, groups[-1])
        self.seen, *rest = collect(self.data, self.model.subgraphs[0], groups)
        self.all = {i: sum((part[i] for part in rest), one) for i, one in self.seen.items()}
        self.tried: list[Candidate] = []

    def candidate(self, name: str, method: str, make: Make) -> Candidate:
        """Make, audit and judge one file."""
        data = make(_ranges(self.seen, method))
        made = Candidate(name, method, make, data, _audited(data))
        made.figures = self.judge.figures(data)
        self.tried.append(made)
        return made

    def final(self, chosen: Candidate) -> bytes:
        """The chosen file with its ranges from all samples."""
        return chosen.make(_ranges(self.all, chosen.method))

    def tensorflow(
        self, *, float_types: Collection[str] = (), float_names: Collection[str] = (),
        integer_ports: bool = True,
    ) -> Make:  # fmt: skip
        """TensorFlow's quantizer, see `mlir.quantize`."""
        return lambda ranges: mlir.quantize(
            self.model, ranges, float_types=float_types, float_names=float_names,
            integer_ports=integer_ports,
        )  # fmt: skip

    def litert(self) -> Make:
        """litert-quantizer's static recipe."""
        return lambda ranges: lite.static(self.data, self.model, ranges)

    def table(self, chosen: Candidate) -> list[dict[str, Any]]:
        """What was tried, for people: figures, and what was kept or why it was not."""
        return [
            {"variant": one.name, **one.figures, "kept": one is chosen, "why": _why(one, chosen)}
            for one in self.tried
        ]


def best(candidates: Collection[Candidate]) -> Candidate:
    """The one that is nearest to the best, in its worst output and over all of them.

    A gain in one output must not cost the others more. Among near equals it is the first.
    """
    worst_db = max(one.sqnr_db for one in candidates)
    mean_db = max(one.mean_db for one in candidates)
    behind = [max(worst_db - one.sqnr_db, mean_db - one.mean_db) for one in candidates]
    near = (
        one for one, db in zip(candidates, behind, strict=True) if db <= min(behind) + NOTABLE_DB
    )
    return next(near)


def methods(calibration: str) -> list[str]:
    """The methods that `calibration` names; `best` is all of them."""
    return list(METHODS) if calibration == "best" else [calibration]


def _ranges(seen: dict[int, Histogram], method: str) -> Ranges:
    return {index: METHODS[method](histogram) for index, histogram in seen.items()}


def _audited(data: bytes) -> Audit:
    draft = Path("draft.tflite")  # the child's own folder
    draft.write_bytes(data)
    return audit(draft)


def _why(one: Candidate, chosen: Candidate) -> str:
    if one is chosen:
        return "chosen"
    if "failed" in one.figures:
        return str(one.figures["failed"])
    return f"{one.sqnr_db - chosen.sqnr_db:+.2f} dB against the one kept"
