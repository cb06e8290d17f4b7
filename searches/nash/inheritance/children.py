"""From a parent and a chain of morphisms to the child; one calibration pass of the parent serves the chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from searches.nash.inheritance.calibration import Statistics, calibrate
from searches.nash.inheritance.weights import WEIGHT_RULES, Chance, Inherited
from searches.nash.morphisms import Morphism
from searches.nash.network import Network

WIDEN_INITS = ("copy", "random")


def chain(
    parent: Network, morphisms: Sequence[Morphism], statistics: Statistics, chance: Chance
) -> Iterator[Inherited]:
    """What is inherited after 0, 1, 2, ... of the morphisms. Tensors that did not change are the parent's own."""
    inherited = Inherited(parent.architecture, dict(parent.state_dict()), statistics)
    yield inherited
    for morphism in morphisms:
        change = morphism.apply(inherited.architecture)
        inherited = WEIGHT_RULES[type(morphism)](morphism, change, inherited, chance)
        yield inherited


def inherit(
    parent: Network,
    morphisms: Sequence[Morphism],
    calibration: Tensor,
    generator: torch.Generator | None = None,
    *,
    widen_init: str = "copy",
) -> Network:
    """The child of `parent` after `morphisms`, computing in evaluation mode what the parent computes (Eq. 1).

    `calibration`: normalised training images (N, C, H, W). The parent is unchanged and shares no tensor with the
    child, which has its dtype and device. Raises InvalidMorphism where the architecture does not allow one.
    """
    statistics = calibrate(parent, calibration)
    return inherit_from_statistics(
        parent, morphisms, statistics, generator, widen_init=widen_init, calibration=calibration
    )


def inherit_from_statistics(
    parent: Network,
    morphisms: Sequence[Morphism],
    statistics: Statistics,
    generator: torch.Generator | None = None,
    *,
    widen_init: str = "copy",
    calibration: Tensor | None = None,
) -> Network:
    """As `inherit`, with the parent's statistics from an earlier `calibrate`; all children of a step share them.

    `calibration` is needed for widen_init "random" only. Raises ValueError where it is missing, and for another
    widen_init than "copy" or "random".
    """
    if widen_init not in WIDEN_INITS:
        raise ValueError(f"widen_init={widen_init!r}: give one of {', '.join(WIDEN_INITS)}")
    *_, inherited = chain(parent, morphisms, statistics, Chance(generator, widen_init, calibration))
    tensors = {name: tensor.detach().clone() for name, tensor in inherited.tensors.items()}
    return Network(inherited.architecture, tensors=tensors)
