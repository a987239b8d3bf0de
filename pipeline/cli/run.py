"""`secateur run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import as_json, emit, host, results, settings, split_affinity
from pipeline.cli.options import target as target_option

if TYPE_CHECKING:
    from pipeline.config.target import Target
    from pipeline.run import Arm, Runner


@click.command("run")
@click.argument("recipe")
@target_option
@host
@click.option("--publish", is_flag=True, help="Then make the last arm the board's current release.")
@click.option("--until", metavar="STEP", help="Stop after this step; measure nothing.")
@settings
@results
@as_json
def command(
    recipe: str,
    target: str,
    host: str | None,
    publish: bool,
    until: str | None,
    results: Path,
    json_: bool,
    **flags: Any,
) -> None:
    """Run RECIPE and measure its arms on a target.

    RECIPE is a name or a .toml file. Finished steps come from the cache; the measurement is
    always made anew. Nothing is published without --publish.

    \b
    Examples:
      secateur run demo --target local
      secateur run demo --target rpi5 --host pi@raspberrypi
      secateur run my/recipe.toml --until prune
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
    from pipeline.onboard import measure_arms

    stored = measure_arms(runner, arms, board, results)
    release = _published(runner, arms[-1], board) if publish else None
    if json_:
        record = stored.record.model_dump(mode="json")
        emit({"recipe": found.name, "steps": steps, "folder": stored.folder, "record": record,
              "published": release})  # fmt: skip
        return
    from pipeline.bench.table import print_table

    print_table([stored])
    click.echo(f"record: {stored.folder}", err=True)
    if release is not None:
        click.echo(f"published: {arms[-1].name} as {release[:12]}", err=True)


def _published(runner: Runner, arm: Arm, board: Target) -> str:
    from pipeline.deploy import publish_arm

    return publish_arm(runner, arm, board).digest
