"""`secateur gc`."""

from __future__ import annotations

import click

from pipeline.cli.options import as_json, emit


@click.command("gc")
@click.option("--days", default=30, show_default=True, help="Keep steps used in the last N days.")
@click.option("--all", "everything", is_flag=True, help="Empty the store.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@as_json
def command(days: int, everything: bool, dry_run: bool, json_: bool) -> None:
    """Delete old artifacts and leftovers.

    Those of interrupted runs too. Measurements are never touched.

    \b
    Example:
      secateur gc --days 7
    """
    from pipeline.gc import collect
    from pipeline.paths import cache_dir
    from pipeline.store import Store

    swept = collect(Store(cache_dir() / "store"), days=0 if everything else days, dry_run=dry_run)
    if json_:
        emit({**vars(swept), "dry_run": dry_run})
        return
    verb = "would free" if dry_run else "freed"
    counts = f"{swept.artifacts} artifacts, {swept.steps} steps, {swept.workdirs} unfinished"
    click.echo(f"{verb} {swept.size_bytes / 1e6:.1f} MB ({counts})")
