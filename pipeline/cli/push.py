"""`secateur push`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import as_json, emit, host
from pipeline.cli.options import target as target_option


@click.command("push")
@click.argument("subject", metavar="RECIPE:ARM|ARTIFACT|FILE")
@target_option
@host
@click.option("--with", "extra", multiple=True, type=click.Path(path_type=Path),
              help="A further file, such as labels.txt; may be repeated.")  # fmt: skip
@as_json
def command(
    subject: str, target: str, host: str | None, extra: tuple[Path, ...], json_: bool
) -> None:
    """Put a release on a board; it is not used yet.

    Its files go into <root>/<slot>/releases/<digest>/, each checked by its sha256 there. What
    is current stays so until `publish`.

    \b
    Examples:
      secateur push "demo:pruned int8" --target rpi5 --host pi@raspberrypi
      secateur push model.tflite --with labels.txt --target rpi5 --host pi@raspberrypi
    """
    from pipeline.board.open import hooks_of, open_slot
    from pipeline.config.target import load
    from pipeline.deploy import release_of

    board = load(target, flags={}, host=host)
    board.check_host()
    made = release_of(subject, board, extra)
    with open_slot(board) as slot:
        place = slot.push(made, hooks_of(board))
    if json_:
        emit({"release": made.digest, "folder": place, "files": sorted(made.files)})
        return
    click.echo(f"{made.digest[:12]}  {place}")
    click.echo(f"not current yet: secateur publish {made.digest[:12]} --target {target}", err=True)
