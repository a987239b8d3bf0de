"""One network, one tool, one line of results: run in a process of its own."""

from __future__ import annotations

import resource
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.errors import Refused, UsageError
from pipeline.models.graph import capture
from pipeline.prune.certify import difference, to_float64
from pipeline.prune.cost import macs, parameters
from pipeline.prune.engine import prune_graph
from pipeline.prune.stage import PruneConfig
from tests.benchmarks.prune.clock import Clock
from tests.benchmarks.prune.rival import rival
from tests.benchmarks.prune.zoo import build, import_libraries
from tests.prune.judge import Masked

WRONG = 1e-5
"""Relative error above which a pruned network is wrong."""


def ours(module: nn.Module, shape: tuple[int, ...]) -> dict[str, Any]:
    """Half of all channels, then again with `round_to` 8."""
    clock = Clock()
    graph = capture(module, shape)
    export = clock.lap("export")
    try:
        pruned = prune_graph(graph, PruneConfig(ratio=0.5, round_to=1))
    except Refused as error:
        return {"status": "refused", "reason": str(error)[:300]}
    prune = clock.lap("prune")
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
        **export,
        **prune,
    }


def _place(error: Exception) -> str:
    """Whose code failed: file and line, from the package on."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno}"


def warm_up() -> None:
    """Import what every network needs, before the processes part."""
    torch.set_num_threads(1)
    import_libraries()
    warnings.simplefilter("ignore")
    capture(nn.Linear(2, 2), (2,))


def main(name: str, tool: str, results: Connection, limit_cpu_s: int) -> None:
    """Send what became of one network."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CPU, (limit_cpu_s, limit_cpu_s + 10))
    line: dict[str, Any] = {"net": name, "tool": tool}
    try:
        module, shape = build(name)
        line |= {"shape": list(shape)}
        line |= ours(module, shape) if tool == "secateur" else rival(module, shape, WRONG)
    except UsageError as error:
        line |= {"status": "refused", "reason": str(error)[:300]}
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        line |= {"status": "error", "reason": text[:300], "at": _place(error)}
    results.send(line)
