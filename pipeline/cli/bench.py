"""`secateur bench`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import (
    as_json,
    emit,
    gates,
    host,
    results,
    settings,
    show_gates,
    split_affinity,
)
from pipeline.cli.options import target as target_option

if TYPE_CHECKING:
    from pipeline.bench.gate import Gate


@click.command("bench")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@target_option
@host
@settings
@gates
@results
@click.option("--details", is_flag=True, help="Cold start, tails, and memory by its cause, too.")
@as_json
def command(
    files: tuple[Path, ...],
    target: str,
    host: str | None,
    fail_on: list[Gate],
    fail_undecided: bool,
    results: Path,
    details: bool,
    json_: bool,
    **flags: Any,
) -> None:
    """Measure any .tflite FILES in one session.

    The first file is the baseline of the others.

    \b
    Examples:
      secateur bench model.tflite --target local
      secateur bench old.tflite new.tflite --target rpi5 --host pi@raspberrypi
      secateur bench old.tflite new.tflite --fail-on 'latency>+3%'
      secateur bench model.tflite --target rpi5 --rate-hz 30 --deadline-ms 20
      secateur bench model.tflite --target rpi5 --regime sustained --details
    """
    from pipeline.bench.details import print_details
    from pipeline.bench.files import bench_files
    from pipeline.bench.gate_check import check_record, enforce, require_baseline
    from pipeline.bench.table import print_table
    from pipeline.config.target import load
    from pipeline.onboard import opened

    require_baseline(fail_on, len(files))
    found = load(target, flags=split_affinity(flags), host=host)
    with opened(found) as (board, settings):
        stored = bench_files(files, settings, board, results=results)
    findings = check_record(fail_on, stored.record)
    if json_:
        record = stored.record.model_dump(mode="json")
        emit({"folder": stored.folder, "record": record, "gates": list(map(asdict, findings))})
    else:
        print_table([stored])
        if details:
            print_details([stored])
        click.echo(f"record: {stored.folder}", err=True)
        show_gates(findings)
    enforce(findings, undecided_fails=fail_undecided)
