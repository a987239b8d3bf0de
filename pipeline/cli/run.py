"""`secateur run`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import (
    as_json,
    emit,
    gates,
    host,
    results,
    settings,
    show_gates,
    split_affinity,
)
from pipeline.cli.options import target as target_option

if TYPE_CHECKING:
    from pipeline.bench.gate import Gate
    from pipeline.config.target import Target
    from pipeline.run import Arm, Runner


@click.command("run")
@click.argument("recipe")
@target_option
@host
@click.option("--publish", is_flag=True, help="Then make the last arm the board's current release.")
@click.option("--until", metavar="STEP", help="Stop after this step; measure nothing.")
@settings
@gates
@results
@as_json
def command(
    recipe: str,
    target: str,
    host: str | None,
    publish: bool,
    until: str | None,
    fail_on: list[Gate],
    fail_undecided: bool,
    results: Path,
    json_: bool,
    **flags: Any,
) -> None:
    """Run RECIPE and measure its arms on a target.

    RECIPE is a name or a .toml file. Finished steps come from the cache; the measurement is
    always made anew. Nothing is published without --publish, nor where a --fail-on bound breaks.

    \b
    Examples:
      secateur run demo --target local
      secateur run demo --target rpi5 --host pi@raspberrypi
      secateur run my/recipe.toml --until prune
      secateur run my/recipe.toml --fail-on 'accuracy<-1%' --fail-on 'p99>20ms'
    """
    from pipeline.config.target import load
    from pipeline.paths import cache_dir
    from pipeline.run import Runner, load_recipe, pick_step
    from pipeline.store import Store
    from pipeline.train import distributed

    found = load_recipe(recipe)
    board = load(target, flags=split_affinity(flags), recipe=found.file.measure, host=host)
    if not until:
        board.check_host()
    runner = Runner(found, Store(cache_dir() / "store"))
    arms = runner.run(until=pick_step(found, until) if until else None)
    steps = [vars(report) for report in runner.reports]
    if distributed.rank() > 0:
        return
    if until:
        if json_:
            emit({"recipe": found.name, "steps": steps})
        return
    from pipeline.bench.gate_check import check_record, failure
    from pipeline.bench.table import print_table
    from pipeline.onboard import measure_arms

    stored = measure_arms(runner, arms, board, results)
    findings = check_record(fail_on, stored.record)
    failed = failure(findings, undecided_fails=fail_undecided)
    release = _published(runner, arms[-1], board) if publish and not failed else None
    if json_:
        record = stored.record.model_dump(mode="json")
        emit({"recipe": found.name, "steps": steps, "folder": stored.folder, "record": record,
              "published": release, "gates": list(map(asdict, findings))})  # fmt: skip
    else:
        print_table([stored])
        click.echo(f"record: {stored.folder}", err=True)
        show_gates(findings)
        if release is not None:
            click.echo(f"published: {arms[-1].name} as {release[:12]}", err=True)
    if failed:
        raise failed


def _published(runner: Runner, arm: Arm, board: Target) -> str:
    from pipeline.deploy import publish_arm

    return publish_arm(runner, arm, board).digest
