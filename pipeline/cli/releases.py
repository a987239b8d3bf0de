"""`secateur releases`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import as_json, emit, host, table
from pipeline.cli.options import target as target_option

if TYPE_CHECKING:
    from pipeline.board.slots import Standing


@click.command("releases")
@target_option
@host
@as_json
def command(target: str, host: str | None, json_: bool) -> None:
    """What stands in a board's slot, the newest first.

    \b
    Example:
      secateur releases --target rpi5 --host pi@raspberrypi
    """
    from pipeline.board.open import hooks_of, open_slot
    from pipeline.config.target import load

    board = load(target, flags={}, host=host)
    with open_slot(board) as slot:
        found = slot.releases(hooks_of(board))
    if json_:
        rows = [{"release": r.digest, "state": r.state, "manifest": r.manifest} for r in found]
        emit({"folder": slot.folder, "releases": rows})
        return
    table(["release", "state", "size", "what"], [_row(one) for one in found])


def _row(one: Standing) -> list[str]:
    name = str(((one.manifest or {}).get("about") or {}).get("name", "-"))
    size = "-" if one.size_bytes is None else f"{one.size_bytes:,}"
    return [one.digest[:12], one.state or "pushed", size, name]
