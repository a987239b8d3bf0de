"""One certificate: the audit, and for each runtime the figures, the accuracy and the verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Certificate, Deployable, Model, Workdir, write_atomic
from pipeline.board.runtimes import python_for
from pipeline.convert.audit import audit, require_sound
from pipeline.errors import Refused, UsageError
from pipeline.progress import say
from pipeline.verify import reference as torch_side
from pipeline.verify import verdict
from pipeline.verify.figures import compare
from pipeline.verify.runs import Job, Run, evaluate, partitions
from pipeline.verify.score import metric

if TYPE_CHECKING:
    from pipeline.data.source import Data
    from pipeline.verify.stage import Runtime, VerifyConfig

FILE = "certificate.json"
FLOAT = "float.tflite"


@dataclass(frozen=True)
class Subject:
    """What is certified: the file, what it is compared with, and over which samples."""

    model: Deployable
    data: Data
    reference: list[NDArray[np.float32]]
    index: NDArray[np.int64]
    decides: bool

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.model.file(self.model.meta["file"])


def run(
    model: Deployable, reference: Model, data: Data, cfg: VerifyConfig, work: Workdir
) -> Certificate:
    """Certify a deployable.

    Raises:
        Refused: an unsound file, or a bound that a required runtime misses.
    """
    subject = _subject(model, reference, data, cfg.samples)
    found = audit(subject.path)
    require_sound(found, subject.path, scheme=model.meta["scheme"])
    names = [name for name in cfg.runtimes if name not in cfg.required]
    runtimes = {name: _runtime(name, subject, cfg, work) for name in (*cfg.required, *names)}
    meta = {
        "model": model.digest,
        "reference": reference.digest,
        "scheme": model.meta["scheme"],
        "audit": found.to_json(),
        "runtimes": runtimes,
        "metric": metric(data, subject.reference, subject.index),
        "spread_db": verdict.spread_db(runtimes),
    }
    work.out.mkdir(parents=True, exist_ok=True)
    write_atomic(work.out / FILE, json.dumps(meta, indent=1, sort_keys=True).encode())
    verdict.require(runtimes, cfg.required, same=model.meta["checkpoint"] == reference.digest)
    return work.seal(Certificate, meta)


def _subject(model: Deployable, reference: Model, data: Data, samples: int) -> Subject:
    index = torch_side.draw(data, "validation", samples)
    outputs = torch_side.outputs(reference, data.inputs("validation", index))
    decides = reference.meta["classes"] is not None and outputs[0].ndim == 2
    return Subject(model, data, outputs, index, decides)


def _runtime(name: Runtime, subject: Subject, cfg: VerifyConfig, work: Workdir) -> dict[str, Any]:
    """Everything one runtime shows; without a Python for it, the reason why it shows nothing."""
    say(f"verify: {subject.model.meta['scheme']} file in {name}")
    try:
        python = python_for(name)
    except Refused as error:
        return {"verdict": verdict.NOT_VERIFIED, "reason": f"not verified: {error.what}"}
    index = torch_side.draw(subject.data, "test", cfg.test_samples.get(name))
    jobs = _jobs(subject, index, work.scratch)
    done = evaluate(python, name, jobs, work.scratch / "outputs", cfg.timeout_s)
    inside = partitions(python, name, subject.path, cfg.timeout_s)
    found = {"runtime": done.runtime, "failures": done.failures, **inside}
    found["float"] = _figures(subject, done, "float")
    found["file"] = _figures(subject, done, "validation")
    found["accuracy"] = _accuracy(subject, done, index)
    return {**found, **verdict.judge(found, subject.model.meta["scheme"], cfg)}


def _jobs(subject: Subject, test: NDArray[np.int64], scratch: Path) -> list[Job]:
    """The float file and the file over validation samples, the file over test samples."""
    layout = subject.model.meta["layout"]
    scratch.mkdir(parents=True, exist_ok=True)
    stem = scratch / "validation"
    seen = torch_side.store(subject.data, "validation", subject.index, layout, stem)
    unseen = torch_side.store(subject.data, "test", test, layout, scratch / "test")
    jobs = [Job("validation", subject.path, seen), Job("test", subject.path, unseen)]
    beside = subject.model.file(FLOAT)
    return [Job("float", beside, seen), *jobs] if beside.is_file() else jobs


def _figures(subject: Subject, done: Run, job: str) -> dict[str, Any] | None:
    outputs = _in_torch_layout(subject, done, job)
    got, want = ([value.shape for value in values] for values in (outputs, subject.reference))
    if outputs and got != want:
        fix = "name the checkpoint that the file was made from"
        raise UsageError(f"the file answers {got}, the reference {want}", where=job, fix=fix)
    if not outputs:
        return None
    found = compare(subject.reference, outputs, decides=subject.decides)
    return {**found, "metric": metric(subject.data, outputs, subject.index)}


def _accuracy(subject: Subject, done: Run, index: NDArray[np.int64]) -> dict[str, Any] | None:
    """The metric over test samples, where they have one."""
    value = metric(subject.data, _in_torch_layout(subject, done, "test"), index, "test")
    return None if value is None else {"value": value, "n": len(index)}


def _in_torch_layout(subject: Subject, done: Run, job: str) -> list[NDArray[np.float32]]:
    """Outputs of a job in torch's order and axes; empty if it failed."""
    if job not in done.outputs:
        return []
    layout = subject.model.meta["layout"]["outputs"]
    return [done.outputs[job][entry["name"]].transpose(entry["to_torch"]) for entry in layout]
