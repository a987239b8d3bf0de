"""`secateur list`."""

from __future__ import annotations

import click

from pipeline.cli.options import as_json, emit, table


@click.command("list")
@as_json
def command(json_: bool) -> None:
    """Recipes and targets, with what each is for.

    \b
    Example:
      secateur list
    """
    from pipeline.config.search import available, description

    found = {kind: available(kind) for kind in ("targets", "recipes")}
    if json_:
        emit({k: {n: description(p) for n, p in files.items()} for k, files in found.items()})
        return
    for kind, files in found.items():
        table([kind, "what for"], [[name, description(path)] for name, path in files.items()])
        click.echo()
