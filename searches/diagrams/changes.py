"""What a child has that its parent has not, as a list: one entry for each morphism, in the order drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

from searches.diagrams.words import counted, side_words
from searches.nash.architecture import Architecture
from searches.nash.morphisms import Change, Morphism


class Entry(TypedDict):
    """`words`: the morphism; `detail`: what it made; `parameters_gained`: those of the child less the parent's."""

    kind: str
    words: str
    detail: str
    parameters_gained: int


def changes(parent: Architecture, morphisms: Sequence[Morphism], *, exact: bool = True) -> list[Entry]:
    """The morphism record read against the parent. Raises InvalidMorphism where it does not fit the parent.

    `exact`: whether the child was made by network morphism, and a join changed nothing at its birth.
    """
    entries: list[Entry] = []
    before = parent
    for morphism in morphisms:
        change = morphism.apply(before)
        after = change.architecture
        at_birth = _AT_BIRTH.get(morphism.kind, "") if exact else ""
        entries.append(
            Entry(
                kind=morphism.kind,
                words=morphism.words(),
                detail=_DETAILS.get(morphism.kind, _added)(change) + at_birth,
                parameters_gained=after.n_parameters - before.n_parameters,
            )
        )
        before = after
    return entries


def _deepened(change: Change) -> str:
    return f"new block {change.added[0]}, {_shape(change, change.added[0])}"


def _widened(change: Change) -> str:
    assert change.widened is not None, "a Widen says which block had how many channels"
    block, old = change.widened
    return f"{old} → {change.architecture.shapes[block][0]} channels"


def _joined(change: Change) -> str:
    return f"{change.added[-1]}, {_shape(change, change.added[-1])}{_way(change)}"


def _added(change: Change) -> str:
    return f"new: {', '.join(change.added)}" if change.added else ""


_DETAILS: dict[str, Callable[[Change], str]] = {
    "deepen": _deepened,
    "widen": _widened,
    "concat": _joined,
    "add": _joined,
}
_AT_BIRTH = {"concat": "; zero slices at birth", "add": "; λ = 1 at birth"}


def _shape(change: Change, name: str) -> str:
    channels, height, width = change.architecture.shapes[name]
    return f"{channels} channels at {side_words(height, width)}"


def _way(change: Change) -> str:
    nodes = [change.architecture.node(name) for name in change.added]
    pools = sum(node.op == "max_pool" for node in nodes)
    way = [counted(pools, "max-pool")] if pools else []
    way += [f"a 1×1 projection to {node.channels}" for node in nodes if node.op == "conv"]
    return f", through {' and '.join(way)}" if way else ""
