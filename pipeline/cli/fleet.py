"""`secateur fleet`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import as_json, emit, results, settings, split_affinity

if TYPE_CHECKING:
    from pipeline.config.settings import Settings
    from pipeline.config.target import Target
    from pipeline.fleet import Outcome


@click.command("fleet")
@click.argument("recipe")
@click.option("--hosts", required=True, help="Addresses as for ssh, separated by commas.")
@click.option("--target", help="What these boards are; without it, --hosts are names of targets.")
@settings
@results
@as_json
def command(
    recipe: str, hosts: str, target: str | None, results: Path, json_: bool, **flags: Any
) -> int:
    """Run RECIPE once and measure its arms on several boards at once.

    A board that is slow or dead holds up no other. Without --target, --hosts are names of targets
    whose addresses stand in the lab file. The exit code is the worst of the boards'.

    \b
    Examples:
      secateur fleet demo --target rpi5 --hosts pi@one,pi@two
      secateur fleet demo --hosts rpi5,rpi4,rk3588
    """
    from pipeline.paths import cache_dir
    from pipeline.run import Runner, load_recipe
    from pipeline.store import Store

    found = load_recipe(recipe)
    targets = _targets(hosts, target, split_affinity(flags), found.file.measure)
    runner = Runner(found, Store(cache_dir() / "store"))
    arms = runner.run()

    from pipeline.cli.fleet_view import live, print_summary
    from pipeline.fleet import measure_fleet

    with live() as show:
        outcomes = measure_fleet(runner, arms, targets, results, show)
    if json_:
        emit({"recipe": found.name, "boards": [_told(outcome) for outcome in outcomes]})
    else:
        print_summary(outcomes)
    _raise_bugs(outcomes)
    return max(outcome.exit_code for outcome in outcomes)


def _targets(
    hosts: str, target: str | None, flags: dict[str, Any], recipe: Settings
) -> dict[str, Target]:
    from pipeline.config.target import load
    from pipeline.errors import UsageError

    names = [name.strip() for name in hosts.split(",")]
    if "" in names or len(set(names)) < len(names):
        fix = "name each board once, such as --hosts pi@one,pi@two"
        raise UsageError("an empty or repeated name", where=f"--hosts {hosts}", fix=fix)
    found = {
        name: load(target or name, flags=flags, recipe=recipe, host=name if target else None)
        for name in names
    }
    for each in found.values():
        each.check_host()
    return found


def _told(outcome: Outcome) -> dict[str, Any]:
    told = {
        "board": outcome.board,
        "seconds": round(outcome.seconds, 1),
        "exit_code": outcome.exit_code,
    }
    if outcome.stored is None:
        return {**told, "error": str(outcome.error)}
    record = outcome.stored.record.model_dump(mode="json")
    return {**told, "folder": outcome.stored.folder, "record": record}


def _raise_bugs(outcomes: list[Outcome]) -> None:
    """What is no error of a board's goes the way of every bug, after all else is told."""
    from pipeline.errors import SecateurError

    for outcome in outcomes:
        if outcome.error is not None and not isinstance(outcome.error, SecateurError):
            raise outcome.error
