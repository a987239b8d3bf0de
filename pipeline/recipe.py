"""A recipe: what is made, as a list of steps, and which arms are measured against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.base import Config
from pipeline.config.explain import did_you_mean, parse, read_toml, refuse
from pipeline.config.recipe import RecipeFile
from pipeline.config.resolve import add_folder
from pipeline.config.search import find
from pipeline.prune.rounds import expand
from pipeline.stage import STAGES, Stage

STEP_KEYS = ("id", "use", "from")


@dataclass(frozen=True)
class Step:
    """One step of a recipe: a stage, its config, and the steps its roles are taken from.

    A `trial` may be refused: it then has no result, and what needs it is left out.
    """

    id: str
    stage: Stage
    config: Config
    inputs: Mapping[str, str]
    trial: bool = False


@dataclass(frozen=True)
class Recipe:
    """A checked recipe."""

    path: Path
    file: RecipeFile
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem


def load(name: str) -> Recipe:
    """Read and check a recipe by path or name; every problem is reported at once.

    Raises:
        UsageError: no such recipe, or problems in it.
    """
    path = find("recipes", name)
    add_folder(path.parent)
    file, problems = parse(RecipeFile, read_toml(path), path.parent)
    if file is None:
        refuse(path, problems)
        raise AssertionError("refuse() raises when there are problems")
    steps = _check_steps(file, path.parent, problems)
    problems += [
        f"arm '{arm.name}': 'from' names no step '{arm.source}'; "
        + did_you_mean(arm.source, [s.id for s in steps])
        for arm in file.arm
        if arm.source not in {s.id for s in steps}
    ]
    names = [part.name for arm in file.arm for part in arm.expanded()]
    problems += [
        f"arm '{n}': the name is used twice" for n in sorted(set(names)) if names.count(n) > 1
    ]
    refuse(path, problems)
    return Recipe(path, file, tuple(steps))


def _check_steps(file: RecipeFile, folder: Path, problems: list[str]) -> list[Step]:
    steps = [Step("model", STAGES["load"], file.model, {})]
    for number, table in enumerate(file.step):
        where = f"step[{number}] '{table.get('id', '?')}'"
        try:
            tables = expand(table)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        for part in tables:
            step, found = _check_step(part, steps, folder)
            problems += [f"{where}: {problem}" for problem in found]
            if step is not None:
                steps.append(step)
    return steps


def _check_step(
    table: dict[str, Any], before: list[Step], folder: Path
) -> tuple[Step | None, list[str]]:
    name = str(table.get("use", ""))
    usable = sorted(n for n, s in STAGES.items() if s.main is not None)
    if name not in usable:
        return None, [f"use = '{name}' is no stage; {did_you_mean(name, usable)}"]
    stage, step_id = STAGES[name], str(table.get("id", name))
    problems = [f"the id '{step_id}' is used twice"] if step_id in {s.id for s in before} else []
    own = {k: v for k, v in table.items() if k not in STEP_KEYS and k not in stage.roles}
    config, found = parse(stage.config, own, folder)
    inputs, wrong = _wire(stage, table, before)
    problems += found + wrong
    # A step with problems still takes its place, so that later ones are judged by their own.
    return Step(step_id, stage, config or Config(), inputs), problems


def _wire(
    stage: Stage, table: dict[str, Any], before: list[Step]
) -> tuple[dict[str, str], list[str]]:
    inputs, problems = {}, []
    known = {step.id: step.stage.gives for step in before}
    for role, kind in stage.roles.items():
        name = table.get("from", before[-1].id) if role == stage.main else table.get(role)
        if name is None:
            if role not in stage.optional:
                problems.append(f"needs '{role} = \"<id of a step>\"'")
        elif name not in known:
            problems.append(f"'{role}' names no step '{name}'; {did_you_mean(str(name), known)}")
        elif not issubclass(known[name], kind):
            got = known[name].__name__
            problems.append(f"{stage.name} needs a {kind.__name__}, gets a {got} from '{name}'")
        else:
            inputs[role] = name
    return inputs, problems
