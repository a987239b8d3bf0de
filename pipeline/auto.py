"""What a recipe's arms bring to a session beside their files: contests, and what each step cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.bench.contest import Contest
from pipeline.bench.records import Cost
from pipeline.config.recipe import ArmConfig
from pipeline.quantize.stage import QuantizeConfig
from pipeline.run import AUTO, BASELINE, Arm, Runner, deployable_id, lineage, score_id
from pipeline.verify.verdict import PASSED, over_budget


def contests(runner: Runner, arms: Sequence[Arm], runtime: str) -> list[Contest]:
    """One for each arm of the recipe with scheme auto; its candidates are among `arms`."""
    return [_contest(runner, a, arms, runtime) for a in runner.recipe.file.arm if a.scheme == AUTO]


def _contest(runner: Runner, auto: ArmConfig, arms: Sequence[Arm], runtime: str) -> Contest:
    budget = QuantizeConfig.model_validate(runner.recipe.file.quantize)
    found = {arm.name: arm for arm in arms}
    missing = {}
    for part in auto.expanded():
        arm = found.get(part.name)
        if arm is None:
            missing[part.name] = runner.refused.get(deployable_id(part), "was not made")
            continue
        figures = arm.certificate.meta["runtimes"].get(runtime)
        why = (
            "not verified" if figures is None
            else over_budget(figures, budget.max_drop, budget.min_sqnr_db)
        )  # fmt: skip
        if why:
            missing[part.name] = why
    baseline, *others = [part.name for part in auto.expanded()]
    missing.pop(baseline, None)
    return Contest(auto.name, baseline, tuple(n for n in others if n in found), missing)


def runs(arm: Arm, runtime: str) -> bool:
    """Whether a candidate may be measured at all: it works in the runtime, accurate or not."""
    found = arm.certificate.meta["runtimes"].get(runtime)
    return found is not None and found["verdict"] == PASSED


def costs(runner: Runner, arms: Sequence[Arm], runtime: str) -> list[Cost]:
    """Each arm's line: the steps that changed its model, then conversion and quantization."""
    parts = {part.name: part for arm in runner.recipe.file.arm for part in arm.expanded()}
    return [cost for arm in arms for cost in _line(runner, arm, parts[arm.name], runtime)]


def _line(runner: Runner, arm: Arm, part: ArmConfig, runtime: str) -> Iterator[Cost]:
    for step in lineage({s.id: s for s in runner.steps}, part.source):
        made = runner.made.get(score_id(step.id))
        if made is not None:
            meta = made.meta
            yield _cost(arm, step.id, meta["metric_before"], meta["metric"], meta["sqnr_db"])
    proof = arm.certificate.meta
    found = proof["runtimes"].get(runtime, {})
    floating, file = found.get("float"), found.get("file")
    if floating is not None:
        metric = floating["metric"]
        yield _cost(arm, "float tflite", proof["metric"], metric, floating["sqnr_db"])
    if file is not None and part.scheme != BASELINE:
        before = proof["metric"] if floating is None else floating["metric"]
        yield _cost(arm, part.scheme, before, file["metric"], file["sqnr_db"])


def _cost(arm: Arm, step: str, before: Any, after: Any, sqnr_db: Any) -> Cost:
    delta = None if before is None or after is None else round(after - before, 6)
    return Cost(arm=arm.name, step=step, metric=after, delta=delta, sqnr_db=sqnr_db)
