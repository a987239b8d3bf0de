"""What every pruned network must satisfy, judged without the tracer's own labels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from pipeline.inputs.ports import Ports
from pipeline.models.graph import capture, named_tensors, zeros
from pipeline.prune.certify import difference, noise, to_float64
from pipeline.prune.rewrite import apply
from pipeline.prune.stage import PruneConfig
from pipeline.prune.standalone import prune_module
from tests.prune.judge import Masked
from tests.prune.nets import SHAPE, settle

HALF = PruneConfig(ratio=0.5, round_to=1)
UNPROVEN = PruneConfig(ratio=0.5, round_to=1, allow_uncertified=True)
EXACT = 1e-9


def check(
    module: nn.Module,
    widths: dict[str, int] | None = None,
    shape: Ports | Sequence[int] = SHAPE,
    cfg: PruneConfig = HALF,
    independent: bool = True,
    exact: float = EXACT,
    exported: bool = True,
) -> dict[str, Any]:
    """Prune and prove it; `widths` are {tensor:axis: size after}. Gives the report.

    Not `independent` where no plan alone can say what a function of all channels means; not `exact`
    where a weight is folded in float32; not `exported` where outputs are random.
    """
    module = settle(module)
    pruned, plan, report = prune_module(module, shape, cfg)
    tensors = named_tensors(pruned)
    found = {key: tensors[key.split(":")[0]].shape[int(key[-1])] for key in widths or {}}
    assert found == (widths or {})
    assert report["certificate"]["ok"] == (not report["certificate"]["uncertified"])
    assert report["macs"]["after"] < report["macs"]["before"]
    if independent:
        reductions = report["certificate"]["reductions"]
        check_against_hooks(module, plan, pruned, reductions, exact)
    check_replay(module, plan, pruned, shape)
    if exported:
        check_export(pruned)
    return report


def check_against_hooks(
    module: nn.Module,
    plan: Any,
    pruned: fx.GraphModule,
    reductions: Any = (),
    exact: float = EXACT,
) -> None:
    """The user's own module, its layers' inputs and outputs zeroed, is the pruned graph."""
    masked = Masked(module, plan, reductions)
    samples = [noise(pruned, 3, torch.Generator().manual_seed(0))]
    assert difference(masked, to_float64(pruned), samples) < exact


def check_replay(module: nn.Module, plan: Any, pruned: fx.GraphModule, shape: Any) -> None:
    again = apply(capture(module, shape), plan)
    assert again.code == pruned.code
    for name, tensor in named_tensors(pruned).items():
        assert torch.equal(tensor, named_tensors(again)[name]), name


def check_export(pruned: fx.GraphModule) -> None:
    """The pruned graph exports again with a dynamic batch, and survives a file."""
    ports = pruned.meta["ports"]
    dynamic = tuple({0: torch.export.Dim.AUTO} for _ in ports)
    program = torch.export.export(pruned, zeros(ports, 2).arrays, dynamic_shapes=dynamic)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    loaded = torch.export.load(buffer).module(check_guards=False)
    for batch in (2, 5):
        x = ports.draw(batch).tensors().arrays
        torch.testing.assert_close(loaded(*x), pruned(*x))


def reasons(report: dict[str, Any]) -> set[str]:
    """`operator: reason` of everything that was held fixed."""
    return {f"{row['op']}: {row['reason']}" for row in report["frozen"]}
