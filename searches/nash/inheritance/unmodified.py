"""The paper's comparison without network morphisms: what a child keeps of its parent if Eq. (1) is not asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from searches.nash.architecture import Architecture
from searches.nash.morphisms import Morphism
from searches.nash.network import Network


def modified_layers(architecture: Architecture, morphisms: Sequence[Morphism]) -> frozenset[str]:
    """Names of the child's nodes whose weights its parent does not have: new, widened, or with other input channels.

    A mix that passes widened channels on keeps its lambda, which is one number whatever the channels.
    Source: section 4, after Real et al. (2017).
    """
    modified: set[str] = set()
    for morphism in morphisms:
        change = morphism.apply(architecture)
        modified |= {*change.added, *change.origins}
        if change.widened is not None:
            modified.add(change.widened[0])
        architecture = change.architecture
    return frozenset(modified)


def inherit_unmodified(
    parent: Network, morphisms: Sequence[Morphism], generator: torch.Generator | None = None
) -> Network:
    """The child of `parent` with its unchanged layers inherited bit for bit, all others as in a fresh network.

    A layer is inherited as a whole, BatchNorm with its statistics included, or not at all. Eq. (1) does not hold.
    The parent is unchanged and shares no tensor with the child, which has its dtype and device.
    Raises InvalidMorphism where the architecture does not allow one.
    """
    modified = modified_layers(parent.architecture, morphisms)
    fresh = Network(parent.architecture.morphed(morphisms), generator).to(parent.mean.device, parent.mean.dtype)
    inherited = {
        name: tensor.detach().clone()
        for name, tensor in parent.state_dict().items()
        if name.partition(".")[0] not in modified
    }
    return Network(fresh.architecture, tensors={**fresh.state_dict(), **inherited})
