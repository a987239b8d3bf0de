"""`secateur compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import as_json, emit, results

if TYPE_CHECKING:
    from pipeline.bench.results import Stored


@click.command("compare")
@click.argument("records", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All sessions, not the newest of each kind.")
@click.option("--build", type=click.Path(path_type=Path), default=Path("build"), show_default=True)
@results
@as_json
def command(records: tuple[str, ...], every: bool, build: Path, results: Path, json_: bool) -> None:
    """All measurements as a table; or two RECORDS.

    The table is also written to build/, as CSV, JSON and a plot.

    \b
    Examples:
      secateur compare
      secateur compare 20261123T101500Z-demo-local-1a2b3c4d 20261124T09
    """
    from pipeline.bench.results import find, read_all

    if len(records) not in (0, 2):
        raise click.UsageError("name two records, or none for the table over all")
    if records:
        _two(find(results, records[0]), find(results, records[1]), json_)
        return
    _all(read_all(results), every, build, results, json_)


def _all(found: list[Stored], every: bool, build: Path, results: Path, json_: bool) -> None:
    from pipeline.bench.compare import newest
    from pipeline.bench.export import to_csv, to_json
    from pipeline.bench.table import print_table
    from pipeline.errors import UsageError

    if not found:
        fix = "measure something first: make demo"
        raise UsageError("there are no records", where=results, fix=fix)
    shown = found if every else newest(found)
    if json_:
        click.echo(to_json(shown))
        return
    build.mkdir(parents=True, exist_ok=True)
    (build / "compare.csv").write_text(to_csv(shown))
    (build / "compare.json").write_text(to_json(shown))
    print_table(shown)
    written = [build / "compare.csv", build / "compare.json", *_plot(shown, build)]
    click.echo(f"written: {', '.join(map(str, written))}", err=True)


def _plot(shown: list[Stored], build: Path) -> list[Path]:
    """The plot of what was measured; emulated sessions and bare files have no place in it."""
    from pipeline.bench.plot import save_plot

    placed = [item for item in shown if not item.record.emulated]
    judged = [item for item in placed if any(row.name == "accuracy" for row in item.record.rows)]
    return save_plot(judged, build / "compare") if judged else []


def _two(first: Stored, second: Stored, json_: bool) -> None:
    from dataclasses import asdict

    from pipeline.bench.across import across
    from pipeline.bench.across_table import print_across

    found = across(first.record, second.record)
    if json_:
        emit(asdict(found))
    else:
        print_across(first.record, second.record, found)
