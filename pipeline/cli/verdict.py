"""`secateur verdict`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import as_json, emit, gates, show_gates
from pipeline.errors import UsageError

SAMPLED = ("latency", "p90", "p99")

if TYPE_CHECKING:
    from pipeline.bench.gate import Gate
    from pipeline.bench.gate_check import Finding
    from pipeline.bench.judged import Judged


@click.command("verdict")
@click.argument("file", type=click.Path(path_type=Path))
@gates
@as_json
def command(file: Path, fail_on: list[Gate], fail_undecided: bool, json_: bool) -> None:
    """Is b faster than a? The rule of `bench`, applied to raw samples from a FILE.

    FILE is JSON: {"a": [[ns, ...], ...], "b": [[ns, ...], ...], "pairs": [[0, 0], ...]}, one list
    of samples a process, in the order they were taken. Pairs are processes that ran next to each
    other, in the order they were measured; without them, processes of one index are paired.

    FASTER or SLOWER: the interval of the ratio b / a lies off 1. EQUIVALENT: it lies within 1 %.
    Else UNDECIDED, with the pairs that a new session needs. Of two equal arms, 1 in 20 sessions
    at most is called FASTER or SLOWER.

    \b
    Examples:
      secateur verdict samples.json
      secateur verdict samples.json --json --fail-on 'latency>+3%'
      my-measurement | secateur verdict -
    """
    from pipeline.bench.gate_check import enforce
    from pipeline.bench.judged import judge_traces
    from pipeline.bench.judged_text import text
    from pipeline.bench.traces import read_traces

    judged = judge_traces(read_traces(file))
    findings = _findings(judged, fail_on)
    if json_:
        emit({**judged.document(), "gates": [asdict(finding) for finding in findings]})
    else:
        click.echo(text(judged))
        show_gates(findings)
    enforce(findings, undecided_fails=fail_undecided)


def _findings(judged: Judged, fail_on: list[Gate]) -> list[Finding]:
    from pipeline.bench.gate_check import check, row_of
    from pipeline.bench.judged import BASELINE, CANDIDATE

    for gate in fail_on:
        if gate.metric not in SAMPLED:
            fix = f"bound one of {', '.join(SAMPLED)}"
            what = f"samples tell nothing of {gate.metric}"
            raise UsageError(what, where=f"--fail-on '{gate.text}'", fix=fix)
    return [
        check(
            gate,
            CANDIDATE,
            (row_of(judged.rows, gate, BASELINE), row_of(judged.rows, gate, CANDIDATE)),
            (judged.decision.ratio, judged.decision.interval) if gate.metric == "latency" else None,
        )
        for gate in fail_on
    ]
