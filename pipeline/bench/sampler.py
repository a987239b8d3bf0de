"""What reading the board's own sensors costs: latency with and without, in the same session."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from pipeline.bench.plan import session_order, session_pairs
from pipeline.bench.records import Row
from pipeline.bench.results import Event
from pipeline.bench.settings import SessionSettings
from pipeline.bench.verdict import decide

SCOPE = "latency, sensors read / not read"


def sampler_rows(arm: str, events: Sequence[Event], settings: SessionSettings) -> Iterator[Row]:
    """`sampler_cost`: the ratio over neighbouring processes; no row where there is no pair."""
    order = session_order(2, settings.sampler_pairs, settings.seed)
    found = {e["index"]: statistics.median(e["samples_ns"]) for e in events
             if e["event"] == "sampler" and e["samples_ns"]}  # fmt: skip
    first = min((e["index"] for e in events if e["event"] == "sampler"), default=0)
    medians = {index - first: median for index, median in found.items()}
    pairs = [p for p in session_pairs(order, 0, 1) if p[0] in medians and p[1] in medians]
    if not pairs:
        return
    decision = decide([medians[off] for off, _ in pairs], [medians[on] for _, on in pairs])
    yield Row(
        name="sampler_cost", unit="ratio", scope=SCOPE, arm=arm, value=decision.ratio,
        interval=decision.interval, n=len(pairs), raw="sampler",
    )  # fmt: skip
