"""The benchmark's lines as text: one row a trial, then what counts, by client and kind."""

from __future__ import annotations

from typing import Any

Line = dict[str, Any]
LIMIT_S = 15.0
PIECE_LIMIT = 1 << 20
# What sends everything again on purpose: there the disk was freed of what was half-made.
RESUMES = ("cut", "black hole", "slow link", "killed sshd", "flipped bit", "wrong host key",
           "clock jump", "power cut")  # fmt: skip


def row(line: Line) -> str:
    """One trial of one client."""
    what = f"{line['trial']:4} {line['kind']:14} {line['client']:12}"
    if "skipped" in line:
        return f"{what} skipped: {line['skipped']}"
    seconds = "     -" if line["seconds"] is None else f"{line['seconds']:5.1f}s"
    end = "converged" if line["converged"] else f"NOT CONVERGED {line['retry_error']}"
    torn = f"TORN {line['torn']} {line['saw']}" if line["torn"] else "whole"
    text = f"{what} {seconds} {torn}  {end}"
    again = "" if line["resent"] is None else f"  again {line['resent'] / 1024:.0f} KiB"
    return f"{text}{again}  {line['error'] or line['kind_of'] or 'no error'}"[:230]


def totals(lines: list[Line]) -> str:
    """The table, and what is wrong, one line each."""
    head = (
        f"{'fault':15} {'client':13} {'trials':>6} {'torn':>5} {'errors':>6} {'late':>5} "
        f"{'max s':>6} {'converged':>10} {'again, max KiB':>15}  {'looks':>9}"
    )
    ran = [line for line in lines if "skipped" not in line]
    clients = list(dict.fromkeys(line["client"] for line in ran))
    text = [head, "-" * len(head)]
    for client in clients:
        mine = [line for line in ran if line["client"] == client]
        for kind in dict.fromkeys(line["kind"] for line in sorted(mine, key=lambda x: x["kind"])):
            text.append(_counts(kind, client, [x for x in mine if x["kind"] == kind]))
        text.append(_counts("all", client, mine))
    for client in clients:
        cuts = [x for x in ran if x["client"] == client and "after_boot" in x]
        broken = sum(not x["whole"] for x in cuts)
        if cuts:
            text.append(f"after the boot, {client}: {broken} of {len(cuts)} broken")
    skipped = len(lines) - len(ran)
    return "\n".join([*text, *([f"skipped: {skipped} (they need root)"] if skipped else [])])


def _counts(kind: str, client: str, lines: list[Line]) -> str:
    errors = [x for x in lines if x["kind_of"]]
    late = [x for x in errors if x["seconds"] is None or x["seconds"] > LIMIT_S]
    slowest = max((x["seconds"] or 0 for x in errors), default=0)
    good = sum(x["converged"] for x in lines)
    resumed = [x for x in lines if x["kind"] in RESUMES and x["resent"] is not None]
    again = [x["resent"] for x in resumed]
    most = f"{max(again) / 1024:.0f}" if again else "-"
    torn = sum(bool(x["torn"]) for x in lines)
    looks = sum(x["looks"] for x in lines)
    return (
        f"{kind:15} {client:13} {len(lines):6} {torn:5} {len(errors):6} {len(late):5} "
        f"{slowest:6.1f} {f'{good}/{len(lines)}':>10} {most:>15}  {looks:9}"
    )
