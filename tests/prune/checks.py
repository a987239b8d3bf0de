"""What every pruned network must satisfy, judged without the tracer's own labels."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import fx, nn

from pipeline.models.graph import capture, named_tensors
from pipeline.prune.certify import difference, to_float64
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
    shape: tuple[int, ...] = SHAPE,
    cfg: PruneConfig = HALF,
    independent: bool = True,
    exact: float = EXACT,
) -> dict[str, Any]:
    """Prune and prove it; `widths` are {tensor:axis: size after}. Gives the report.

    Not `independent` where no plan alone can say what a function of all channels means; not `exact`
    where a weight is folded in float32.
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
        check_against_hooks(module, plan, pruned, shape, reductions, exact)
    check_replay(module, plan, pruned, shape)
    check_export(pruned, shape)
    return report


def check_against_hooks(
    module: nn.Module,
    plan: Any,
    pruned: fx.GraphModule,
    shape: Any,
    reductions: Any = (),
    exact: float = EXACT,
) -> None:
    """The user's own module, its layers' inputs and outputs zeroed, is the pruned graph."""
    masked = Masked(module, plan, reductions)
    samples = [torch.randn(3, *shape, dtype=torch.float64)]
    assert difference(masked, to_float64(pruned), samples) < exact


def check_replay(module: nn.Module, plan: Any, pruned: fx.GraphModule, shape: Any) -> None:
    again = apply(capture(module, shape), plan)
    assert again.code == pruned.code
    for name, tensor in named_tensors(pruned).items():
        assert torch.equal(tensor, named_tensors(again)[name]), name


def check_export(pruned: fx.GraphModule, shape: Any) -> None:
    """The pruned graph exports again with a dynamic batch, and survives a file."""
    dynamic = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(pruned, (torch.zeros(2, *shape),), dynamic_shapes=dynamic)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    loaded = torch.export.load(buffer).module(check_guards=False)
    for batch in (2, 5):
        x = torch.randn(batch, *shape)
        torch.testing.assert_close(loaded(x), pruned(x))


def reasons(report: dict[str, Any]) -> set[str]:
    """`operator: reason` of everything that was held fixed."""
    return {f"{row['op']}: {row['reason']}" for row in report["frozen"]}
