"""The seal of Eq. (1): how far a child's logits are from its parent's, and which morphism broke it if one did."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from searches.nash.inheritance.calibration import (
    Statistics,
    batches,
    calibrate,
    exact_evaluation,
    in_dtype,
    placed_for,
)
from searches.nash.inheritance.children import chain
from searches.nash.inheritance.weights import Chance, Inherited
from searches.nash.morphisms import Morphism
from searches.nash.network import Network

TOLERANCE_32 = 1e-4
TOLERANCE_64 = 1e-10
N_IMAGES_32 = 500
N_IMAGES_64 = 16
NO_MORPHISM = "no morphism: the child's tensors are not those that its morphisms make"


@dataclass(frozen=True)
class Seal:
    """max |delta logit| between child and parent in evaluation mode, relative to max(1, max |logit|).

    `float32`: the child as it is, in float32 arithmetic (TF32 off, no autocast). `float64`: the same morphisms
    worked out in float64, where rounding cannot hide or fake a break. `remeasured`: the child as it is, in
    float64 arithmetic, where float32 missed its tolerance. `broken_by`: the words of the first morphism that
    breaks it, None while it holds. In training mode a deepened block is approximate; this does not measure that.
    """

    float32: float | None
    float64: float
    holds: bool
    tolerance32: float = TOLERANCE_32
    tolerance64: float = TOLERANCE_64
    broken_by: str | None = None
    n_images32: int = 0
    n_images64: int = 0
    remeasured: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a delta that is not finite becomes None."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Seal:
        """The reverse of to_dict: a float64 that is None was not finite."""
        return cls(**{**d, "float64": math.inf if d["float64"] is None else d["float64"]})


def measure_seal(
    parent: Network,
    child: Network,
    morphisms: Sequence[Morphism],
    images: Tensor,
    *,
    statistics: Statistics | None = None,
    widen_init: str = "copy",
    on_batch: Callable[[], None] | None = None,
) -> Seal:
    """Measure Eq. (1) on a fixed batch of normalised images (N, C, H, W): 500 in float32, 16 in float64.

    `statistics` are those the child was made from; without them they are measured on the images. A miss in
    float32 is measured again in float64 before the child is refused. `on_batch` is called before each batch and
    may raise to stop. Source: Eq. 1; method section 3.
    """
    images32, images64 = images[:N_IMAGES_32], images[:N_IMAGES_64]
    chance = Chance(torch.Generator().manual_seed(0), widen_init, images64)
    parent64 = in_dtype(parent, torch.float64)
    stored = calibrate(parent, images32, on_batch=on_batch) if statistics is None else statistics
    float32 = difference(in_dtype(parent, torch.float32), in_dtype(child, torch.float32), images32, on_batch)
    *_, rebuilt = chain(parent64, morphisms, stored, chance)
    float64 = difference(parent64, _network(rebuilt), images64, on_batch)
    remeasured = None
    if not float32 <= TOLERANCE_32:
        remeasured = difference(parent64, in_dtype(child, torch.float64), images32, on_batch)
    holds = float64 <= TOLERANCE_64 and (remeasured is None or remeasured <= TOLERANCE_32)
    return Seal(
        float32=float32,
        float64=float64,
        holds=holds,
        broken_by=None if holds else _culprit(parent64, morphisms, stored, chance, images64),
        n_images32=len(images32),
        n_images64=len(images64),
        remeasured=remeasured,
    )


def difference(parent: Network, child: Network, images: Tensor, on_batch: Callable[[], None] | None = None) -> float:
    """max |delta logit| / max(1, max |logit of the parent|) in evaluation mode; infinite for a NaN."""
    delta, scale = 0.0, 1.0
    with exact_evaluation(parent, child):
        for batch in batches(images, on_batch):
            before, after = (network(placed_for(batch, network)) for network in (parent, child))
            worst = float((after.to(before) - before).abs().max())
            delta = max(delta, math.inf if math.isnan(worst) else worst)
            scale = max(scale, float(before.abs().max()))
    return delta / scale


def _network(inherited: Inherited) -> Network:
    return Network(inherited.architecture, tensors=inherited.tensors)


def _culprit(
    parent: Network, morphisms: Sequence[Morphism], statistics: Statistics, chance: Chance, images: Tensor
) -> str:
    """Rebuild the chain in float64 morphism by morphism; the words of the first that breaks the seal."""
    states = chain(parent, morphisms, statistics, chance)
    next(states)  # the parent itself
    for morphism, state in zip(morphisms, states, strict=True):
        if not difference(parent, _network(state), images) <= TOLERANCE_64:
            return morphism.words()
    return NO_MORPHISM
