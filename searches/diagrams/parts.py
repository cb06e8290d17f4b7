"""An architecture taken apart for drawing: the rows of its trunk, and the skips beside it.

The trunk follows first inputs, from the head back to the image: `f` of every mix and the target of every concat,
so that each join is a row of its own and everything else (pools and projections of a skip) lies on a lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from searches.diagrams.words import counted, short, side_words
from searches.nash.architecture import Architecture
from searches.nash.nodes import Node

JOINS = {"concat": "concat", "mix": "add", "add": "add"}
BLOCKS = ("conv", "convolution")
"""What is drawn as a box as wide as its channels: a block of the search space, a plain convolution of a reference."""


@dataclass(frozen=True)
class Row:
    """One node of the trunk. `side` is (H, W) of its output, `old_channels` those it had in the parent."""

    name: str
    op: str
    kernel: int
    channels: int
    old_channels: int | None
    side: tuple[int, int]
    parameters: int
    is_new: bool
    label: str
    title: str
    stride: int = 1

    @property
    def is_block(self) -> bool:
        return self.op in BLOCKS

    @property
    def is_widened(self) -> bool:
        return self.old_channels is not None and self.old_channels != self.channels

    @property
    def in_band(self) -> bool:
        """Whether it lies on the band of its resolution; image, pools and head stand between bands."""
        return self.op in ("conv", "concat", "mix", "convolution", "norm", "add")


@dataclass(frozen=True)
class Skip:
    """From trunk row `source` into trunk row `join`, through `pools` max-pools and maybe a 1x1 projection.

    `block`: the block whose output it began with, which later joins may have followed; of a plain sum its source.
    """

    join: str
    kind: str
    source: str
    block: str
    pools: int
    projection: str | None
    parameters: int
    is_new: bool

    @property
    def side(self) -> int:
        """Concatenations keep to the right (1), additions to the left (-1)."""
        return 1 if self.kind == "concat" else -1

    @property
    def title(self) -> str:
        way = [counted(self.pools, "max-pool")] if self.pools else []
        way += [f"1×1 projection {self.projection}"] if self.projection else []
        through = f", through {' and '.join(way)}" if way else ""
        return f"{self.join}: {self.kind} from {self.block}{through}"


@dataclass(frozen=True)
class Parts:
    """Rows top to bottom and skips in the order of their joins."""

    rows: tuple[Row, ...]
    skips: tuple[Skip, ...]


def parts_of(architecture: Architecture, against: Architecture | None = None) -> Parts:
    """Takes an architecture apart; what `against`, its parent, does not have is marked new or widened."""
    trunk = [architecture.nodes[-1]]
    while trunk[-1].inputs:
        trunk.append(architecture.node(trunk[-1].inputs[0]))
    trunk.reverse()
    names = {node.name for node in trunk}
    before = {node.name: node for node in against.nodes} if against else None
    skips = [_skip(architecture, node, source, names, before) for node in trunk for source in node.inputs[1:]]
    return Parts(tuple(_row(architecture, node, before) for node in trunk), tuple(skips))


def is_new(name: str, before: Mapping[str, Node] | None) -> bool:
    return before is not None and name not in before


def _row(architecture: Architecture, node: Node, before: Mapping[str, Node] | None) -> Row:
    channels, height, width = architecture.shapes[node.name]
    old = before.get(node.name) if before else None
    return Row(
        name=node.name,
        op=node.op,
        kernel=node.kernel,
        channels=channels,
        old_channels=old.channels if old and node.op == "conv" else None,
        side=(height, width),
        parameters=architecture.parameters_of(node.name),
        is_new=is_new(node.name, before),
        label=_label(architecture, node),
        title=_title(architecture, node),
        stride=node.stride,
    )


def _label(architecture: Architecture, node: Node) -> str:
    channels, _, _ = architecture.shapes[node.name]
    if node.op == "conv":
        return f"{node.kernel}×{node.kernel} · {channels}"
    if node.op == "convolution":
        return f"{node.kernel}×{node.kernel} · {channels}{_stride(node, ' · ')}"
    if node.op == "linear":
        return f"linear {architecture.n_features():,} → {node.channels:,}"
    if node.op == "input":
        return {1: "grey image", 3: "RGB image"}.get(channels, f"image, {channels} channels")
    return {"max_pool": "max-pool"}.get(node.op, "")


def _stride(node: Node, before: str) -> str:
    return f"{before}stride {node.stride}" if node.stride > 1 else ""


def _title(architecture: Architecture, node: Node) -> str:
    channels, height, width = architecture.shapes[node.name]
    what = {
        "input": "the image",
        "conv": f"{node.kernel}×{node.kernel} Conv-BatchNorm-ReLU",
        "max_pool": "max-pool 2×2",
        "concat": "concatenation",
        "mix": "addition λ·f + (1 − λ)·h",
        "convolution": f"{node.kernel}×{node.kernel} convolution{_stride(node, ', ')}",
        "norm": "BatchNorm-ReLU",
        "add": "sum",
        "linear": "linear head behind global average pooling" if node.pool else "linear head",
    }[node.op]
    if node.op == "linear":
        shape = f"{architecture.n_features():,} → {node.channels:,}"
    else:
        shape = f"{channels} channels at {side_words(height, width)}"
    costs = ""
    if parameters := architecture.parameters_of(node.name):
        costs = f", {counted(parameters, 'parameter')}"
    if macs := architecture.macs_of(node.name):
        costs += f", {short(macs)} MACs"
    return f"{node.name}: {what}, {shape}{costs}"


def _skip(
    architecture: Architecture,
    join: Node,
    last: str,
    trunk: set[str],
    before: Mapping[str, Node] | None,
) -> Skip:
    way: list[Node] = []
    node = architecture.node(last)
    while node.name not in trunk:
        way.append(node)
        node = architecture.node(node.inputs[0])
    block = node
    while join.op != "add" and block.op in JOINS:
        block = architecture.node(block.inputs[0])
    projections = [n.name for n in way if n.op in BLOCKS]
    return Skip(
        join=join.name,
        kind=JOINS.get(join.op, "add"),
        source=node.name,
        block=block.name,
        pools=sum(n.op == "max_pool" for n in way),
        projection=projections[0] if projections else None,
        parameters=sum(architecture.parameters_of(n.name) for n in way),
        is_new=is_new(join.name, before),
    )


def in_words(architecture: Architecture) -> str:
    """What a reader hears of a drawing: blocks, pools, joins, parameters."""
    parts = parts_of(architecture)
    counts = [
        (len(architecture.blocks), "convolution block"),
        (sum(node.op == "convolution" for node in architecture.nodes), "convolution"),
        (sum(r.op == "max_pool" for r in parts.rows), "max-pool"),
        (sum(s.kind == "concat" for s in parts.skips), "concatenation"),
        (sum(s.kind == "add" for s in parts.skips), "addition"),
    ]
    said = [counted(n, noun) for n, noun in counts if n]
    return f"{', '.join(said)}; {architecture.n_parameters:,} parameters"
