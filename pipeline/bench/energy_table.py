"""Energy as text: one table a scope, for two scopes have nothing to do with each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.bench.records import Record, Row

SAMPLER = "sampler_cost"
COLUMNS = ("energy_gross", "energy_net", "energy_net_ratio", "idle_power")


def energy_tables(record: Record) -> Iterator[tuple[str, Table]]:
    """(title, table) of every scope that has energy figures."""
    scopes = dict.fromkeys(row.scope for row in record.rows if row.unit == "mJ")
    for scope in scopes:
        rows = [row for row in record.rows if row.scope == scope]
        blocks = max(row.n for row in rows if row.unit == "mJ")
        block_ms = record.settings.get("energy_block_ms")
        length = f" of {block_ms / 1000:g} s" if block_ms else ""
        title = f"energy of an inference, {scope}: {blocks} blocks{length} an arm, +- for 95 %"
        yield title, _table(record, rows)


def sampler_note(record: Record) -> Iterator[str]:
    """What reading the board's own sensors cost, which only ran in the energy blocks."""
    for row in record.rows:
        if row.name == SAMPLER:
            ends = f" [{row.interval[0]:.3f}, {row.interval[1]:.3f}]" if row.interval else ""
            yield f"reading the sensors makes latency x{row.value:.3f}{ends}, in energy blocks only"


def _table(record: Record, rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    factor, unit = _unit(rows)
    table.add_column("arm", no_wrap=True, overflow="ellipsis")
    for name in (f"gross {unit}", f"net {unit}", f"net / {record.arms[0].name}", "idle W"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm in record.arms:
        found = {row.name: row for row in rows if row.arm == arm.name}
        cells = [plus_minus(found.get(name), factor) for name in COLUMNS]
        if arm is record.arms[0] and found:
            cells[2] = "baseline"
        table.add_row(arm.name, *map(Text, cells))
    return table


def _unit(rows: Sequence[Row]) -> tuple[float, str]:
    """One unit for all figures of a scope."""
    most = max(row.value for row in rows if row.unit == "mJ")
    return (1000.0, "µJ") if most < 1 else (1.0, "mJ") if most < 1000 else (0.001, "J")


def plus_minus(row: Row | None, factor: float) -> str:
    """Value and expanded uncertainty, to two digits of the latter; a dash for what is missing."""
    if row is None or row.interval is None:
        return "-"
    scale = factor if row.unit == "mJ" else 1.0
    value, half = row.value * scale, (row.interval[1] - row.value) * scale
    places = min(6, max(0, 1 - math.floor(math.log10(half)))) if half > 0 else 3
    text = f"{value:.{places}f} +- {half:.{places}f}"
    return f"x{text}" if row.unit == "ratio" else text
