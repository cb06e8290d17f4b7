"""Networks for tests: random BatchNorm statistics, random lambdas, chains in which every kind occurs."""

import hashlib
import random
from copy import deepcopy

import torch
from torch import Tensor, nn

from searches.nash.architecture import Architecture
from searches.nash.config import Bounds
from searches.nash.draws import draw_morphisms
from searches.nash.inheritance import inherit
from searches.nash.morphisms import MORPHISMS, Deepen, Morphism, SkipAdd, SkipConcat, Widen
from searches.nash.network import Mix, Network

SMALL_BOUNDS = Bounds(max_channels=16, max_parameters=60_000, max_macs=4_000_000)

# Every topology that has broken other implementations, on three small blocks: widen behind a skip across pools,
# a second widening after a concat, a producer that occurs twice in a concat, and either operand of a mix widened.
TANGLED: tuple[Morphism, ...] = (
    SkipConcat("c1", "c2"),
    SkipAdd("c1", "c3"),
    Widen("c1", 2),
    SkipConcat("c2", "c3"),
    Widen("c3", 2),
    Deepen("c2", 5),
    SkipAdd("c2", "c4"),
    Widen("c2", 2),
    Widen("c4", 2),
    SkipAdd("c2", "c3"),
    Widen("c3", 2),
)


def small_architecture(channels: tuple[int, ...] = (4, 6, 5), side: int = 8, head: str = "flatten") -> Architecture:
    return Architecture.initial((3, side, side), n_classes=5, channels=channels, head=head)


def tangled_architecture() -> Architecture:
    return small_architecture().morphed(TANGLED)


def randomised(network: Network, seed: int = 0) -> Network:
    """The network, in place, with random BatchNorms, lambdas and input normalisation, as no fresh one has them."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, like: Tensor) -> Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator, dtype=torch.float64).to(like)

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(uniform(0.5, 1.5, module.weight))
                module.bias.copy_(uniform(-0.3, 0.5, module.bias))
                module.running_mean.copy_(uniform(-0.5, 0.5, module.running_mean))
                module.running_var.copy_(uniform(0.3, 3.0, module.running_var))
            elif isinstance(module, Mix):
                module.lam.copy_(uniform(0, 1, module.lam))
        network.set_normalisation_(uniform(0.2, 0.6, network.mean), uniform(0.1, 0.4, network.std))
    return network


def random_network(architecture: Architecture, seed: int = 0, dtype: torch.dtype = torch.float64) -> Network:
    network = Network(architecture, torch.Generator().manual_seed(seed)).to(dtype)
    return randomised(network, seed)


def images_for(network: Network, n: int = 12, seed: int = 7) -> Tensor:
    """Random normalised images (n, C, H, W) in the network's dtype."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n, *network.architecture.input_shape)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(network.mean)


def child_of(parent: Network, *morphisms: Morphism, widen_init: str = "copy") -> Network:
    generator = torch.Generator().manual_seed(3)
    return inherit(parent, morphisms, images_for(parent, 32, seed=11), generator, widen_init=widen_init)


def bytes_of(network: Network) -> str:
    """A digest of every byte of every tensor, and of their names."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def logits_of(network: Network, *, training: bool = False) -> Tensor:
    """Logits of `images_for(network)`; the network, its BatchNorm statistics included, stays as it is."""
    return deepcopy(network).train(training)(images_for(network))


def depends_on_the_image(network: Network) -> bool:
    """Whether its logits differ from image to image: without that, equal logits would mean nothing."""
    return bool(logits_of(network).std(0).min() > 1e-3)


def difference(parent: Network, child: Network, *, training: bool = False) -> float:
    """max |delta logit| relative to max(1, max |logit|), measured apart from the seal's own code."""
    before, after = (logits_of(network, training=training) for network in (parent, child))
    assert before.std(0).min() > 1e-3, "the parent's logits must depend on the image for this to mean anything"
    return float((after - before).abs().max() / before.abs().max().clamp(min=1))


def random_chain(n: int, seed: int, bounds: Bounds = SMALL_BOUNDS) -> tuple[Architecture, list[Morphism]]:
    """An architecture and n morphisms drawn for it, all four kinds among them."""
    rng = random.Random(seed)
    architecture = small_architecture(channels=rng.choice([(4, 4, 4), (4, 6, 5), (2, 4, 8)]))
    while True:
        morphisms = draw_morphisms(architecture, n, rng, bounds)
        if len(morphisms) == n and {type(m) for m in morphisms} == set(MORPHISMS):
            return architecture, morphisms
