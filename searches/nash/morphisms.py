"""Network morphisms as data: Deepen, Widen, SkipConcat, SkipAdd (section 3 of the paper, types I to IV).

A morphism is applied here to an architecture, without weights; inheritance.py applies it to tensors. What both
share is a `Change`: the child, the nodes born with it, and for every older layer whose input channels moved the
old channel that each new one was. All topology is decided here, once.

A new morphism = one class here, one weight rule in inheritance.WEIGHT_RULES, one line in MORPHISMS.
"""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, ClassVar, Self

from searches.nash.architecture import Architecture, Node, UnknownNode, operand_maps
from searches.nash.config import Bounds

Origin = tuple[int | None, ...]
DEFAULT_BOUNDS = Bounds()


class InvalidMorphism(ValueError):
    """A morphism that this architecture does not allow; the message names the argument and what is allowed."""


@dataclass(frozen=True)
class Change:
    """What a morphism did to an architecture.

    `added`: the nodes born, in topological order. `origins`: for each older conv and linear node whose input
    channels changed, per new input channel the old one, or None for a channel that gets zero slices.
    `widened`: (block, channels it had) of a Widen, else None.
    """

    architecture: Architecture
    added: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    widened: tuple[str, int] | None = None


@dataclass(frozen=True)
class Morphism(ABC):
    """A change of an architecture that keeps the function (Eq. 1), as data: its kind and its arguments."""

    kind: ClassVar[str]

    @abstractmethod
    def words(self) -> str:
        """As a person reads it: "widen c3, ×2"."""

    @abstractmethod
    def apply(self, architecture: Architecture) -> Change:
        """What it makes of an architecture. Raises UnknownNode or InvalidMorphism, naming argument and value."""

    @classmethod
    @abstractmethod
    def arguments(cls, architecture: Architecture, bounds: Bounds) -> Sequence[Self]:
        """Every morphism of this kind that the architecture allows, whatever its child's size."""

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}


def _block(architecture: Architecture, argument: str, name: str) -> Node:
    """The conv block `name`. Raises UnknownNode with the argument's name and the blocks there are."""
    if name not in architecture.blocks:
        raise UnknownNode(
            f"{argument}={name!r}: not a block of this architecture; blocks: {', '.join(architecture.blocks)}"
        )
    return architecture.node(name)


@dataclass(frozen=True)
class Deepen(Morphism):
    """A new conv block behind a block's ReLU, before all its consumers; same channels. Types I and III."""

    kind: ClassVar[str] = "deepen"
    after: str
    kernel: int

    def words(self) -> str:
        return f"deepen {self.after}, {self.kernel}×{self.kernel}"

    def apply(self, architecture: Architecture) -> Change:
        block = _block(architecture, "Deepen.after", self.after)
        if self.kernel not in (3, 5):
            raise InvalidMorphism(f"Deepen.kernel={self.kernel}: 3 or 5")
        name = _next_name(architecture, "c")
        born = Node(name, "conv", (self.after,), kernel=self.kernel, channels=block.channels)
        nodes = _inserted(architecture, self.after, [born], reads=name)
        return Change(Architecture(architecture.input_shape, tuple(nodes)), added=(name,))

    @classmethod
    def arguments(cls, architecture: Architecture, bounds: Bounds) -> Sequence[Self]:
        return [cls(block, kernel) for block in architecture.blocks for kernel in bounds.kernels]


@dataclass(frozen=True)
class Widen(Morphism):
    """A block with `factor` times its channels; its consumers get zero slices for the new ones. Type II."""

    kind: ClassVar[str] = "widen"
    block: str
    factor: int

    def words(self) -> str:
        return f"widen {self.block}, ×{self.factor}"

    def apply(self, architecture: Architecture) -> Change:
        block = _block(architecture, "Widen.block", self.block)
        if self.factor < 2:
            raise InvalidMorphism(f"Widen.factor={self.factor}: at least 2")
        old, new = block.channels, block.channels * self.factor
        nodes = [replace(n, channels=new) if n is block else n for n in architecture.nodes]
        origin: Origin = (*range(old), *([None] * (new - old)))
        child, origins = _propagated(architecture, nodes, {self.block: origin})
        return Change(child, origins=origins, widened=(self.block, old))

    @classmethod
    def arguments(cls, architecture: Architecture, bounds: Bounds) -> Sequence[Self]:
        return [
            cls(name, factor)
            for name in architecture.blocks
            for factor in bounds.widen_factors
            if architecture.node(name).channels * factor <= bounds.max_channels
        ]


@dataclass(frozen=True)
class _Skip(Morphism):
    """From block `source`'s own ReLU output to what follows block `target`, source before target."""

    source: str
    target: str

    def words(self) -> str:
        return f"{self.kind} {self.source} → {self.target}"

    def _path(self, architecture: Architecture) -> list[Node]:
        """The max-pools that lie between source and target, as nodes of the skip's own."""
        name = type(self).__name__
        _block(architecture, f"{name}.source", self.source)
        _block(architecture, f"{name}.target", self.target)
        order = architecture.blocks
        if order.index(self.source) >= order.index(self.target):
            raise InvalidMorphism(f"{name}: {self.source} does not stand before {self.target} in {', '.join(order)}")
        if (self.kind, self.source, self.target) in skips_of(architecture):
            raise InvalidMorphism(f"{name}: {self.source} → {self.target} is there already")
        path: list[Node] = []
        for k in range(_level(architecture, self.target) - _level(architecture, self.source)):
            reads = path[-1].name if path else self.source
            path.append(Node(_next_name(architecture, "p", k), "max_pool", (reads,)))
        return path

    @classmethod
    def arguments(cls, architecture: Architecture, bounds: Bounds) -> Sequence[Self]:
        there, blocks = skips_of(architecture), architecture.blocks
        return [
            cls(source, target)
            for j, target in enumerate(blocks)
            for source in blocks[:j]
            if (cls.kind, source, target) not in there
        ]


@dataclass(frozen=True)
class SkipConcat(_Skip):
    """Consumers of `target` read concat(target, h(source)), with zero slices for h at birth. Type II."""

    kind: ClassVar[str] = "concat"

    def apply(self, architecture: Architecture) -> Change:
        path = self._path(architecture)
        name = _next_name(architecture, "cat")
        born = [*path, Node(name, "concat", (self.target, path[-1].name if path else self.source))]
        nodes = _inserted(architecture, self.target, born, reads=name)
        c_target, c_source = (architecture.node(n).channels for n in (self.target, self.source))
        origin: Origin = (*range(c_target), *([None] * c_source))
        child, origins = _propagated(architecture, nodes, {name: origin})
        return Change(child, added=tuple(n.name for n in born), origins=origins)


@dataclass(frozen=True)
class SkipAdd(_Skip):
    """Consumers of `target` read lambda * target + (1 - lambda) * h(source), lambda = 1 at birth. Type IV.

    Where the channel counts differ, h ends in a 1x1 Conv-BatchNorm-ReLU (Eq. 6 allows an arbitrary h).
    """

    kind: ClassVar[str] = "add"

    def apply(self, architecture: Architecture) -> Change:
        born = self._path(architecture)
        c_target, c_source = (architecture.node(n).channels for n in (self.target, self.source))
        reads = born[-1].name if born else self.source
        if c_source != c_target:
            projection = _next_name(architecture, "proj")
            born.append(Node(projection, "conv", (reads,), kernel=1, channels=c_target))
            reads = projection
        name = _next_name(architecture, "mix")
        born.append(Node(name, "mix", (self.target, reads), channels=c_target, maps=(None, None)))
        nodes = _inserted(architecture, self.target, born, reads=name)
        return Change(Architecture(architecture.input_shape, tuple(nodes)), added=tuple(n.name for n in born))


MORPHISMS: tuple[type[Morphism], ...] = (Deepen, Widen, SkipConcat, SkipAdd)
TYPES: tuple[tuple[type[Morphism], ...], ...] = ((Deepen,), (Widen,), (SkipConcat, SkipAdd))
"""The three types that are drawn uniformly; a skip is then concat or add with probability 1/2 each."""


def morphism_from_dict(d: Mapping[str, Any]) -> Morphism:
    """The reverse of to_dict. Raises InvalidMorphism for an unknown kind or missing arguments."""
    known = {m.kind: m for m in MORPHISMS}
    kind = d.get("kind")
    if kind not in known:
        raise InvalidMorphism(f"kind={kind!r}: known are {', '.join(known)}")
    try:
        return known[kind](**{f.name: d[f.name] for f in fields(known[kind])})
    except KeyError as error:
        raise InvalidMorphism(f"{kind}: argument {error} is missing") from error


# ---------------------------------------------------------------------- drawing


@dataclass(frozen=True)
class Draw:
    """Morphisms drawn one after another, with a note for each draw that the bounds turned to another type."""

    morphisms: tuple[Morphism, ...]
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def candidates(kind: type[Morphism], architecture: Architecture, bounds: Bounds) -> tuple[Morphism, ...]:
    """The valid morphisms of one kind, enumerated: those whose child stays within the bounds."""
    return tuple(m for m in kind.arguments(architecture, bounds) if bounds.allow(m.apply(architecture).architecture))


def draw(architecture: Architecture, n: int, rng: random.Random, bounds: Bounds = DEFAULT_BOUNDS) -> Draw:
    """ApplyNetMorphs: n morphisms, each drawn uniformly by type, then by valid argument.

    Enumerated first and then chosen, never drawn and rejected. A type without a valid argument gives way to
    the remaining types; with none left the child gets fewer morphisms; both are noted.
    Source: Algorithm 1 line 9; the bounds are ours (method section 6).
    """
    drawn: list[Morphism] = []
    notes: list[str] = []
    for _ in range(n):
        types = list(TYPES)
        chosen: Morphism | None = None
        while types and chosen is None:
            kinds = types.pop(rng.randrange(len(types)))
            chosen = _drawn_of(kinds, architecture, rng, bounds, notes)
        if chosen is None:
            notes.append(f"no valid morphism is left within the bounds: {len(drawn)} of {n} drawn")
            break
        drawn.append(chosen)
        architecture = chosen.apply(architecture).architecture
    return Draw(tuple(drawn), tuple(notes))


def draw_morphisms(
    architecture: Architecture, n: int, rng: random.Random, bounds: Bounds = DEFAULT_BOUNDS
) -> list[Morphism]:
    """The morphisms of `draw`, without its notes."""
    return list(draw(architecture, n, rng, bounds).morphisms)


def _drawn_of(
    kinds: Sequence[type[Morphism]],
    architecture: Architecture,
    rng: random.Random,
    bounds: Bounds,
    notes: list[str],
) -> Morphism | None:
    remaining = list(kinds)
    while remaining:
        kind = remaining.pop(rng.randrange(len(remaining)))
        if valid := candidates(kind, architecture, bounds):
            return valid[rng.randrange(len(valid))]
        notes.append(f"{kind.kind} has no valid argument within the bounds: another kind was drawn")
    return None


# ---------------------------------------------------------------------- topology


def skips_of(architecture: Architecture) -> frozenset[tuple[str, str, str]]:
    """(kind, source block, target block) of every skip, each join traced back to its two blocks."""
    kinds = {"concat": SkipConcat.kind, "mix": SkipAdd.kind}
    return frozenset(
        (kinds[node.op], _trunk_block(architecture, node.inputs[1]), _trunk_block(architecture, node.inputs[0]))
        for node in architecture.nodes
        if node.op in kinds
    )


def _trunk_block(architecture: Architecture, name: str) -> str:
    node = architecture.node(name)
    while node.name not in architecture.blocks:
        node = architecture.node(node.inputs[0])
    return node.name


def _level(architecture: Architecture, name: str) -> int:
    """Max-pools between the input and a node."""
    level, node = 0, architecture.node(name)
    while node.inputs:
        level += node.op == "max_pool"
        node = architecture.node(node.inputs[0])
    return level


def _next_name(architecture: Architecture, prefix: str, ahead: int = 0) -> str:
    numbers = (re.fullmatch(prefix + r"(\d+)", node.name) for node in architecture.nodes)
    return f"{prefix}{1 + ahead + max((int(m[1]) for m in numbers if m), default=0)}"


def _inserted(architecture: Architecture, after: str, born: Sequence[Node], *, reads: str) -> list[Node]:
    """The nodes with `born` directly behind `after`, whose older consumers now read `reads`."""
    nodes: list[Node] = []
    for node in architecture.nodes:
        nodes.append(replace(node, inputs=tuple(reads if i == after else i for i in node.inputs)))
        if node.name == after:
            nodes += born
    return nodes


def _propagated(
    old: Architecture, nodes: Sequence[Node], changed: Mapping[str, Origin]
) -> tuple[Architecture, dict[str, Origin]]:
    """Carries changed output channels downstream, to the convolutions and the head that read them.

    Through max_pool as they are; through concat at their offset, as often as the producer occurs; into a mix
    as new channels at its end, which the other operand does not reach (it counts as zero there).
    """
    out: dict[str, Origin] = dict(changed)
    reached: dict[str, Origin] = {}
    done: list[Node] = []
    for node in nodes:
        if node.name not in changed and any(source in out for source in node.inputs):
            if node.op in ("conv", "linear"):
                reached[node.name] = out[node.inputs[0]]
            elif node.op == "max_pool":
                out[node.name] = out[node.inputs[0]]
            elif node.op == "concat":
                out[node.name] = _concatenated(old, node, out)
            elif node.op == "mix":
                node, out[node.name] = _mixed(old, node, out)
        done.append(node)
    return Architecture(old.input_shape, tuple(done)), reached


def _concatenated(old: Architecture, node: Node, out: Mapping[str, Origin]) -> Origin:
    origin: list[int | None] = []
    offset = 0
    for source, old_source in zip(node.inputs, old.node(node.name).inputs, strict=True):
        width = old.shapes[old_source][0]
        moved = out.get(source, tuple(range(width)))
        origin += [None if k is None else offset + k for k in moved]
        offset += width
    return tuple(origin)


def _mixed(old: Architecture, node: Node, out: Mapping[str, Origin]) -> tuple[Node, Origin]:
    channels = node.channels
    maps: list[tuple[int, ...]] = []
    for source, old_map in zip(node.inputs, operand_maps(old, node.name), strict=True):
        moved: list[int] = []
        for k in out.get(source, tuple(range(len(old_map)))):
            moved.append(channels if k is None else old_map[k])
            channels += k is None
        maps.append(tuple(moved))
    origin: Origin = (*range(node.channels), *([None] * (channels - node.channels)))
    identity = tuple(range(channels))
    mixed = replace(node, channels=channels, maps=tuple(None if m == identity else m for m in maps))
    return mixed, origin
