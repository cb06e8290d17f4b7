"""An architecture as immutable data: a directed acyclic graph of named nodes, without weights, without torch.

Operations (method section 2): `input`; `conv` = Conv-BatchNorm-ReLU (the paper's footnote 3), kernel 3 or 5,
kernel 1 only as the projection of an additive skip; `max_pool` 2x2; `concat`; `mix` = lambda * f + (1 - lambda) * h;
`linear`, the head. Every value that a morphism can consume is >= 0, which makes ReLU idempotent there.
Reference networks (references.py) alone have `convolution` (plain, stride 1 or 2), `norm` = BatchNorm-ReLU and `add`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from searches.nash.nodes import (
    BLOCK_KERNELS,
    CONVOLUTION_KERNELS,
    N_INPUTS,
    OPERATIONS,
    PROJECTION_KERNEL,
    STRIDES,
    InvalidArchitecture,
    Node,
    UnknownNode,
)

Shape = tuple[int, int, int]

@dataclass(frozen=True)
class Architecture:
    """A valid architecture; its nodes stand in topological order, the input first, the linear head last.

    `input_shape` is (C, H, W). Raises InvalidArchitecture when the nodes do not fit together.
    """

    input_shape: Shape
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        _validate(self)

    @classmethod
    def initial(
        cls,
        input_shape: Shape = (3, 32, 32),
        n_classes: int = 10,
        channels: Sequence[int] = (32, 32, 32),
        *,
        head: str = "auto",
        max_parameters: int = 20_000_000,
    ) -> Architecture:
        """model_0: Conv-MaxPool-Conv-MaxPool-Conv-FC, all kernels 3x3.

        `head`: "flatten", "global_pool", or "auto" = global pooling when a flattened head would take more than
        half of `max_parameters`. Raises InvalidArchitecture when the images are smaller than the pools allow.
        Source: section 4; widths and head are ours (method sections 2 and 6).
        """
        _, height, width = input_shape
        n_pools = len(channels) - 1
        if not channels or min(height, width) >> n_pools < 1:
            raise InvalidArchitecture(
                f"input_shape={tuple(input_shape)}: {n_pools} pools need at least {1 << n_pools} pixels a side"
            )
        features = channels[-1] * (height >> n_pools) * (width >> n_pools)
        flattened = features * n_classes + n_classes
        pool = head == "global_pool" or (head == "auto" and flattened > max_parameters // 2)
        nodes = [Node("input", "input")]
        for i, c in enumerate(channels, start=1):
            nodes.append(Node(f"c{i}", "conv", (nodes[-1].name,), kernel=3, channels=int(c)))
            if i <= n_pools:
                nodes.append(Node(f"p{i}", "max_pool", (nodes[-1].name,)))
        nodes.append(Node("fc", "linear", (nodes[-1].name,), channels=n_classes, pool=pool))
        c, h, w = input_shape
        return cls((int(c), int(h), int(w)), tuple(nodes))

    # ------------------------------------------------------------------ what is in it

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    def node(self, name: str) -> Node:
        """The node of that name. Raises UnknownNode."""
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownNode(
                f"{name!r}: not in this architecture; blocks: {', '.join(self.blocks)}"
            ) from None

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """Names of the conv blocks (kernel 3 or 5) in topological order: what morphisms take as arguments."""
        return tuple(n.name for n in self.nodes if n.op == "conv" and n.kernel in BLOCK_KERNELS)

    @cached_property
    def consumers(self) -> dict[str, tuple[str, ...]]:
        """For each node the names of those that read it, in order; one that reads it twice occurs twice."""
        found: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for source in node.inputs:
                found[source].append(node.name)
        return {name: tuple(readers) for name, readers in found.items()}

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Output shape (C, H, W) of every node; the head's is (n_classes, 1, 1)."""
        return _shapes(self.input_shape, self.nodes)

    @property
    def n_classes(self) -> int:
        return self.nodes[-1].channels

    def n_features(self) -> int:
        """Inputs of the linear head: C after global pooling, else C * H * W."""
        c, h, w = self.shapes[self.nodes[-1].inputs[0]]
        return c if self.nodes[-1].pool else c * h * w

    # ------------------------------------------------------------------ what it costs

    def parameters_of(self, name: str) -> int:
        """Trainable parameters of a node.

        A conv k*k*c_in*c_out + 2*c_out (BatchNorm), a plain convolution k*k*c_in*c_out, a norm 2*c, a mix 1, the
        linear head with its bias.
        """
        node = self.node(name)
        if node.op in ("conv", "convolution"):
            c_in = self.shapes[node.inputs[0]][0]
            return node.kernel**2 * c_in * node.channels + (2 * node.channels if node.op == "conv" else 0)
        if node.op == "norm":
            return 2 * self.shapes[name][0]
        if node.op == "linear":
            return self.n_features() * node.channels + node.channels
        return 1 if node.op == "mix" else 0

    def macs_of(self, name: str) -> int:
        """Multiply-accumulates of a node for one image; convolutions and the linear head count."""
        node = self.node(name)
        if node.op in ("conv", "convolution"):
            _, h, w = self.shapes[name]
            return node.kernel**2 * self.shapes[node.inputs[0]][0] * node.channels * h * w
        return self.n_features() * node.channels if node.op == "linear" else 0

    @cached_property
    def n_parameters(self) -> int:
        return sum(self.parameters_of(node.name) for node in self.nodes)

    @cached_property
    def n_macs(self) -> int:
        return sum(self.macs_of(node.name) for node in self.nodes)

    # ------------------------------------------------------------------ change and record

    def morphed(self, morphisms: Sequence[Any]) -> Architecture:
        """The child after these morphisms, one after another. Raises InvalidMorphism for one that cannot be."""
        child = self
        for morphism in morphisms:
            child = morphism.apply(child).architecture
        return child

    def to_dict(self) -> dict[str, Any]:
        return {"input_shape": list(self.input_shape), "nodes": [node.to_dict() for node in self.nodes]}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Architecture:
        """The reverse of to_dict, validated. Raises InvalidArchitecture."""
        try:
            c, h, w = (int(v) for v in d["input_shape"])
            nodes = tuple(Node.from_dict(n) for n in d["nodes"])
        except (KeyError, TypeError) as error:
            raise InvalidArchitecture(f"not an architecture: {error!r}; give input_shape and nodes") from error
        except InvalidArchitecture:
            raise
        except ValueError as error:
            raise InvalidArchitecture(f"input_shape={d['input_shape']!r}: give (C, H, W)") from error
        return cls((c, h, w), nodes)

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the sha256 of the canonical JSON: equal exactly where the architectures are."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def operand_maps(architecture: Architecture, mix: str) -> tuple[tuple[int, ...], ...]:
    """For each operand of a mix the output channel of each of its channels, identities written out."""
    node = architecture.node(mix)
    widths = [architecture.shapes[name][0] for name in node.inputs]
    return tuple(
        tuple(range(c)) if m is None else m for c, m in zip(widths, node.maps, strict=True)
    )


def _validate(architecture: Architecture) -> None:
    nodes = architecture.nodes
    if len(nodes) < 3 or nodes[0].op != "input" or nodes[-1].op != "linear":
        raise InvalidArchitecture("nodes: the first must be the input, the last the linear head")
    seen: set[str] = set()
    for i, node in enumerate(nodes):
        _validate_node(node, seen)
        if (node.op == "input" and i) or (node.op == "linear" and i != len(nodes) - 1):
            raise InvalidArchitecture(f"{node.name}: only one {node.op}, at its end of the graph")
        seen.add(node.name)
    read = {source for node in nodes for source in node.inputs}
    if unread := seen - read - {nodes[-1].name}:
        raise InvalidArchitecture(f"{', '.join(sorted(unread))}: nothing reads it")
    _shapes(architecture.input_shape, nodes)


def _validate_node(node: Node, seen: set[str]) -> None:
    if node.op not in OPERATIONS:
        raise InvalidArchitecture(f"{node.name}.op={node.op!r}: known are {', '.join(OPERATIONS)}")
    if not node.name.isidentifier() or node.name in seen:
        raise InvalidArchitecture(f"{node.name!r}: names are identifiers and unique")
    wanted = N_INPUTS.get(node.op)
    if (wanted is None and len(node.inputs) < 2) or (wanted is not None and len(node.inputs) != wanted):
        raise InvalidArchitecture(f"{node.name}: a {node.op} with {len(node.inputs)} inputs")
    for source in node.inputs:
        if source not in seen:
            raise UnknownNode(f"{node.name} reads {source!r}, which does not stand before it")
    if node.op == "conv" and node.kernel not in (PROJECTION_KERNEL, *BLOCK_KERNELS):
        raise InvalidArchitecture(f"{node.name}.kernel={node.kernel}: 3 or 5, or 1 for a projection")
    if node.op == "convolution" and (node.kernel not in CONVOLUTION_KERNELS or node.stride not in STRIDES):
        raise InvalidArchitecture(f"{node.name}: kernel {node.kernel}, stride {node.stride}; 1 or 3, 1 or 2")
    if node.op != "convolution" and node.stride != 1:
        raise InvalidArchitecture(f"{node.name}.stride={node.stride}: only a convolution has one")
    if node.op in ("conv", "convolution", "mix", "linear") and node.channels < 1:
        raise InvalidArchitecture(f"{node.name}.channels={node.channels}: at least 1")
    if node.op == "mix" and len(node.maps) != 2:
        raise InvalidArchitecture(f"{node.name}.maps: one for each operand, None for the identity")


def _shapes(input_shape: Shape, nodes: Sequence[Node]) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for node in nodes:
        sources = [shapes[name] for name in node.inputs]
        if len({s[1:] for s in sources}) > 1:
            raise InvalidArchitecture(f"{node.name}: its inputs differ in height or width: {sources}")
        shapes[node.name] = _shape_of(node, sources, input_shape)
        if min(shapes[node.name]) < 1:
            raise InvalidArchitecture(
                f"{node.name}: shape {shapes[node.name]}; the image {input_shape} is too small for the pools"
            )
    return shapes


def _shape_of(node: Node, sources: Sequence[Shape], input_shape: Shape) -> Shape:
    if node.op == "input":
        return input_shape
    c, h, w = sources[0]
    if node.op in ("conv", "convolution"):
        return node.channels, -(-h // node.stride), -(-w // node.stride)
    if node.op == "max_pool":
        return c, h // 2, w // 2
    if node.op == "norm":
        return c, h, w
    if node.op == "add":
        if sources[0] != sources[1]:
            raise InvalidArchitecture(f"{node.name}: a sum of {sources[0]} and {sources[1]}; give equal shapes")
        return c, h, w
    if node.op == "concat":
        return sum(s[0] for s in sources), h, w
    if node.op == "linear":
        return node.channels, 1, 1
    for source, channel_map in zip(sources, node.maps, strict=True):
        if channel_map is None:  # not counted out: a file must not choose our memory
            if source[0] != node.channels:
                raise InvalidArchitecture(f"{node.name}: {source[0]} channels need a map onto {node.channels}")
        elif (
            len(channel_map) != source[0]
            or len(set(channel_map)) != source[0]
            or min(channel_map) < 0
            or max(channel_map) >= node.channels
        ):
            raise InvalidArchitecture(f"{node.name}.maps: {source[0]} channels onto {node.channels} do not fit")
    return node.channels, h, w
