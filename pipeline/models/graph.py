"""The working form of a model: its `torch.export` graph with a dynamic batch."""

from __future__ import annotations

import copy
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
from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols
from torch.utils import _pytree as pytree

from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import EXAMPLE, Ports
from pipeline.models import batch, signature, valid
from pipeline.models.inline import inline

_ASSERTS = ("aten::_assert_tensor_metadata", "aten::_assert_scalar")
BATCH_FIRST = "the batch is the first axis of every input, also of a state: h.transpose(0, 1)"
_META = ("stack_trace", "always_on")
_NO_BRANCHES = "write forward() without data-dependent Python control flow"
_MAKE_BEFORE = "assign no tensors to the module in forward(): make them before, in eval()"


def capture(module: torch.nn.Module, inputs: Ports | Sequence[Any]) -> fx.GraphModule:
    """Export a model in eval mode and float32 as a plain, copyable graph; the module stays as is.

    `inputs` are those of one sample, without the batch; a plain shape is one float input. The graph
    takes a tensor (n, *shape) for each, for any n, and its `meta["ports"]` says which.
    The graph owns every tensor it reads (parameters, buffers, constants), so its `state_dict` is
    complete. What a model does only while training (stochastic depth) is not in an eval graph;
    batch norm and dropout are, and `set_training` switches them.

    Raises:
        UsageError: the model takes other inputs, rejects a shape, fixes its batch, or cannot be
            exported.
    """
    module = copied(module).eval().float()
    _check_batch_norms(module)
    ports = signature.known(module, Ports.of(inputs))
    _try_once(module, ports)
    graph_module = _dynamic(module, ports)
    graph_module.meta["ports"] = valid.bounded(graph_module, ports)
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


def _try_once(module: torch.nn.Module, ports: Ports) -> None:
    args, kwargs = signature.call(module, zeros(ports, 2))
    try:
        with torch.no_grad(), redirect_stdout(sys.stderr):  # a model that prints
            module(*args, **kwargs)
    except Exception as error:
        shapes = ", ".join(",".join(map(str, port.shape)) for port in ports)
        alone = len(ports) == 1 and ports[0].is_float
        given = f"an input of shape {shapes}" if alone else str(ports)
        what = f"the model rejects {given}: {reason(error)}"
        integers = any(word in str(error) for word in ("IntTensor", "Long", "Int;", "integer"))
        fix = "give the shape that the model takes"
        if integers:
            fix = f"say what is an integer: --input {EXAMPLE}"
        elif not alone:
            fix = f"{fix}; {BATCH_FIRST}"
        raise UsageError(what, fix=fix) from error


def zeros(ports: Ports, samples: int) -> Batch:
    """An example to trace with."""
    kinds = {port.name: getattr(torch, port.dtype) for port in ports}
    return Batch({p.name: torch.zeros(samples, *p.shape, dtype=kinds[p.name]) for p in ports})


def _dynamic(module: torch.nn.Module, ports: Ports) -> fx.GraphModule:
    program = _export(module, zeros(ports, 2), dynamic=True)
    inputs = [n for n in program.graph.nodes if n.name in program.graph_signature.user_inputs]
    if not any(str(node.meta["val"].shape[0]).isdigit() for node in inputs):
        return _plain(program.module(check_guards=False))
    fixed = [_export(module, zeros(ports, n)) for n in batch.SIZES]
    graphs = [_plain(program.module(check_guards=False)) for program in fixed]
    graph_module = batch.generalise(*graphs)
    if graph_module is None or not _same(module, graph_module, _third(ports)):
        fix = "use x.shape[0] or -1 where forward() names the batch size"
        if len(ports) > 1:
            fix += f"; {BATCH_FIRST}"
        raise UsageError("the model works for one batch size only", fix=fix)
    return graph_module


def _third(ports: Ports) -> Batch:
    """A batch that is none of those that were exported."""
    generator = torch.Generator().manual_seed(0)
    return ports.draw(5, lambda shape: torch.randn(shape, generator=generator)).tensors()


def _same(module: torch.nn.Module, graph_module: fx.GraphModule, x: Batch) -> bool:
    """Whether both give the same for a batch, and something that is as long as it."""
    args, kwargs = signature.call(module, x)
    try:
        with torch.no_grad(), redirect_stdout(sys.stderr):
            given = pytree.tree_leaves(graph_module(*x.arrays))
            expected = pytree.tree_leaves(module(*args, **kwargs))
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-4)
    except (AssertionError, RuntimeError):
        return False
    return any(isinstance(y, torch.Tensor) and y.shape[:1] == (len(x),) for y in given)


def _export(
    module: torch.nn.Module, example: Batch, *, dynamic: bool = False
) -> torch.export.ExportedProgram:
    args, kwargs = signature.call(module, example)
    try:
        # Torch prints whole graphs of what it cannot export; without gradients, attention would
        # be one opaque operator.
        with quiet(), torch.enable_grad(), redirect_stdout(io.StringIO()):
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
