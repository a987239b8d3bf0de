"""`secateur config`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import as_json, emit, host, settings, split_affinity, table

if TYPE_CHECKING:
    from pipeline.config.target import Origins


@click.command("config")
@click.argument("target")
@host
@settings
@as_json
def command(target: str, host: str | None, json_: bool, **flags: Any) -> None:
    """Each setting of TARGET and where its value comes from.

    \b
    Example:
      secateur config local --threads 2
      secateur config rpi5 --host pi@raspberrypi
    """
    from pipeline.config.lab import lab_path
    from pipeline.config.target import load

    found = load(target, flags=split_affinity(flags), host=host)
    if json_:
        values, board = _told(found.origins), _told(found.connection)
        emit({"target": found.name, "lab": str(lab_path()), "settings": values, "board": board})
        return
    click.echo(f"{found.name}: {found.file.title} ({found.path})")
    click.echo(f"lab file: {lab_path()}{'' if lab_path().exists() else ' (none)'}\n")
    table(["setting", "value", "from"], _rows(found.origins))
    if found.file.transport != "local":
        click.echo()
        table(["board", "value", "from"], _rows(found.connection))


def _told(origins: Origins) -> dict[str, dict[str, Any]]:
    return {name: {"value": value, "from": origin} for name, (value, origin) in origins.items()}


def _rows(origins: Origins) -> list[list[str]]:
    return [
        [name, "-" if value is None else str(value), origin]
        for name, (value, origin) in origins.items()
    ]
