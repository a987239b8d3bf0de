"""`secateur rollback`."""

from __future__ import annotations

import click

from pipeline.cli.options import as_json, emit, host
from pipeline.cli.options import target as target_option


@click.command("rollback")
@target_option
@host
@as_json
def command(target: str, host: str | None, json_: bool) -> None:
    """Make the release before the current one again.

    Checked and with the same commands of the lab file as `publish`; a second time goes one
    further back.

    \b
    Example:
      secateur rollback --target rpi5 --host pi@raspberrypi
    """
    from pipeline.board.open import hooks_of, open_slot
    from pipeline.config.target import load

    board = load(target, flags={}, host=host)
    with open_slot(board) as slot:
        done = slot.rollback(hooks_of(board))
    if json_:
        emit({"release": done.digest, "current": slot.folder / "current"})
        return
    click.echo(f"{done.digest[:12]}  is current: {slot.folder / 'current'}")
