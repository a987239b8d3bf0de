"""A module as `torch.export` captures it, and that as a plain graph which can be copied."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols
from torch.utils import _pytree as pytree

from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.models import signature
from pipeline.models.causal import masks_as_given
from pipeline.models.inline import inline
from pipeline.models.torch_errors import quiet, reason, user_line

_ASSERTS = ("aten::_assert_tensor_metadata", "aten::_assert_scalar")
_META = ("stack_trace", "always_on")
_NO_BRANCHES = "write forward() without data-dependent Python control flow"
_MAKE_BEFORE = "assign no tensors to the module in forward(): make them before, in eval()"


def export(
    module: torch.nn.Module, example: Batch, *, dynamic: bool = False
) -> torch.export.ExportedProgram:
    """`torch.export` of a module for an example, or for any batch that is like it (`dynamic`).

    Raises:
        UsageError: torch cannot, or shapes inside the model depend on the data.
    """
    args, kwargs = signature.call(module, example)
    try:
        # Torch prints whole graphs of what it cannot export; without gradients, attention would
        # be one opaque operator.
        with quiet(), torch.enable_grad(), redirect_stdout(io.StringIO()), masks_as_given():
            program = torch.export.export(
                module, args, kwargs, strict=False,
                dynamic_shapes=signature.any_batch(example, kwargs) if dynamic else None,
            )  # fmt: skip
    except Exception as error:
        kept = "fake tensor" in str(error)  # one that forward() left in the module
        fix = _MAKE_BEFORE if kept else _NO_BRANCHES
        raise UsageError(f"torch.export fails: {reason(error)}", fix=fix) from error
    _require_known_shapes(program)
    return program


def _require_known_shapes(program: torch.export.ExportedProgram) -> None:
    for node in program.graph.nodes:
        counts = torch.Tag.dynamic_output_shape in getattr(node.target, "tags", ())
        shape = getattr(node.meta.get("val"), "shape", ())
        if counts and free_unbacked_symbols(shape):
            place = user_line(node.meta.get("stack_trace") or "")
            what = f"the shape of what {node.target} gives depends on the data (at {place})"
            fix = "leave boolean indexing, nonzero and NMS to the code that reads the answer"
            raise UsageError(what, fix=fix)


def plain(exported: fx.GraphModule) -> fx.GraphModule:
    """The same graph without pytree wrapping, guards and fake tensors, so that it can be copied."""
    graph = fx.Graph()
    leaves = graph.graph_copy(exported.graph, {})
    graph.output(_builtin(pytree.tree_unflatten(list(leaves), exported._out_spec)))  # type: ignore[arg-type]
    inline(exported, graph)
    for node in reversed(graph.nodes):
        node.meta = {key: node.meta[key] for key in _META if key in node.meta}
        is_assert = str(getattr(node.target, "_schema", "")).startswith(_ASSERTS)
        dead = node.op == "call_function" and not node.users and not node.is_impure()
        if is_assert or dead:
            graph.erase_node(node)
    return fx.GraphModule(exported, graph)


def _builtin(outputs: Any) -> Any:
    """Named tuples and dictionaries of a user's or torch's own type as built-in ones.

    A `.pt2` file holds no other types.
    """
    if isinstance(outputs, Mapping):
        return {key: _builtin(value) for key, value in outputs.items()}
    if isinstance(outputs, list):
        return [_builtin(value) for value in outputs]
    return tuple(map(_builtin, outputs)) if isinstance(outputs, tuple) else outputs
