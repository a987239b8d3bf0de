"""`secateur publish`."""

from __future__ import annotations

import click

from pipeline.cli.options import as_json, emit, host
from pipeline.cli.options import target as target_option


@click.command("publish")
@click.argument("release", required=False)
@target_option
@host
@as_json
def command(release: str | None, target: str, host: str | None, json_: bool) -> None:
    """Make a pushed release the current one.

    RELEASE is a digest or its first letters; without it, the newest push. Every byte is checked
    first, and the model is run in its place, in a runtime that the board has, against the pair of
    inputs and outputs it came with. Then `current` flips in one rename, and the lab file's
    on_publish and health_cmd run in the slot's folder. Where one fails, the release before is
    current again (exit code 4). What a cut of the line or of the power left half-done is taken
    back by the next command. keep_releases and keep_mb of the lab file say what stays there.

    \b
    Example:
      secateur publish --target rpi5 --host pi@raspberrypi
    """
    from pipeline.board.open import hooks_of, open_slot
    from pipeline.config.target import load

    board = load(target, flags={}, host=host)
    with open_slot(board) as slot:
        done = slot.publish(release, hooks_of(board))
    if json_:
        emit({"release": done.digest, "current": slot.folder / "current", "health": done.health})
        return
    click.echo(f"{done.digest[:12]}  is current: {slot.folder / 'current'}")
    click.echo(done.health, err=True)
