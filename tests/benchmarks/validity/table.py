"""The benchmark's lines as text: detected share by magnitude, then the false alarms."""

from __future__ import annotations

from collections import Counter
from typing import Any

from scipy import stats

SURE = 0.99


def report(lines: list[dict[str, Any]]) -> str:
    """All of it."""
    broken = [line for line in lines if line["kind"] is not None]
    quiet = [line for line in lines if line["kind"] is None]
    names = list(dict.fromkeys(line["kind"] for line in broken))
    head = f"{'corruption':42} {'unit':22} {'99 % from':>10}  detected by magnitude"
    rows = [head, "-" * 118, *(row(name, broken) for name in names), ""]
    rows.append(f"{len(names)} kinds, {len(broken)} corrupted sessions")
    return "\n".join(rows + alarms(quiet))


def row(name: str, lines: list[dict[str, Any]]) -> str:
    """One kind: `magnitude:share`, `!` where the session was marked invalid by it."""
    own = [line for line in lines if line["kind"] == name]
    cells, smallest = [], "-"
    for magnitude in dict.fromkeys(line["magnitude"] for line in own):
        found = [line for line in own if line["magnitude"] == magnitude]
        share = sum(line["detected"] for line in found) / len(found)
        invalid = sum(line["invalid"] for line in found) / len(found)
        mark = "!" if invalid >= SURE else ""
        cells.append(f"{magnitude:g}:{share:.0%}{mark}")
        smallest = f"{magnitude:g}" if smallest == "-" and share >= SURE else smallest
        smallest = "-" if share < SURE else smallest
    return f"{name:42} {own[0]['unit']:22} {smallest:>10}  {'  '.join(cells)}"


def alarms(lines: list[dict[str, Any]]) -> list[str]:
    """Clean sessions that were marked, with the exact upper bound of their share."""
    if not lines:
        return []
    marked = [line for line in lines if line["found"]]
    invalid = [line for line in lines if "invalid" in line["found"].values()]
    kinds = Counter(name for line in marked for name in line["found"])
    return [
        f"{len(lines)} clean sessions: {_share(len(marked), len(lines))} marked at all,"
        f" {_share(len(invalid), len(lines))} invalid",
        *(f"  {name}: {count}" for name, count in kinds.most_common()),
    ]


def _share(part: int, whole: int) -> str:
    top = float(stats.beta.ppf(0.95, part + 1, whole - part)) if part < whole else 1.0
    return f"{part / whole:.2%} (below {top:.2%} with 95 % confidence)"
