"""How networks may grow in the steps to come: climbs with the engine's own draws, and winners by chance.

A search's draws follow from its seed and from who won each step. So the children of every step that can be are
known as soon as its winners are supposed; a climb supposes them. Without torch, without rows.
"""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from searches.nash.architecture import Architecture
from searches.nash.config import SearchConfig
from searches.nash.hillclimb import draw_child

N_CLIMBS = 8
MOST_CHILDREN = 5
"""So many candidates of a step are drawn, the parent among them; the others are taken to be like these."""
GROWTH_LIMITS = (1.0, 4.0)
"""Factor a step in multiply-accumulates, where no more is simulated than there was time for."""
UNKNOWN_GROWTH = 2.0
DRAWN_FROM = (
    "input_shape", "n_classes", "start", "seed", "n_neigh", "n_NM", "channels", "head", "kernels", "widen_factors",
    "max_channels", "max_parameters", "max_macs",
)  # fmt: skip
"""The settings that draws and sizes follow from: two searches that share them share what is cached."""

Path = tuple[int, ...]
"""The index j of the winner of each step so far."""
Leaning = tuple[float, ...]
"""Weights of a step's quarters, from its smallest candidates to its largest: how often one of each wins."""
EVEN: Leaning = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Size:
    """What a network costs: multiply-accumulates of an image, parameters, and values it keeps of an image."""

    n_macs: float
    n_parameters: float
    n_activations: float

    def times(self, factor: float, most_macs: float) -> "Size":
        """Grown by a factor, up to `most_macs`."""
        within = max(1.0, min(factor, most_macs / self.n_macs))
        return Size(*(within * getattr(self, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Climb:
    """One way in which a search may go on: sizes of each step's candidates, from the first that is to come.

    `winner`: the last step's. `is_whole`: nothing of it had to be extrapolated for want of time.
    """

    steps: tuple[tuple[Size, ...], ...]
    winner: Size
    is_whole: bool = True


class Clock:
    """Time for simulations: what is cached costs none of it."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def is_over(self) -> bool:
        return time.monotonic() >= self._until


def growth_settings(config: SearchConfig) -> SearchConfig:
    """The settings with all that draws do not follow from as they are by default: a key for caches."""
    return SearchConfig(**{name: getattr(config, name) for name in DRAWN_FROM})


def climbs(
    config: SearchConfig, path: Path = (), *, candidates: Sequence[float] = (), leaning: Leaning = EVEN, clock: Clock
) -> list[Climb]:
    """N_CLIMBS ways on from the winners of `path`.

    `candidates`: of the open step, how likely each of its candidates is to win, by j from 1; empty where it has no
    rows yet. That step is then no part of the climbs. The same arguments give the same climbs once there was time.
    """
    key = growth_settings(config)
    return [_climb(key, config.n_steps, path, candidates, leaning, random.Random(k), clock) for k in range(N_CLIMBS)]


def size_of(architecture: Architecture) -> Size:
    values = sum(math.prod(shape) for shape in architecture.shapes.values())
    return Size(architecture.n_macs, architecture.n_parameters, values)


@lru_cache(maxsize=4096)
def first_size(key: SearchConfig) -> Size:
    """model_0's."""
    return size_of(key.initial_architecture())


def _climb(
    key: SearchConfig,
    n_steps: int,
    path: Path,
    candidates: Sequence[float],
    leaning: Leaning,
    rng: random.Random,
    clock: Clock,
) -> Climb:
    if candidates and len(path) < n_steps:
        path += (rng.choices(range(1, len(candidates) + 1), candidates)[0],)
    steps: list[tuple[Size, ...]] = []
    winner = _known_size(key, path, clock)
    if winner is None:
        return _extrapolated(key, n_steps, path, steps, first_size(key))
    while len(path) < n_steps:
        sizes = _step(key, path, clock)
        if sizes is None:
            return _extrapolated(key, n_steps, path, steps, winner)
        j = _supposed_winner(sizes, leaning, rng)
        steps.append(tuple(sizes.values()))
        path, winner = (*path, j), sizes[j]
    return Climb(tuple(steps), winner)


def _step(key: SearchConfig, path: Path, clock: Clock) -> dict[int, Size] | None:
    """Sizes of the step after `path`, by j; None where the time is over before all are drawn."""
    drawn = range(1, min(key.n_neigh, MOST_CHILDREN)) if key.n_neigh > 1 else range(1, 2)
    sizes: dict[int, Size] = {}
    for j in (*drawn, *((key.n_neigh,) if key.n_neigh > 1 else ())):
        size = _known_size(key, (*path, j), clock)
        if size is None:
            return None
        sizes[j] = size
    return sizes


_SIZES: dict[tuple[SearchConfig, Path], Size] = {}
_MOST_SIZES = 20_000


def _known_size(key: SearchConfig, path: Path, clock: Clock) -> Size | None:
    """The size of the network at the end of a path; None where it is not known and the time is over."""
    if (size := _SIZES.get((key, path))) is None:
        if clock.is_over():
            return None
        if len(_SIZES) >= _MOST_SIZES:
            _SIZES.clear()
        size = _SIZES[key, path] = size_of(_network(key, path))
    return size


@lru_cache(maxsize=128)
def _network(key: SearchConfig, path: Path) -> Architecture:
    """model_0 for (), else child j of the network before it; the last place is the parent's own."""
    if not path:
        return key.initial_architecture()
    parent, j = _network(key, path[:-1]), path[-1]
    if j == key.n_neigh and key.n_neigh > 1:
        return parent
    return parent.morphed(draw_child(key, parent, len(path), j).morphisms)


def _supposed_winner(sizes: dict[int, Size], leaning: Leaning, rng: random.Random) -> int:
    """A candidate by chance, its quarter among the step's sizes weighted."""
    by_size = sorted(sizes, key=lambda j: sizes[j].n_macs)
    weights = [leaning[quarter(rank, len(by_size))] for rank in range(len(by_size))]
    return rng.choices(by_size, weights)[0]


def quarter(rank: int, n: int) -> int:
    """0 for the smallest quarter of n candidates to 3 for the largest."""
    return min(3, 4 * rank // n)


def _extrapolated(
    key: SearchConfig, n_steps: int, path: Path, steps: list[tuple[Size, ...]], winner: Size
) -> Climb:
    """The rest by the growth so far, for which there was no time to be drawn."""
    first = first_size(key)
    growth = (winner.n_macs / first.n_macs) ** (1 / len(path)) if path else UNKNOWN_GROWTH
    factor = min(max(growth, GROWTH_LIMITS[0]), GROWTH_LIMITS[1])
    grown = list(steps)
    for _ in range(len(path), n_steps):
        winner = winner.times(factor, key.max_macs)
        grown.append((winner,))
    return Climb(tuple(grown), winner, is_whole=False)
