"""One weight rule per morphism: from the parent's tensors and a Change to the child's tensors.

Topology is not decided here: a Change says which nodes were born and where each older layer's input channels
came from. Rules return new mappings and never write into a tensor that they were given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from searches.nash.architecture import Architecture
from searches.nash.inheritance.calibration import Statistics, calibrate, calibrate_filters
from searches.nash.morphisms import Change, Deepen, Morphism, SkipAdd, SkipConcat, Widen
from searches.nash.network import Network, he_normal_

Tensors = Mapping[str, Tensor]

BATCHNORM_EPS = 1e-5
DEAD_VARIANCE = 1e-4
"""Below it a channel counts as dead: normalised by less, it would be squashed or blown up if it ever wakes."""


@dataclass(frozen=True)
class Inherited:
    """An architecture with its tensors (names of a state dict) and the statistics of its blocks."""

    architecture: Architecture
    tensors: Tensors
    statistics: Statistics


@dataclass(frozen=True)
class Chance:
    """Where a rule's random weights come from; `calibration` (normalised images) only for widen_init "random"."""

    generator: torch.Generator | None = None
    widen_init: str = "copy"
    calibration: Tensor | None = None


WeightRule = Callable[[Morphism, Change, Inherited, Chance], Inherited]


def deepen_weights(morphism: Morphism, change: Change, parent: Inherited, chance: Chance) -> Inherited:
    """Dirac kernel, and a BatchNorm that is the identity on the calibrated data.

    Exact in evaluation mode; in training mode batch statistics take the place of the stored ones.
    Source: Eq. 3, morphism types I and III.
    """
    assert isinstance(morphism, Deepen)
    (name,) = change.added
    mean, variance = (t.to(like(parent)) for t in parent.statistics[morphism.after])
    stored = variance.clamp(min=DEAD_VARIANCE)
    channels = len(mean)
    kernel = like(parent).new_empty(channels, channels, morphism.kernel, morphism.kernel)
    tensors = {
        f"{name}.conv.weight": nn.init.dirac_(kernel),
        f"{name}.bn.weight": torch.sqrt(stored + BATCHNORM_EPS),
        f"{name}.bn.bias": mean,
        f"{name}.bn.running_mean": mean,
        f"{name}.bn.running_var": stored,
        f"{name}.bn.num_batches_tracked": _zero_batches(parent),
    }
    statistics = parent.statistics | {name: parent.statistics[morphism.after]}
    return _child(parent, change, tensors, statistics)


def widen_weights(morphism: Morphism, change: Change, parent: Inherited, chance: Chance) -> Inherited:
    """New filters as copies of the block's own, BatchNorm included; its consumers read them through zeros.

    With widen_init "random" the new filters are He-normal, their BatchNorm set to what they give on the
    calibration images. Exact in both modes. Source: Eq. 4, morphism type II, h~ = h and A~ = 0.
    """
    assert change.widened is not None
    block, old = change.widened
    new = change.architecture.node(block).channels
    copied = torch.arange(new, device=like(parent).device) % old
    names = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    tensors = {f"{block}.{name}": parent.tensors[f"{block}.{name}"][copied] for name in names}
    mean, variance = parent.statistics[block]
    at = copied.to(mean.device)
    child = _child(parent, change, tensors, parent.statistics | {block: (mean[at], variance[at])})
    return child if chance.widen_init == "copy" else _with_random_filters(child, block, old, chance)


def concat_weights(morphism: Morphism, change: Change, parent: Inherited, chance: Chance) -> Inherited:
    """Nothing but zero slices for the new channels. Exact in both modes. Source: Eq. 4, morphism type II."""
    return _child(parent, change, {}, parent.statistics)


def add_weights(morphism: Morphism, change: Change, parent: Inherited, chance: Chance) -> Inherited:
    """lambda = 1; the 1x1 projection, where there is one, He-normal with a fresh BatchNorm.

    Exact in both modes. Source: Eq. 6, morphism type IV, which allows an arbitrary h.
    """
    tensors: dict[str, Tensor] = {}
    for name in change.added:
        node = change.architecture.node(name)
        if node.op == "mix":
            tensors[f"{name}.lam"] = like(parent).new_ones(())
        elif node.op == "conv":
            c_in = change.architecture.shapes[node.inputs[0]][0]
            tensors[f"{name}.conv.weight"] = _he_normal((node.channels, c_in, 1, 1), parent, chance)
            tensors |= _fresh_batchnorm(f"{name}.bn", node.channels, parent)
    return _child(parent, change, tensors, parent.statistics)


WEIGHT_RULES: dict[type[Morphism], WeightRule] = {
    Deepen: deepen_weights,
    Widen: widen_weights,
    SkipConcat: concat_weights,
    SkipAdd: add_weights,
}


def like(inherited: Inherited) -> Tensor:
    """A tensor whose dtype and device are those of the network."""
    return inherited.tensors["mean"]


def _child(parent: Inherited, change: Change, tensors: Tensors, statistics: Statistics) -> Inherited:
    gathered = gathered_inputs(parent, change)
    return Inherited(change.architecture, {**parent.tensors, **gathered, **tensors}, statistics)


def gathered_inputs(parent: Inherited, change: Change) -> dict[str, Tensor]:
    """Weights of the older layers whose input channels moved: each slice from its origin, zeros for a new one.

    Convolutions (c_out, c_in, k, k); the head (n_classes, c_in * H * W) is channel-major: H * W columns a channel.
    """
    weights: dict[str, Tensor] = {}
    for name, origin in change.origins.items():
        node = parent.architecture.node(name)
        key = f"{name}.conv.weight" if node.op == "conv" else f"{name}.weight"
        old = parent.tensors[key]
        c_in = parent.architecture.shapes[node.inputs[0]][0]
        slices = old.reshape(old.shape[0], c_in, -1)
        new = slices.new_zeros(old.shape[0], len(origin), slices.shape[2])
        kept = [k for k, source in enumerate(origin) if source is not None]
        new[:, kept] = slices[:, [source for source in origin if source is not None]]
        weights[key] = new.reshape(old.shape[0], -1, *old.shape[2:])
    return weights


def _he_normal(shape: tuple[int, ...], parent: Inherited, chance: Chance) -> Tensor:
    # Drawn where the generator lives, so that every device gets the same numbers.
    device = "cpu" if chance.generator is None else chance.generator.device
    return he_normal_(torch.empty(shape, dtype=like(parent).dtype, device=device), chance.generator).to(like(parent))


def _fresh_batchnorm(prefix: str, channels: int, parent: Inherited) -> dict[str, Tensor]:
    ones, zeros = like(parent).new_ones(channels), like(parent).new_zeros(channels)
    return {
        f"{prefix}.weight": ones,
        f"{prefix}.bias": zeros,
        f"{prefix}.running_mean": zeros,
        f"{prefix}.running_var": ones,
        f"{prefix}.num_batches_tracked": _zero_batches(parent),
    }


def _zero_batches(parent: Inherited) -> Tensor:
    return like(parent).new_zeros((), dtype=torch.int64)


def _with_random_filters(child: Inherited, block: str, old: int, chance: Chance) -> Inherited:
    """The widened child with its new filters drawn, normalised by what they give on the calibration images."""
    if chance.calibration is None:
        raise ValueError('widen_init="random": needs calibration images; give calibration, or take "copy"')
    c_out, *rest = child.tensors[f"{block}.conv.weight"].shape
    drawn = _he_normal((c_out - old, *rest), child, chance)

    def ending(name: str, tail: Tensor) -> Tensor:
        return torch.cat((child.tensors[f"{block}.{name}"][:old], tail.to(drawn)))

    tensors = {**child.tensors, f"{block}.conv.weight": ending("conv.weight", drawn)}
    network = Network(child.architecture, tensors=tensors)
    mean, variance = (t[old:] for t in calibrate_filters(network, block, chance.calibration))
    tensors |= {
        f"{block}.bn.weight": ending("bn.weight", torch.ones_like(mean)),
        f"{block}.bn.bias": ending("bn.bias", torch.zeros_like(mean)),
        f"{block}.bn.running_mean": ending("bn.running_mean", mean),
        f"{block}.bn.running_var": ending("bn.running_var", variance.clamp(min=DEAD_VARIANCE)),
    }
    measured = calibrate(Network(child.architecture, tensors=tensors), chance.calibration)[block]
    before = child.statistics[block]
    mean, variance = (torch.cat((b[:old], m[old:].to(b))) for b, m in zip(before, measured, strict=True))
    return replace(child, tensors=tensors, statistics=child.statistics | {block: (mean, variance)})
