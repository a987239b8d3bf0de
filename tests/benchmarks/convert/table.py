"""The benchmark's lines as text: one row a network and tool, then what holds over all of them."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.convert.transposes import allowed

PARITY_DB = 90.0
NEAR_DB = 1.0
OURS = "secateur int8"
RIVALS = ("onnx2tf", "litert")


def row(line: dict[str, Any]) -> str:
    """One network and tool."""
    what = f"{line['net']:40} {line['variant']:7} {line['tool']:14} {line['status']:9}"
    if line["status"] != "converted":
        return f"{what} {line.get('reason', '')[:100]}"
    ratio = line.get("latency_ratio")
    return (
        f"{what} float {_db(line.get('float_db')):>6} int8 {_db(line['ai-edge-litert']):>6} /"
        f" {_db(line['tflite-runtime']):>6}  T {line['transposes']:>3}"
        f"  P {line['partitions'] if line['partitions'] is not None else '-':>3}"
        f"  x{'-' if ratio is None else f'{ratio:.2f}'}"
        f"  {line['size_bytes'] / 1024:7.0f} KiB  {line.get('scheme', '')}"
    )


def _db(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "fails" if value else "-"


def totals(lines: list[dict[str, Any]]) -> str:
    """All rows, then the counts."""
    rows = [row(line) for line in sorted(lines, key=lambda x: (x["net"], x["variant"], x["tool"]))]
    return "\n".join([*rows, "", *_tools(lines), *_goals(lines)])


def _tools(lines: list[dict[str, Any]]) -> list[str]:
    found = []
    for tool in sorted({line["tool"] for line in lines}):
        own = [line for line in lines if line["tool"] == tool]
        good = [line for line in own if line["status"] == "converted"]
        both = [
            x for x in good if all(_runs(x, name) for name in ("ai-edge-litert", "tflite-runtime"))
        ]
        found.append(
            f"{tool}: {len(good)} of {len(own)} converted, {len(both)} run in both runtimes"
        )
    return found


def _runs(line: dict[str, Any], runtime: str) -> bool:
    return isinstance(line[runtime], int | float)


def _goals(lines: list[dict[str, Any]]) -> list[str]:
    ours = [x for x in lines if x["tool"] == OURS and x["status"] == "converted"]
    parity = [
        x for x in ours if isinstance(x.get("float_db"), float) and x["float_db"] >= PARITY_DB
    ]
    moved = [x for x in ours if x["transposes"] > allowed(x["net"])[0]]
    far = []
    for line in ours:
        best = _best_rival(lines, line)
        if (
            best is not None
            and _runs(line, "ai-edge-litert")
            and line["ai-edge-litert"] < best - NEAR_DB
        ):
            far.append(f"{line['net']} {line['variant']} {line['ai-edge-litert']} against {best}")
    return [
        f"float parity >= {PARITY_DB:.0f} dB: {len(parity)} of {len(ours)}",
        f"more TRANSPOSE than allowed: {', '.join(x['net'] for x in moved) or 'none'}",
        f"over {NEAR_DB:.0f} dB behind another tool's full int8: {'; '.join(far) or 'none'}",
    ]


def _best_rival(lines: list[dict[str, Any]], line: dict[str, Any]) -> float | None:
    """The best full-int8 figure of another tool in the same run."""
    figures = [
        x["ai-edge-litert"] for x in lines
        if x["net"] == line["net"] and x["variant"] == line["variant"] and x["tool"] in RIVALS
        and x["status"] == "converted" and x["float_operators"] == 0 and _runs(x, "ai-edge-litert")
    ]  # fmt: skip
    return max(figures, default=None)
