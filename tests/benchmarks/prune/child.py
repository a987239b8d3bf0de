"""One network, one tool, one JSON line on stdout: run in a process of its own."""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import torch
from torch import nn

from pipeline.errors import Refused, UsageError
from pipeline.models.graph import capture
from pipeline.prune.certify import difference, to_float64
from pipeline.prune.cost import macs, parameters
from pipeline.prune.engine import prune_graph
from pipeline.prune.stage import PruneConfig
from tests.benchmarks.prune.rival import rival
from tests.benchmarks.prune.zoo import build
from tests.prune.judge import Masked

WRONG = 1e-5
"""Relative error above which a pruned network is wrong."""


def ours(module: nn.Module, shape: tuple[int, ...]) -> dict[str, Any]:
    """Half of all channels, then again with `round_to` 8."""
    start = time.perf_counter()
    graph = capture(module, shape)
    exported = time.perf_counter()
    try:
        pruned = prune_graph(graph, PruneConfig(ratio=0.5, round_to=1))
    except Refused as error:
        return {"status": "refused", "reason": str(error)[:300]}
    done = time.perf_counter()
    x = [torch.randn(2, *shape, dtype=torch.float64)]
    masked = Masked(module, pruned.plan, pruned.report["certificate"]["reductions"])
    error = difference(masked, to_float64(pruned.graph_module), x)
    aligned = prune_graph(graph, PruneConfig(ratio=0.5, round_to=8))
    report = pruned.report
    blocked = [f"{r['op']}: {r['reason']}" for r in report["frozen"] if r["op"] != "output"]
    return {
        "status": "pruned" if error <= WRONG else "wrong",
        "error": error,
        "certificate": {k: v for k, v in report["certificate"].items() if k != "reductions"},
        "macs_kept": macs(pruned.graph_module) / macs(graph),
        "params_kept": parameters(pruned.graph_module) / parameters(graph),
        "frozen": {reason: blocked.count(reason) for reason in dict.fromkeys(blocked)},
        "unaligned": aligned.report["unaligned"],
        "macs_kept_aligned": macs(aligned.graph_module) / macs(graph),
        "export_s": exported - start,
        "prune_s": done - exported,
    }


def main(name: str, tool: str) -> None:
    """Print what became of one network."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    line: dict[str, Any] = {"net": name, "tool": tool}
    try:
        module, shape = build(name)
        line |= {"shape": list(shape)}
        line |= ours(module, shape) if tool == "secateur" else rival(module, shape, WRONG)
    except UsageError as error:
        line |= {"status": "refused", "reason": str(error)[:300]}
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        line |= {"status": "error", "reason": text[:300]}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
