"""ApplyNetMorphs: morphisms drawn at random among those that are valid within the bounds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from searches.nash.architecture import Architecture
from searches.nash.config import Bounds
from searches.nash.morphisms import Deepen, Morphism, SkipAdd, SkipConcat, Widen

DEFAULT_BOUNDS = Bounds()
TYPES: tuple[tuple[type[Morphism], ...], ...] = ((Deepen,), (Widen,), (SkipConcat, SkipAdd))
"""The three types that are drawn uniformly; a skip is then concat or add with probability 1/2 each."""


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
