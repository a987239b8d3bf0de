"""`secateur status`."""

from __future__ import annotations

import click

from pipeline.cli.options import as_json, emit, table


@click.command("status")
@click.argument("recipe")
@as_json
def command(recipe: str, json_: bool) -> None:
    """Which steps of RECIPE are cached, and why not.

    \b
    Example:
      secateur status demo
    """
    from pipeline.paths import cache_dir
    from pipeline.run import Runner, load_recipe
    from pipeline.status import status_of
    from pipeline.store import Store

    rows = status_of(Runner(load_recipe(recipe), Store(cache_dir() / "store")))
    if json_:
        emit({"recipe": recipe, "steps": [vars(row) for row in rows]})
        return
    cells = [[r.id, r.stage, "cached" if r.cached else "to do", r.why] for r in rows]
    table(["step", "stage", "state", "why"], cells)
