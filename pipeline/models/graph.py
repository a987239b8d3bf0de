"""The working form of a model: its `torch.export` graph with a dynamic batch."""

from __future__ import annotations

import copy
import inspect
import io
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from pipeline.errors import UsageError
from pipeline.models import batch
from pipeline.models.inline import inline

_ASSERTS = ("aten::_assert_tensor_metadata", "aten::_assert_scalar")
_META = ("stack_trace", "always_on")
_NO_BRANCHES = "write forward() without data-dependent Python control flow"
_MAKE_BEFORE = "assign no tensors to the module in forward(): make them before, in eval()"


def capture(module: torch.nn.Module, input_shape: Sequence[int]) -> fx.GraphModule:
    """Export a model in eval mode and float32 as a plain, copyable graph; the module stays as is.

    `input_shape` is one sample's, without the batch: the graph takes `(n, *input_shape)` for any n.
    The graph owns every tensor it reads (parameters, buffers, constants), so its `state_dict` is
    complete. What a model does only while training (stochastic depth) is not in an eval graph;
    batch norm and dropout are, and `set_training` switches them.

    Raises:
        UsageError: the model takes several inputs, rejects the shape, fixes its batch, or cannot be
            exported.
    """
    module = copied(module).eval().float()
    _check_batch_norms(module)
    _require_one_input(module)
    example = torch.zeros(2, *input_shape)
    _try_once(module, example)
    graph_module = _dynamic(module, input_shape)
    graph_module.meta["input_shape"] = tuple(input_shape)
    for node in graph_module.graph.nodes:
        flag = _mode_argument(node)
        if flag is not None:
            node.meta["always_on"] = bool(node.args[flag])
    return graph_module


def copied(module: torch.nn.Module) -> torch.nn.Module:
    """A deep copy, also of modules that hold tensors they computed (`torch.nn.utils.weight_norm`).

    Autograd's history of such a tensor stays behind.
    """
    held = [t for child in module.modules() for t in vars(child).values()]
    computed = [t for t in held if isinstance(t, torch.Tensor) and not t.is_leaf]
    memo = {id(t): t.detach().clone() for t in computed}
    twin: torch.nn.Module = copy.deepcopy(module, memo)
    return twin


def set_training(graph_module: fx.GraphModule, training: bool) -> None:
    """Switch batch norm, dropout and their like in the graph, as `nn.Module.train` would.

    (`graph_module.train()` only sets attributes, which no graph reads.) An operator that was
    active in eval mode, such as batch norm without running statistics, stays active.
    """
    graph = graph_module.graph
    for node in list(graph.nodes):
        if node.meta.get("counts_batches"):
            graph.erase_node(node)
            continue
        flag = _mode_argument(node)
        if flag is None or node.meta.get("always_on"):
            continue
        node.update_arg(flag, training)
        if training and node.target is torch.ops.aten.batch_norm.default:
            _count_batches(node)
    graph_module.recompile()


def named_tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and buffer (not copies) by name; tied ones under each of their names."""
    parameters = module.named_parameters(remove_duplicate=False)
    return {**dict(parameters), **dict(module.named_buffers(remove_duplicate=False))}


def _mode_argument(node: fx.Node) -> int | None:
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return None
    names = [argument.name for argument in node.target._schema.arguments]
    if "running_mean" in names and node.args[names.index("running_mean")] is None:
        return None  # it has no statistics but the batch's own
    found = [names.index(n) for n in ("train", "training", "use_input_stats") if n in names]
    return found[0] if found and found[0] < len(node.args) else None


def _count_batches(node: fx.Node) -> None:
    """Add one to `num_batches_tracked`, as `_BatchNorm.forward` does while training."""
    mean = node.args[3]
    assert isinstance(mean, fx.Node)
    name = str(mean.target).removesuffix("running_mean") + "num_batches_tracked"
    for counter in node.graph.nodes:
        if counter.op == "get_attr" and counter.target == name:
            with node.graph.inserting_before(node):
                added = node.graph.call_function(torch.ops.aten.add_.Tensor, (counter, 1))
            added.meta["counts_batches"] = True
            return


def _check_batch_norms(module: torch.nn.Module) -> None:
    for name, child in module.named_modules():
        norm = isinstance(child, torch.nn.modules.batchnorm._BatchNorm)
        if norm and child.momentum is None and child.track_running_stats:
            what = "batch norm with momentum=None (a cumulative average) cannot be exported"
            raise UsageError(what, where=name, fix="give it a momentum, for example 0.1")


def _require_one_input(module: torch.nn.Module) -> None:
    required = [
        one.name
        for one in inspect.signature(module.forward).parameters.values()
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    if len(required) > 1:
        what = f"forward() takes {len(required)} inputs ({', '.join(required)}); one is supported"
        fix = "wrap it in a module that takes one tensor and splits it, or fixes the others"
        raise UsageError(what, where=type(module).__name__, fix=fix)


def _try_once(module: torch.nn.Module, example: torch.Tensor) -> None:
    try:
        with torch.no_grad(), redirect_stdout(sys.stderr):  # a model that prints
            module(example)
    except Exception as error:
        shape = ",".join(map(str, example.shape[1:]))
        what = f"the model rejects an input of shape {shape}: {reason(error)}"
        raise UsageError(what, fix="give the shape that the model takes") from error


def _dynamic(module: torch.nn.Module, input_shape: Sequence[int]) -> fx.GraphModule:
    program = _export(module, torch.zeros(2, *input_shape), ({0: torch.export.Dim.AUTO},))
    inputs = [n for n in program.graph.nodes if n.name in program.graph_signature.user_inputs]
    if not any(str(node.meta["val"].shape[0]).isdigit() for node in inputs):
        return _plain(program.module(check_guards=False))
    fixed = [_export(module, torch.zeros(n, *input_shape)) for n in batch.SIZES]
    graphs = [_plain(program.module(check_guards=False)) for program in fixed]
    graph_module = batch.generalise(*graphs)
    if graph_module is None or not _same(module, graph_module, _third(input_shape)):
        fix = "use x.shape[0] or -1 where forward() names the batch size"
        raise UsageError("the model works for one batch size only", fix=fix)
    return graph_module


def _third(input_shape: Sequence[int]) -> torch.Tensor:
    """A batch that is none of those that were exported."""
    return torch.randn(5, *input_shape, generator=torch.Generator().manual_seed(0))


def _same(module: torch.nn.Module, graph_module: fx.GraphModule, x: torch.Tensor) -> bool:
    """Whether both give the same for a batch, and something that is as long as it."""
    try:
        with torch.no_grad(), redirect_stdout(sys.stderr):
            given, expected = (pytree.tree_leaves(f(x)) for f in (graph_module, module))
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-4)
    except (AssertionError, RuntimeError):
        return False
    return any(isinstance(y, torch.Tensor) and y.shape[:1] == x.shape[:1] for y in given)


def _export(
    module: torch.nn.Module, example: torch.Tensor, dynamic: Any = None
) -> torch.export.ExportedProgram:
    try:
        # Torch prints whole graphs of what it cannot export; without gradients, attention would
        # be one opaque operator.
        with quiet(), torch.enable_grad(), redirect_stdout(io.StringIO()):
            return torch.export.export(module, (example,), dynamic_shapes=dynamic, strict=False)
    except Exception as error:
        kept = "fake tensor" in str(error)  # one that forward() left in the module
        fix = _MAKE_BEFORE if kept else _NO_BRANCHES
        raise UsageError(f"torch.export fails: {reason(error)}", fix=fix) from error


def _plain(exported: fx.GraphModule) -> fx.GraphModule:
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


def reason(error: Exception) -> str:
    """Torch's own reason in one line, with the user's source line where torch names it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    place = user_line(str(error))
    return f"{text} (at {place})" if place else text


def user_line(trace: str) -> str:
    """`file:line` of the last frame of a printed stack that is not torch's own; or nothing."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', trace)
    own = (str(Path(torch.__file__).parent), "torch/")
    lines = [f"{file}:{line}" for file, line in frames if not file.startswith(own)]
    return lines[-1] if lines else ""


@contextmanager
def quiet() -> Iterator[None]:
    """Torch logs the whole graph when an export fails; its reason is in the exception."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
