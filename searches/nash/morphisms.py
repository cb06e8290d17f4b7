"""Network morphisms as data: Deepen, Widen, SkipConcat, SkipAdd (section 3 of the paper, types I to IV).

A morphism is applied here to an architecture, without weights; inheritance.py applies it to tensors. What both
share is a `Change`: the child, the nodes born with it, and for every older layer whose input channels moved the
old channel that each new one was. All topology is decided here, once.

A new morphism = one class here, one weight rule in inheritance.WEIGHT_RULES, one line in MORPHISMS.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Self

from searches.nash.architecture import Architecture
from searches.nash.config import Bounds
from searches.nash.nodes import Node, UnknownNode
from searches.nash.topology import Origin, inserted, level, next_name, propagated, skips_of


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
        name = next_name(architecture, "c")
        born = Node(name, "conv", (self.after,), kernel=self.kernel, channels=block.channels)
        nodes = inserted(architecture, self.after, [born], reads=name)
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
        child, origins = propagated(architecture, nodes, {self.block: origin})
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
        for k in range(level(architecture, self.target) - level(architecture, self.source)):
            reads = path[-1].name if path else self.source
            path.append(Node(next_name(architecture, "p", k), "max_pool", (reads,)))
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
        name = next_name(architecture, "cat")
        born = [*path, Node(name, "concat", (self.target, path[-1].name if path else self.source))]
        nodes = inserted(architecture, self.target, born, reads=name)
        c_target, c_source = (architecture.node(n).channels for n in (self.target, self.source))
        origin: Origin = (*range(c_target), *([None] * c_source))
        child, origins = propagated(architecture, nodes, {name: origin})
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
            projection = next_name(architecture, "proj")
            born.append(Node(projection, "conv", (reads,), kernel=1, channels=c_target))
            reads = projection
        name = next_name(architecture, "mix")
        born.append(Node(name, "mix", (self.target, reads), channels=c_target, maps=(None, None)))
        nodes = inserted(architecture, self.target, born, reads=name)
        return Change(Architecture(architecture.input_shape, tuple(nodes)), added=tuple(n.name for n in born))


MORPHISMS: tuple[type[Morphism], ...] = (Deepen, Widen, SkipConcat, SkipAdd)


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
