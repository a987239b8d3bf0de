"""What the escalate stage does."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.artifacts import (
    MANIFEST,
    A,
    Artifact,
    Checkpoint,
    Deployable,
    Escalated,
    Model,
    QatCheckpoint,
    Workdir,
    digest_of,
    folder_digests,
)
from pipeline.board.runtimes import python_for
from pipeline.convert.stage import ConvertConfig, ExportConfig, convert, export
from pipeline.errors import Refused, UsageError
from pipeline.progress import say
from pipeline.prune.checkpoint import load
from pipeline.qat.stage import qat
from pipeline.quantize.refine import RefineConfig, correct_bias, equalize
from pipeline.quantize.stage import QuantizeConfig, Scheme, quantize
from pipeline.store import read_json
from pipeline.train import distributed
from pipeline.train.loop import evaluate as evaluate_torch
from pipeline.verify.reference import store
from pipeline.verify.runs import Job, evaluate

if TYPE_CHECKING:
    from pipeline.data.source import Data
    from pipeline.escalation.stage import EscalateConfig

RUNTIME, TIMEOUT_S = "ai-edge-litert", 3600.0


@dataclass(frozen=True)
class Tried:
    """One rung: the metric of its file on validation, and what it costs.

    `drop` is against the float model; `gain` against the rung before (the first: against nothing).
    `trained_samples` counts what passes through training, the rung's main cost.
    """

    rung: str
    scheme: str
    validation: float
    drop: float
    gain: float
    size_bytes: int
    trained_samples: int


@dataclass
class Climb:
    """The model on its way up: what the next rung starts from."""

    model: Checkpoint
    teacher: Checkpoint | None
    data: Data
    cfg: EscalateConfig
    scratch: Path

    def step(self, rung: str) -> tuple[Model, Scheme]:
        """The model and scheme of a rung. Equalised weights stay for the rungs above it."""
        if rung == "equalize":
            self.model = self._refined()
        if rung == "qat":
            return self._made("qat", QatCheckpoint, self._train), "int8"
        return self.model, "mixed" if rung == "mixed" else "int8"

    def file(self, rung: str, model: Model, scheme: Scheme) -> Deployable:
        """The rung's file."""
        cfg = QuantizeConfig(scheme=scheme, samples=self.cfg.samples, seed=self.cfg.seed)

        def make(work: Workdir) -> Artifact:
            near = self.scratch / rung
            exported = export(model, cfg=ExportConfig(), work=_work(near / "export"))
            spec = quantize(model, data=self.data, cfg=cfg, work=_work(near / "quantize"))
            return convert(spec, exported=exported, cfg=ConvertConfig(), work=work)

        return self._made(f"{rung}-file", Deployable, make)

    def _refine(self, refine: Callable[..., Artifact], model: Model, work: Workdir) -> Artifact:
        cfg = RefineConfig(samples=min(self.cfg.samples, 64), seed=self.cfg.seed)
        return refine(model, data=self.data, cfg=cfg, work=work)

    def _refined(self) -> Checkpoint:
        made = self.model
        for refine in (equalize, correct_bias):
            made = self._made(refine.__name__, Checkpoint, partial(self._refine, refine, made))
        return made

    def _train(self, work: Workdir) -> Artifact:
        return qat(self.model, teacher=self.teacher, data=self.data, cfg=self.cfg.qat, work=work)

    def _made(self, name: str, kind: type[A], make: Callable[[Workdir], Artifact]) -> A:
        """An artifact of this climb; one that a killed run has finished is taken as it is."""
        work = _work(self.scratch / name, keep=True)
        manifest = read_json(work.out / MANIFEST)
        if manifest is not None and folder_digests(work.out) == manifest["files"]:
            return kind(work.out, digest_of(manifest), manifest["meta"])
        made = make(work)
        return kind(made.path, made.digest, made.meta)


def run(
    model: Checkpoint, teacher: Checkpoint | None, data: Data, cfg: EscalateConfig, work: Workdir
) -> Escalated:
    """Climb until the budget is kept.

    Raises:
        Refused: no rung keeps it; says the best figure.
        UsageError: under torchrun.
    """
    if distributed.world_size() > 1:
        fix = "run it without torchrun, or use a qat step"
        raise UsageError("climbs in one process", where="escalate", fix=fix)
    baseline = evaluate_torch(load(model), data, "validation")
    climb, tried = Climb(model, teacher, data, cfg, work.scratch), list[Tried]()
    say(f"  float: validation {baseline:.4f}, at least {baseline - cfg.max_drop:.4f} is wanted")
    for rung in cfg.rungs:
        started = time.monotonic()
        taken, scheme = climb.step(rung)
        made = climb.file(rung, taken, scheme)
        score = _score(made, data, work.scratch / f"{rung}-run")
        tried.append(_tried(rung, made, score, baseline, tried, climb))
        _say(tried[-1], time.monotonic() - started)
        if tried[-1].drop <= cfg.max_drop:
            return _seal(taken, made.meta["scheme"], baseline, tried, cfg, work)
    best = min(tried, key=lambda one: one.drop)
    raise Refused(
        f"no rung keeps max_drop = {cfg.max_drop:g}: the best, {best.rung}, drops {best.drop:.4f}",
        where="escalate", fix="train longer ([step.qat] epochs), or raise max_drop",
    )  # fmt: skip


def _tried(
    rung: str, made: Deployable, score: float, baseline: float, before: list[Tried], climb: Climb
) -> Tried:
    cfg, count = climb.cfg.qat, climb.data.count("train")
    seen = cfg.epochs * (cfg.train_samples or count) if rung == "qat" else 0
    last = before[-1].validation if before else score
    return Tried(
        rung, made.meta["scheme"], score, round(baseline - score, 6), round(score - last, 6),
        made.meta["size_bytes"], seen,
    )  # fmt: skip


def _say(one: Tried, seconds: float) -> None:
    say(
        f"  {one.rung} ({one.scheme}): validation {one.validation:.4f}, drop {one.drop:+.4f}, "
        f"gain {one.gain:+.4f}, {one.size_bytes / 1024:.0f} KiB, {seconds:.0f} s"
    )


def _score(made: Deployable, data: Data, scratch: Path) -> float:
    """The recipe's metric of a file over the validation split, in ai-edge-litert."""
    scratch.mkdir(parents=True, exist_ok=True)
    layout, whole = made.meta["layout"], np.arange(data.count("validation"))
    samples = store(data, "validation", whole, layout, scratch / "validation")
    job = Job("validation", made.file(made.meta["file"]), samples)
    done = evaluate(python_for(RUNTIME), RUNTIME, [job], scratch / "outputs", TIMEOUT_S)
    if job.name in done.failures:
        raise Refused(done.failures[job.name], where=f"{made.meta['scheme']} file")
    outputs: list[Any] = [
        done.outputs[job.name][entry["name"]].transpose(entry["to_torch"])
        for entry in layout["outputs"]
    ]
    given: Any = outputs[0] if len(outputs) == 1 else outputs
    return data.metric(given, data.targets("validation"))


def _seal(
    taken: Model, scheme: str, baseline: float, tried: list[Tried], cfg: EscalateConfig,
    work: Workdir,
) -> Escalated:  # fmt: skip
    shutil.copytree(taken.path, work.out, dirs_exist_ok=True)
    told = {
        "scheme": scheme, "max_drop": cfg.max_drop, "float_validation": baseline,
        "tried": [asdict(one) for one in tried],
    }  # fmt: skip
    return work.seal(Escalated, {**taken.meta, "escalation": told})


def _work(folder: Path, *, keep: bool = False) -> Workdir:
    """Folders for one part of the climb; `keep`: what a killed run left there stays."""
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    work = Workdir(folder / "out", folder / "scratch")
    work.out.mkdir(parents=True, exist_ok=True)
    work.scratch.mkdir(parents=True, exist_ok=True)
    return work
