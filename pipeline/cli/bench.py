"""`secateur bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import as_json, emit, host, results, settings, split_affinity
from pipeline.cli.options import target as target_option


@click.command("bench")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@target_option
@host
@settings
@results
@as_json
def command(
    files: tuple[Path, ...], target: str, host: str | None, results: Path, json_: bool, **flags: Any
) -> None:
    """Measure any .tflite FILES in one session.

    The first file is the baseline of the others.

    \b
    Examples:
      secateur bench model.tflite --target local
      secateur bench old.tflite new.tflite --target rpi5 --host pi@raspberrypi
    """
    from pipeline.bench.files import bench_files
    from pipeline.config.target import load
    from pipeline.onboard import opened

    found = load(target, flags=split_affinity(flags), host=host)
    with opened(found) as (board, settings):
        stored = bench_files(files, settings, board, results=results)
    if json_:
        emit({"folder": stored.folder, "record": stored.record.model_dump(mode="json")})
        return
    from pipeline.bench.table import print_table

    print_table([stored])
    click.echo(f"record: {stored.folder}", err=True)
