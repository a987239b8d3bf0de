"""The benchmark's lines as text: one row a network and tool, then the totals."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

ENOUGH = 0.6
"""At most this share of the MACs may stay for a network to count as pruned."""
EXACT = 1e-5


def row(line: dict[str, Any]) -> str:
    """One network and tool."""
    what = f"{line['net']:42} {line['tool']:14} {line['status']:9}"
    if "macs_kept" not in line:
        return f"{what} {line.get('reason', '')[:100]}"
    text = f"{what} MACs {line['macs_kept']:5.1%}"
    if line.get("error") is not None:
        text += f"  error {line['error']:.0e}"
    if "unaligned" in line:
        text += f"  unaligned {len(line['unaligned'])}"
    return f"{text}  {line['prune_cpu_s']:.1f} s"


def totals(lines: list[dict[str, Any]]) -> str:
    """All rows and, tool by tool, the counts that matter."""
    rows = [row(line) for line in sorted(lines, key=lambda line: (line["tool"], line["net"]))]
    tools = sorted({line["tool"] for line in lines})
    return "\n".join(
        rows + [_total(tool, [x for x in lines if x["tool"] == tool]) for tool in tools]
    )


def _total(tool: str, lines: list[dict[str, Any]]) -> str:
    count, status = len(lines), Counter(line["status"] for line in lines)
    cut = [line for line in lines if "macs_kept" in line]
    enough = [x for x in cut if x["status"] == "pruned" and x["macs_kept"] <= ENOUGH]
    text = [f"\n{tool}: {count} networks"]
    text.append("  " + ", ".join(f"{name} {number}" for name, number in sorted(status.items())))
    text.append(f"  at least 40 % of the MACs gone, and right: {_share(len(enough), count)}")
    proven = [x for x in cut if _certified(x)]
    if tool == "secateur":
        text.append(f"  certified (<= {EXACT:.0e}): {_share(len(proven), count)}")
        aligned = [x for x in cut if not x["unaligned"]]
        text.append(f"  every width a multiple of 8 on demand: {_share(len(aligned), len(cut))}")
        proven = [x for x in cut if x["unaligned"] and not any(_possible(x))]
        text.append(f"  of the others, proven that no widths are: {len(proven)}")
    if cut:
        spent = sorted(x["prune_cpu_s"] for x in cut)
        p95 = spent[min(len(spent) - 1, int(0.95 * len(spent)))]
        text.append(f"  CPU seconds: median {statistics.median(spent):.1f}, p95 {p95:.1f}")
        kept = statistics.median(x["macs_kept"] for x in cut)
        text.append(f"  MACs that stay: median {kept:.1%}")
    return "\n".join(text)


def _possible(line: dict[str, Any]) -> list[bool]:
    return [row["possible"] is not False for row in line["unaligned"]]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / max(whole, 1):.1%})"


def _certified(line: dict[str, Any]) -> bool:
    proof = line.get("certificate", {})
    return bool(proof.get("ok")) and proof["max_relative_error"] <= EXACT
