"""From a recipe's arms and a target to one measured session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline import auto
from pipeline.bench.accuracy import TestSample
from pipeline.bench.arms import deployable_arm
from pipeline.bench.measure import measure
from pipeline.bench.results import Stored
from pipeline.bench.settings import SessionSettings
from pipeline.board.board import Board
from pipeline.board.open import open_board
from pipeline.config.target import Target
from pipeline.data.source import Data
from pipeline.run import Arm, Runner
from pipeline.verify import verdict
from pipeline.verify.reference import draw


def measure_arms(runner: Runner, arms: Sequence[Arm], target: Target, results: Path) -> Stored:
    """Measure a recipe's arms on a target; the first is the baseline.

    Of an arm with scheme auto every scheme that works is measured, and the session chooses.

    Raises:
        Refused: an arm did not pass verification in the runtime that the target uses.
    """
    with opened(target) as (board, settings):
        runtime, chosen = settings.runtime, auto.contests(runner, arms, settings.runtime)
        trials = {name for contest in chosen for name in contest.others}
        running = [arm for arm in arms if arm.name not in trials or auto.runs(arm, runtime)]
        for arm in running:
            verdict.require(arm.certificate.meta["runtimes"], [runtime], same=True)
        return measure(
            [deployable_arm(arm.name, arm.deployable) for arm in running],
            settings,
            board,
            recipe=runner.recipe.name,
            results=results,
            sample=test_sample(runner.data, settings.samples),
            contests=chosen,
            costs=auto.costs(runner, running, runtime),
        )


@contextlib.contextmanager
def opened(target: Target) -> Iterator[tuple[Board, SessionSettings]]:
    """A target's board, and how to measure on it: with the best runtime that it can run."""
    values = {name: value for name, (value, _) in target.origins.items()}
    with open_board(target) as board:
        values["runtime"] = board.choose(_wanted(target))
        values["affinity"] = tuple(values["affinity"])
        yield (
            board,
            SessionSettings(
                target.name,
                **values,
                emulated=target.emulated,
                **_facts(target),
                **_metering(target),
            ),
        )


def _facts(target: Target) -> dict[str, Any]:
    """What a target's data sheets say of its processor: a bound for what is plausible."""
    board = target.file.board
    if board is None:
        return {}
    return {"isa": tuple(board.isa), "max_mhz": max(cluster.max_mhz for cluster in board.cluster)}


def _metering(target: Target) -> dict[str, Any]:
    """What the lab file says of the board's sensors and of a meter beside it."""
    wiring = {n: one.model_dump(exclude_none=True) for n, one in target.lab.sensors.items()}
    off = {name for name, one in wiring.items() if not one["use"]}
    meter = target.lab.meter.model_dump(exclude_none=True) if target.lab.meter else None
    sensors = tuple(name for name in SessionSettings.sensors if name not in off)
    return {"sensors": sensors, "wiring": wiring, "meter": meter}


def _wanted(target: Target) -> Sequence[str]:
    """The runtime that somebody asked for; else all that the target names, best first."""
    runtime, origin = target.origins["runtime"]
    asked = origin != str(target.path) or target.file.measure.runtime is not None
    return [runtime] if asked else target.file.runtimes


def test_sample(data: Data, count: int) -> TestSample | None:
    """The test samples that run on the board, the same ones for a recipe's data.

    None where nothing can be judged: no samples are wanted, or they have no targets.
    """
    if count == 0 or not data.labelled:
        return None
    index = draw(data, "test", count)
    inputs, targets = data.inputs("test", index), data.targets("test", index)
    return TestSample(inputs, targets, data.metric, is_share=data.task.metric is None)
