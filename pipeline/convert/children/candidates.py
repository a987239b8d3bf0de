"""Files made of one float file and what held-out samples say of each; for a child process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.convert.audit import Audit, audit
from pipeline.convert.children import lite, mlir
from pipeline.convert.children.judge import Judge
from pipeline.convert.children.statistics import Tensors, collect
from pipeline.convert.flatbuffer import names_in, pack, read, reading
from pipeline.convert.integer_form import integer_form
from pipeline.convert.joins import free_outputs, unlike_joins
from pipeline.convert.layout import ratio_db
from pipeline.convert.live import ALL, live_ranges
from pipeline.convert.tables import TABLED, look_up
from pipeline.inputs.batch import Batch
from pipeline.quantize.ranges import METHODS, Range

FOLDS = 4  # of the samples; each judges files whose ranges the other three set
MOST_JUDGES = 16  # samples of a fold, evenly spread
FEWEST = 8  # below it all samples do both
NOTABLE_DB = 0.1  # a method that gains less than this is not worth being another one
FAR_DB = 4.0  # behind the best on the first fold: not judged by the others
NEVER_DB = -1000.0

Ranges = dict[int, Range]
Make = Callable[[Ranges], bytes]


@dataclass
class Candidate:
    """One way to quantize: `make` gives its file for ranges by `method`.

    folds: signal and error power of each output, (outputs, 2), for each fold that judged it;
    `data`, `audit` and `figures` are of the first of them.
    """

    name: str
    method: str
    make: Make
    data: bytes
    audit: Audit
    figures: dict[str, Any] = field(default_factory=dict)
    folds: list[NDArray[np.float64]] = field(default_factory=list)

    @property
    def sqnr_db(self) -> float:
        """Held-out figure of the worst output; below everything where it does not run."""
        return min(self.each_db())

    @property
    def mean_db(self) -> float:
        """The same over all outputs."""
        return _mean(self.each_db())

    def each_db(self, folds: int | None = None) -> list[float]:
        """Each output's figure over the first folds together; over all that judged it."""
        if not self.folds:
            return [NEVER_DB]
        return [ratio_db(*powers) for powers in reduce(add, self.folds[:folds])]


class Workbench:
    """A float file, its statistics, and a judge; samples never judge a range they set.

    `runtime`: the only one that what is made here has to serve, if there is one. `keep`: operators
    that stay as they are, see `integer_form`.
    """

    def __init__(
        self, path: Path, given: NDArray[Any] | Batch, runtime: str = "",
        keep: Collection[str] = (),
    ) -> None:  # fmt: skip
        samples = Batch.of(given)
        with reading(path) as model:
            self.model = model
        changed = integer_form(self.model, keep=keep, runtime=runtime)
        self.data = pack(self.model) if changed else path.read_bytes()
        count = FOLDS if len(samples) >= FEWEST else 1
        self.folds = [np.arange(len(samples)) % count == fold for fold in reversed(range(count))]
        groups = [samples[fold] for fold in self.folds]
        spread = [group[:: -(-len(group) // MOST_JUDGES)] for group in groups]
        self.judge = Judge(self.data, reduce(Batch.joined, spread))
        ends = np.cumsum([len(group) for group in spread])
        self.judges = [
            np.arange(end - len(group), end) for end, group in zip(ends, spread, strict=True)
        ]
        live = live_ranges(self.model)
        self.seen: list[Tensors] = [
            {index: seen.within(*live.get(index, ALL)) for index, seen in part.items()}
            for part in collect(self.data, self.model.subgraphs[0], groups)
        ]
        self.unlike = unlike_joins(self.model, self._ranges("minmax", None))
        self.tried: list[Candidate] = []

    def candidate(self, name: str, method: str, make: Make) -> Candidate:
        """Make and audit one file; the first fold judges it."""
        data = make(self._ranges(method, 0))
        made = Candidate(name, method, make, data, _audited(data), {"size_bytes": len(data)})
        self.tried.append(made)
        try:
            powers, made.figures["partitions"] = self.judge.powers(data, self.judges[0])
        except (RuntimeError, ValueError) as error:
            made.figures["failed"] = " ".join(str(error).split())[:200]
        else:
            made.folds.append(powers)
        return made

    def settle(self, candidates: Collection[Candidate]) -> Candidate:
        """The best over all folds, of those that the first one leaves in the running.

        A fold is small, and the error of a few samples may be most of it.
        """
        ahead = best(candidates)
        near = [one for one in candidates if _behind(one, ahead) <= FAR_DB]
        for one in near:
            for fold in range(len(one.folds), len(self.folds) if one.folds else 0):
                data = one.make(self._ranges(one.method, fold))
                one.folds.append(self.judge.powers(data, self.judges[fold])[0])
        return best(near)

    def final(self, chosen: Candidate) -> bytes:
        """The chosen file with its ranges from all samples."""
        return chosen.make(self._ranges(chosen.method, None))

    def _ranges(self, method: str, without: int | None) -> Ranges:
        """Ranges by all folds but one; by all there are, where it is None or the only one."""
        parts = [part for fold, part in enumerate(self.seen) if fold != without] or self.seen
        whole = {index: [part[index] for part in parts] for index in parts[0]}
        return {index: METHODS[method](reduce(add, some)) for index, some in whole.items()}

    def tensorflow(
        self, *, float_types: Collection[str] = (), float_names: Collection[str] = (),
        integer_ports: bool = True,
    ) -> Make:  # fmt: skip
        """TensorFlow's quantizer, see `mlir.quantize`; with `integer_ports`, tables too.

        Outputs that join unlike parts are float in any case.
        """

        def make(ranges: Ranges) -> bytes:
            data = mlir.quantize(
                self.model, ranges, float_types=float_types,
                float_names=[*float_names, *self.unlike], integer_ports=integer_ports,
            )  # fmt: skip
            if not integer_ports or not (self.unlike or names_in(data) & TABLED):
                return data
            made = read(data)
            changed = look_up(made) + (free_outputs(made) if self.unlike else 0)
            return pack(made) if changed else data

        return make

    def litert(self) -> Make:
        """litert-quantizer's static recipe."""
        return lambda ranges: lite.static(self.data, self.model, ranges)

    def table(self, chosen: Candidate) -> list[dict[str, Any]]:
        """What was tried, for people: figures, and what was kept or why it was not."""
        return [
            {"variant": one.name, **_figures(one), "kept": one is chosen, "why": _why(one, chosen)}
            for one in self.tried
        ]


def best(candidates: Collection[Candidate]) -> Candidate:
    """The one that is nearest to the best, in its worst output and over all of them.

    Over the folds that judged all that run. A gain in one output must not cost the others more.
    Among near equals it is the first.
    """
    folds = min((len(one.folds) for one in candidates if one.folds), default=0)
    figures = [(min(each), _mean(each)) for each in (one.each_db(folds) for one in candidates)]
    worst_db, mean_db = (max(column) for column in zip(*figures, strict=True))
    behind = [max(worst_db - worst, mean_db - mean) for worst, mean in figures]
    near = (
        one for one, db in zip(candidates, behind, strict=True) if db <= min(behind) + NOTABLE_DB
    )
    return next(near)


def methods(calibration: str) -> list[str]:
    """The methods that `calibration` names; `best` is all of them."""
    return list(METHODS) if calibration == "best" else [calibration]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _audited(data: bytes) -> Audit:
    draft = Path("draft.tflite")  # the child's own folder
    draft.write_bytes(data)
    return audit(draft)


def _behind(one: Candidate, other: Candidate) -> float:
    """How many dB the worst output of one lies below the other's, over folds that judged both."""
    folds = min(len(one.folds), len(other.folds)) or None
    return min(other.each_db(folds)) - min(one.each_db(folds))


def _figures(one: Candidate) -> dict[str, Any]:
    if not one.folds:
        return one.figures
    found = {"sqnr_db": round(one.sqnr_db, 2), "mean_db": round(one.mean_db, 2)}
    return {**found, "folds": len(one.folds), **one.figures}


def _why(one: Candidate, chosen: Candidate) -> str:
    if one is chosen:
        return "chosen"
    if "failed" in one.figures:
        return str(one.figures["failed"])
    where = "" if len(one.folds) >= len(chosen.folds) else " on the first fold"
    return f"{-_behind(one, chosen):+.2f} dB against the one kept{where}"
