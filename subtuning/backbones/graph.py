"""Cutting a network into segments, one a layer, so that a run can start at any layer from shared activations.

The traced graph (`torch.fx`) is split where a layer begins; values that a later segment needs are passed on by name, so
skip connections across segments (DenseNet's lists, a shared position bias) are no special case.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from operator import attrgetter

from torch import fx, nn

from subtuning.backbones.groups import block_of_parameters
from subtuning.backbones.tracing import trace
from subtuning.backbones.tree import stage_of
from subtuning.errors import UserError

STEM, TAIL = "stem", "tail"


@dataclass(frozen=True)
class Segment:
    """One layer's part of the network.

    Attributes:
        name: the layer's name, `stem` or `tail`.
        module: maps the values named in `inputs` to a tuple of those named in `outputs`. Its parameters and buffers
            keep the names they have in the whole model, and are the whole model's own until copied.
        parameters: names of the model's parameters that belong to this layer.
    """

    name: str
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]


def run_segments(segments: Iterable[Segment], values: dict) -> dict:
    """Run segments in order on named values and return all values that exist then (the input's included)."""
    values = dict(values)
    for segment in segments:
        values.update(zip(segment.outputs, segment.module(*(values[name] for name in segment.inputs)), strict=True))
    return values


def split_model(model: nn.Module, granularity: str = "layer") -> list[Segment]:
    """Split a timm model without classifier into stem, layers in the order in which they run, and tail.

    The last segment's single output is the feature matrix, N x D. Every parameter belongs to exactly one segment.

    Raises:
        UserError: the model cannot be traced, or its layers do not form a chain.
    """
    blocks, graph = block_of_parameters(model, granularity), trace(model)
    blocks |= _joined(graph, _Owners(model, blocks), blocks)
    owner = _Owners(model, blocks)
    order = _unique(block for block in map(owner.block, graph.nodes) if block is not None)
    ranks = {STEM: 0, **{name: rank for rank, name in enumerate(order, start=1)}, TAIL: len(order) + 1}
    rank_of, owner_of = _assign(graph, owner, ranks)
    names = list(ranks)
    for name, _ in model.named_parameters():  # parameters that forward never uses stay with their block, else the tail
        owner_of.setdefault(name, blocks.get(name, TAIL))
    segments = []
    for rank, name in enumerate(names):
        nodes = [node for node in graph.nodes if rank_of.get(node) == rank]
        belonging = tuple(p for p, _ in model.named_parameters() if owner_of[p] == name)
        if nodes:
            segments.append(_segment(model, nodes, rank_of, rank, name, belonging))
        elif belonging and name == TAIL:  # parameters that are never used, behind a network without tail
            segments[-1] = replace(segments[-1], parameters=segments[-1].parameters + belonging)
        elif belonging:
            raise UserError(f"layer {name!r} of {type(model).__name__} takes no part in the model's forward pass")
    return segments


def _joined(graph: fx.Graph, owner: "_Owners", blocks: dict[str, str]) -> dict[str, str]:
    """Blocks that use one parameter (CoaT's position encodings), and all between them, as one: the first's list.

    They cannot be trained apart: each would have a copy of the parameter, and these drift apart.
    """
    uses = defaultdict(list)
    for index, node in enumerate(graph.nodes):
        for name in owner.parameters(node):
            uses[name].append(index)
    at = [owner.block(node) for node in graph.nodes]
    title: dict[str, str] = {}
    shared = {}
    for name, indices in sorted(uses.items(), key=lambda item: item[1][0]):
        inside = _unique(block for block in at[indices[0] : indices[-1] + 1] if block)
        if len(indices) > 1 and inside and {blocks.get(name)} != set(inside):
            merged = {title.get(block, block) for block in inside}
            first = title.get(inside[0], stage_of(inside[0]))
            title |= {block: first for block in _unique(blocks.values()) if title.get(block, block) in merged}
            shared[name] = first
    owners = blocks | shared
    return {name: title.get(block, block) for name, block in owners.items()}


class _Owners:
    """Which block a graph node works for, by the parameters that it holds."""

    def __init__(self, model: nn.Module, blocks: dict[str, str]):
        self.model, self.blocks = model, blocks

    def parameters(self, node: fx.Node) -> list[str]:
        if node.op == "get_attr":
            return [node.target] if isinstance(attrgetter(node.target)(self.model), nn.Parameter) else []
        if node.op == "call_module":
            inside = self.model.get_submodule(node.target).named_parameters()
            return [f"{node.target}.{name}" for name, _ in inside]
        return []

    def block(self, node: fx.Node) -> str | None:
        found = {self.blocks.get(name) for name in self.parameters(node)} - {None}
        if len(found) > 1:
            raise UserError(
                f"{node.target} of {type(self.model).__name__} holds parameters of several layers: {sorted(found)}"
            )
        return found.pop() if found else None


def _assign(graph: fx.Graph, owner: _Owners, ranks: dict[str, int]) -> tuple[dict[fx.Node, int], dict[str, str]]:
    """Give each node the rank of its segment, and each used parameter the name of its layer.

    A node of a block goes to that block; a node with parameters in no block goes to the stem before the first block, to
    the tail after the last one, and to the block in progress in between; a node without parameters goes where its last
    input is.
    """
    names = list(ranks)
    last_block = max((i for i, n in enumerate(graph.nodes) if owner.block(n) is not None), default=-1)
    rank_of: dict[fx.Node, int] = {}
    owner_of: dict[str, str] = {}
    reached = 0
    for index, node in enumerate(graph.nodes):
        if node.op == "output":
            continue
        from_inputs = max((rank_of[i] for i in node.all_input_nodes), default=0)
        block, held = owner.block(node), owner.parameters(node)
        if block is not None:
            rank = ranks[block]
            reached = max(reached, rank)
        elif held:
            rank = ranks[TAIL] if index > last_block else reached
        else:
            rank = from_inputs
        if from_inputs > rank:
            raise UserError(
                f"the layers of {type(owner.model).__name__} do not form a chain ({node.target} of {names[rank]!r} "
                f"needs {names[from_inputs]!r}); try granularity: stage"
            )
        rank_of[node] = rank
        owner_of.update(dict.fromkeys(held, names[rank]))
    return rank_of, owner_of


def _segment(model, nodes, rank_of, rank, name, parameters) -> Segment:
    inside = set(nodes)
    inputs = _unique(i for node in nodes for i in node.all_input_nodes if i not in inside)
    # what a later segment needs, or the graph's output, which alone has no rank
    outputs = [node for node in nodes if any(rank_of.get(user, inf) > rank for user in node.users)]
    piece, copied = fx.Graph(), {}
    if rank == 0:
        inputs = [node for node in nodes if node.op == "placeholder"]
        nodes = [node for node in nodes if node.op != "placeholder"]
        outputs = [node for node in outputs if node.op != "placeholder"]
    for node in inputs:
        copied[node] = piece.placeholder(node.name)
    for node in nodes:
        copied[node] = piece.node_copy(node, lambda old: copied[old])
    piece.output(tuple(copied[node] for node in outputs))
    module = fx.GraphModule(model, piece)
    return Segment(name, module, tuple(n.name for n in inputs), tuple(n.name for n in outputs), parameters)


def _unique(items: Iterable) -> list:
    return list(dict.fromkeys(items))
