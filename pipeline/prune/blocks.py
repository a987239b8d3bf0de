"""Residual blocks: branches `x + f(x)` that can be taken out whole, leaving `x`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import fx

from pipeline.errors import UsageError
from pipeline.models.graph import named_tensors
from pipeline.prune.evidence import first_names
from pipeline.prune.plan import check_fits
from pipeline.prune.planfile import Plan
from pipeline.prune.rules import name_of
from pipeline.prune.shapes import shapes
from pipeline.prune.zeros import MAKES, PASSES

_ALIASES = {"view", "reshape", "permute", "transpose", "slice", "select", "expand", "getitem"}
_SCALES = {"mul", "div"}


@dataclass(frozen=True)
class Block:
    """The sum `add` of a `skip` and what a branch computes from it.

    With the tensors named in `zero` at zero the branch gives zero: what taking it out means.
    """

    add: fx.Node
    skip: fx.Node
    branch: fx.Node
    zero: tuple[str, ...]

    @property
    def name(self) -> str:
        """The last layer of the branch."""
        return self.zero[0].removesuffix(".weight")


def find(graph_module: fx.GraphModule) -> list[Block]:
    """All blocks, in graph order; a shortcut that computes something is none."""
    names, held = first_names(graph_module), shapes(graph_module, 2)
    sources: dict[fx.Node, set[fx.Node]] = {}
    found = []
    for node in graph_module.graph.nodes:
        inputs = node.all_input_nodes
        sources[node] = {*inputs}.union(*(sources[arg] for arg in inputs))
        if node.op == "call_function" and name_of(node) == "add" and len(inputs) == 2:
            found += _blocks(node, sources, names, held)
    return found


def _blocks(
    node: fx.Node,
    sources: Mapping[fx.Node, set[fx.Node]],
    names: Mapping[fx.Node, str],
    held: Mapping[str, Any],
) -> list[Block]:
    for skip, branch in (node.all_input_nodes, node.all_input_nodes[::-1]):
        same = held[skip.name] == held[branch.name] == held[node.name]
        if same and skip in sources[branch] and (zero := _silencers(branch, names, held)):
            return [Block(node, skip, branch, zero)]
    return []


def _silencers(
    node: fx.Node, names: Mapping[fx.Node, str], held: Mapping[str, Any]
) -> tuple[str, ...]:
    """The tensors of the layer that alone decides whether this node is zero; none if unknown."""
    while node.op == "call_function":
        name = name_of(node)
        if name in MAKES or name == "batch_norm":
            learned = [arg for arg in node.args[1:3] if isinstance(arg, fx.Node)]
            own = all(arg in names and len(_readers(arg, names)) == 1 for arg in learned)
            return tuple(names[arg] for arg in learned) if own and learned else ()
        tensors = [arg for arg in node.all_input_nodes if not isinstance(held[arg.name], int)]
        plain = name in PASSES and len(tensors) == 1
        if not plain and name not in _SCALES:
            return ()
        computed = [arg for arg in tensors if arg.op == "call_function"]
        if len(computed) != 1 or (name == "div" and computed[0] is not node.args[0]):
            return ()
        node = computed[0]
    return ()


def _readers(arg: fx.Node, names: Mapping[fx.Node, str]) -> list[fx.Node]:
    """All operators that read the tensor, under any of its names."""
    same = [other for other in names if names[other] == names[arg]]
    return [user for other in same for user in other.users]


def take_out(graph_module: fx.GraphModule, blocks: Sequence[Block]) -> None:
    """Let each sum be its skip, in place, and erase what nothing reads any more."""
    before = set(named_tensors(graph_module))
    order = list(graph_module.graph.nodes)
    # Last first: a block's skip may be the sum of the one before it.
    for block in sorted(blocks, key=lambda block: -order.index(block.add)):
        block.add.replace_all_uses_with(block.skip)
    for node in reversed(list(graph_module.graph.nodes)):
        if node.op in ("call_function", "get_attr") and not node.users and _erasable(node):
            graph_module.graph.erase_node(node)
    read = {str(node.target) for node in graph_module.graph.nodes if node.op == "get_attr"}
    tensors = named_tensors(graph_module)
    alive = {id(tensors[name]) for name in read if name in tensors}
    for name in before:
        if id(tensors[name]) not in alive:
            path, _, leaf = name.rpartition(".")
            delattr(graph_module.get_submodule(path), leaf)
    graph_module.graph.lint()
    graph_module.recompile()


def _erasable(node: fx.Node) -> bool:
    """Whether it has no effect: one that writes in place has none if nothing else reads there."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return True
    written = node.args[0]
    assert isinstance(written, fx.Node)
    alone = set(written.users) == {node} and written.op == "call_function"
    return alone and name_of(written) not in _ALIASES


def without(graph_module: fx.GraphModule, blocks: Sequence[Block]) -> fx.GraphModule:
    """A copy in which these blocks (of the graph given) are taken out."""
    smaller = copy.deepcopy(graph_module)
    places = {node.name: node for node in smaller.graph.nodes}
    own = [
        Block(places[b.add.name], places[b.skip.name], places[b.branch.name], b.zero)
        for b in blocks
    ]
    take_out(smaller, own)
    return smaller


def apply_blocks(graph_module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Replay a plan of blocks.

    Raises:
        UsageError: it is for another model, or names what is no block of it.
    """
    check_fits(plan, graph_module)
    nodes = list(graph_module.graph.nodes)
    known = {nodes.index(block.add): block for block in find(graph_module)}
    for row in plan["blocks"]:
        if row.get("sum") not in known:
            fix = "edit only by deleting rows of `blocks`"
            raise UsageError(f"'{row.get('name')}' is no residual block", where="plan", fix=fix)
    return without(graph_module, [known[row["sum"]] for row in plan["blocks"]])
