"""The thin runner: a recipe's steps in order, each from the store where its key is known."""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.artifacts import Artifact, Certificate, Deployable, Workdir, digest_of
from pipeline.config.explain import did_you_mean, parse, refuse
from pipeline.config.fields import fingerprint
from pipeline.config.recipe import ArmConfig
from pipeline.data.source import Data
from pipeline.errors import Refused, UsageError
from pipeline.progress import say, working
from pipeline.recipe import Recipe, Step, load
from pipeline.stage import STAGES
from pipeline.store import Store
from pipeline.train import distributed

AUTO, BASELINE = "auto", "fp32"
STAGE_MODULES = ("train", "prune", "quantize", "convert", "qat", "verify", "escalation")


def register_stages() -> None:
    """Fill the registry: every room that has stages declares them in its `stage.py`."""
    for room in STAGE_MODULES:
        importlib.import_module(f"pipeline.{room}.stage")


def load_recipe(name: str) -> Recipe:
    """Read and check a recipe by path or name; see `pipeline.recipe.load`."""
    register_stages()
    return load(name)


def steps_of(recipe: Recipe) -> list[Step]:
    """The recipe's own steps and those its arms imply; arms share every step they can."""
    steps = {step.id: step for step in recipe.steps}
    for arm in recipe.file.arm:
        for part in arm.expanded():
            for step in _arm_steps(recipe, part, trial=arm.scheme == AUTO):
                steps.setdefault(step.id, step)
        for step in _scores(recipe, steps, arm):
            steps.setdefault(step.id, step)
    return list(steps.values())


def lineage(steps: Mapping[str, Step], name: str) -> list[Step]:
    """The steps from the recipe's model to `name`, each made from the one before it."""
    found = [steps[name]]
    while (main := found[0].stage.main) is not None:
        found.insert(0, steps[found[0].inputs[main]])
    return found


def score_id(step: str) -> str:
    """Id of the step that tells what `step` did to its model."""
    return f"{step}/score"


def _scores(recipe: Recipe, steps: Mapping[str, Step], arm: ArmConfig) -> Iterator[Step]:
    """One for each step that changes a model that has been trained."""
    line = lineage(steps, arm.source)
    for before, step in itertools.pairwise(line):
        if step.stage.name not in ("train", "reset"):
            inputs = {"model": step.id, "before": before.id}
            yield _step(recipe, score_id(step.id), "score", {}, inputs)


def deployable_id(arm: ArmConfig) -> str:
    """Id of the step that makes an arm's model file."""
    return f"{arm.source}/{arm.scheme}"


def certificate_id(arm: ArmConfig) -> str:
    """Id of the step that verifies an arm's model file."""
    return f"{deployable_id(arm)}/verify"


def _arm_steps(recipe: Recipe, arm: ArmConfig, *, trial: bool) -> Iterator[Step]:
    source, made = arm.source, deployable_id(arm)
    quantize = {**recipe.file.quantize, "scheme": arm.scheme}
    yield _step(recipe, f"{source}/export", "export", {}, {"model": source})
    made_by = functools.partial(_step, recipe, trial=trial and arm.scheme != BASELINE)
    yield made_by(f"{made}/quantize", "quantize", quantize, {"model": source})
    inputs = {"model": f"{made}/quantize", "exported": f"{source}/export"}
    yield made_by(made, "convert", {}, inputs)
    inputs = {"model": made, "reference": source}
    required = {"required": ()} if trial else {}  # what fails is not chosen
    yield made_by(certificate_id(arm), "verify", {**recipe.file.verify, **required}, inputs)


def _step(
    recipe: Recipe,
    step_id: str,
    stage: str,
    table: Mapping[str, Any],
    inputs: Mapping[str, str],
    *,
    trial: bool = False,
) -> Step:
    config, problems = parse(STAGES[stage].config, table, recipe.path.parent)
    refuse(recipe.path, [f"[{stage}] {problem}" for problem in problems])
    assert config is not None
    return Step(step_id, STAGES[stage], config, inputs, trial)


def data_of(recipe: Recipe) -> Data:
    """The recipe's data; nothing is read yet."""
    file = recipe.file
    return Data(file.data, file.model.input, file.model.classes, file.task)


@dataclass(frozen=True)
class Arm:
    """What an arm came to: a model file, and the proof that it is the model."""

    name: str
    deployable: Deployable
    certificate: Certificate


@dataclass(frozen=True)
class StepReport:
    """What became of one step; `seconds` are those of the run that made it."""

    id: str
    stage: str
    digest: str
    cached: bool
    seconds: Mapping[str, float]


class Runner:
    """Runs the steps of one recipe against one store."""

    def __init__(self, recipe: Recipe, store: Store) -> None:
        self.recipe, self.store, self.data = recipe, store, data_of(recipe)
        self.steps = steps_of(recipe)
        self.made: dict[str, Artifact] = {}
        self.refused: dict[str, str] = {}
        self.reports: list[StepReport] = []

    def run(self, until: str | None = None) -> list[Arm]:
        """Run all steps, or those up to `until`; returns the arms that are complete."""
        for number, step in enumerate(self.steps, 1):
            self._try(step, f"[{number}/{len(self.steps)}] {step.id} ({step.stage.name})")
            if step.id == until:
                break
        parts = [part for arm in self.recipe.file.arm for part in arm.expanded()]
        return [arm for arm in map(self._arm, parts) if arm is not None]

    def key_parts(self, step: Step) -> dict[str, Any]:
        """All that a step's result depends on; its inputs must have been made."""
        return {
            "stage": step.stage.name,
            "version": step.stage.version,
            "inputs": {role: self.made[name].digest for role, name in step.inputs.items()},
            "config": fingerprint(step.config),
            "tools": {tool: version(tool) for tool in step.stage.tools},
            "data": self.data.digest if step.stage.wants_data else None,
        }

    def label(self, step: Step) -> str:
        """Name under which the store remembers this recipe's newest run of a step."""
        return f"{self.recipe.path}#{step.id}"

    def _try(self, step: Step, label: str) -> None:
        """Run a step; a trial that is refused, and what needs it, is left out with its reason."""
        if missing := [self.refused[name] for name in step.inputs.values() if name in self.refused]:
            self.refused[step.id] = missing[0]
            return
        try:
            self._one(step, label)
        except Refused as error:
            if not step.trial:
                raise
            say(f"{label}: refused: {error.what}")
            self.refused[step.id] = error.what

    def _one(self, step: Step, label: str) -> None:
        parts = self.key_parts(step)
        key = digest_of(parts)
        hit = self.store.recall(key, step.stage.gives)
        cached = distributed.first_says(hit is not None)
        if hit is not None and cached:
            say(f"{label}: cached {hit.digest[:12]}")
        else:
            say(f"{label}: running")
            with working(label):
                first = distributed.rank() == 0
                hit = self._make(step, key, parts) if first else self._join(step, key)
            say(f"{label}: made {hit.digest[:12]}")
        self.store.note_last(self.label(step), key, parts)
        self.made[step.id] = hit
        seconds = (self.store.entry(key) or {}).get("seconds", {})
        report = StepReport(step.id, step.stage.name, hit.digest, cached, seconds)
        self.reports.append(report)

    def _make(self, step: Step, key: str, parts: Mapping[str, Any]) -> Artifact:
        with self.store.workdir(key) as work:
            distributed.meet()
            wall, cpu = time.perf_counter(), _cpu_seconds()
            made = self._call(step, work)
            wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
            seconds = {"wall": round(wall, 3), "cpu": round(cpu, 3)}
            stored = self.store.put(key, made, parts, seconds)
        distributed.meet()
        return stored

    def _join(self, step: Step, key: str) -> Artifact:
        """Take part in a step that the first process of torchrun makes, or wait for it."""
        distributed.meet()
        if step.stage.together:
            with tempfile.TemporaryDirectory() as out:
                self._call(step, Workdir(Path(out), self.store.scratch(key)))
        distributed.meet()
        made = self.store.recall(key, step.stage.gives)
        assert made is not None, "the first process has stored it"
        return made

    def _call(self, step: Step, work: Workdir) -> Artifact:
        inputs: dict[str, Any] = {role: self.made[name] for role, name in step.inputs.items()}
        if step.stage.wants_data:
            inputs["data"] = self.data
        return step.stage.run(**inputs, cfg=step.config, work=work)

    def _arm(self, arm: ArmConfig) -> Arm | None:
        deployable = self.made.get(deployable_id(arm))
        certificate = self.made.get(certificate_id(arm))
        if isinstance(deployable, Deployable) and isinstance(certificate, Certificate):
            return Arm(arm.name, deployable, certificate)
        return None


def _cpu_seconds() -> float:
    """CPU time of this process and of the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def pick_step(recipe: Recipe, wanted: str) -> str:
    """The last step id that is `wanted`, or whose stage is.

    Raises:
        UsageError: the recipe has none.
    """
    steps = steps_of(recipe)
    found = [s.id for s in steps if wanted in (s.id, s.stage.name)]
    if not found:
        fix = did_you_mean(wanted, [s.id for s in steps])
        raise UsageError(f"no step '{wanted}'", where=recipe.path, fix=fix)
    return found[-1]
