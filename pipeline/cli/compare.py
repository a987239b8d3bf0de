"""`secateur compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import as_json, emit, gates, results, show_gates

if TYPE_CHECKING:
    from pipeline.bench.gate import Gate
    from pipeline.bench.gate_check import Finding
    from pipeline.bench.results import Stored


@click.command("compare")
@click.argument("records", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All sessions, not the newest of each kind.")
@click.option("--build", type=click.Path(path_type=Path), default=Path("build"), show_default=True)
@gates
@results
@as_json
def command(
    records: tuple[str, ...],
    every: bool,
    build: Path,
    fail_on: list[Gate],
    fail_undecided: bool,
    results: Path,
    json_: bool,
) -> None:
    """All measurements as a table; or two RECORDS.

    The table is also written to build/, as CSV, JSON and a plot.

    \b
    Examples:
      secateur compare
      secateur compare 20261123T101500Z-demo-local-1a2b3c4d 20261124T09
      secateur compare --fail-on 'latency>+3%'
    """
    from pipeline.bench.gate_check import enforce
    from pipeline.bench.results import find, read_all

    if len(records) not in (0, 2):
        raise click.UsageError("name two records, or none for the table over all")
    if records:
        findings = _two(find(results, records[0]), find(results, records[1]), fail_on, json_)
    else:
        findings = _all(read_all(results), every, build, results, fail_on, json_)
    if not json_:
        show_gates(findings)
    enforce(findings, undecided_fails=fail_undecided)


def _all(
    found: list[Stored], every: bool, build: Path, results: Path, fail_on: list[Gate], json_: bool
) -> list[Finding]:
    from pipeline.bench.compare import newest
    from pipeline.bench.export import to_csv, to_json
    from pipeline.bench.gate_check import check_record
    from pipeline.bench.table import print_table
    from pipeline.errors import UsageError

    if not found:
        fix = "measure something first: make demo"
        raise UsageError("there are no records", where=results, fix=fix)
    shown = found if every else newest(found)
    findings = [f for item in shown for f in check_record(fail_on, item.record)]
    if json_:
        click.echo(to_json(shown, findings))
        return findings
    build.mkdir(parents=True, exist_ok=True)
    (build / "compare.csv").write_text(to_csv(shown))
    (build / "compare.json").write_text(to_json(shown))
    print_table(shown)
    written = [build / "compare.csv", build / "compare.json", *_plot(shown, build)]
    click.echo(f"written: {', '.join(map(str, written))}", err=True)
    return findings


def _plot(shown: list[Stored], build: Path) -> list[Path]:
    """The plot of what was measured; emulated sessions and bare files have no place in it."""
    from pipeline.bench.plot import save_plot

    placed = [item for item in shown if not item.record.emulated]
    judged = [item for item in placed if any(row.name == "accuracy" for row in item.record.rows)]
    return save_plot(judged, build / "compare") if judged else []


def _two(first: Stored, second: Stored, fail_on: list[Gate], json_: bool) -> list[Finding]:
    from dataclasses import asdict

    from pipeline.bench.across import across
    from pipeline.bench.across_table import print_across
    from pipeline.bench.gate_check import check_across

    found = across(first.record, second.record)
    findings = check_across(fail_on, first.record, second.record)
    if json_:
        emit({**asdict(found), "gates": list(map(asdict, findings))})
    else:
        print_across(first.record, second.record, found)
    return findings
