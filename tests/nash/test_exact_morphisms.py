"""Eq. (1) as properties: whatever the network and the morphisms, the child computes what its parent computes.

Random architectures on three input shapes, random BatchNorm statistics, lambdas anywhere in [0, 1].
Source: Eq. 1; tolerances of method section 3.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from searches.nash.morphisms import MORPHISMS, Morphism, SkipAdd, SkipConcat, Widen
from searches.nash.network import ConvBlock, Mix, Network
from tests.nash.networks import bytes_of, child_of, difference, images_for, logits_of
from tests.nash.strategies import Properties, morphisms_of, parents, parents_with_chains

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
EXACT_IN_TRAINING = (Widen, SkipConcat, SkipAdd)
N_IMAGES = 32
"""A batch for two optimiser steps."""
WIDEN_INITS = st.sampled_from(("copy", "random"))

properties = Properties()


@pytest.fixture(scope="module", autouse=True)
def tf32_off() -> Iterator[None]:
    backends: tuple[Any, ...] = (torch.backends, torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [backend.fp32_precision for backend in backends]
    torch.backends.fp32_precision = "ieee"
    yield
    # Those below it too: what was put back to "ieee" meanwhile is theirs, and torch.export refuses a mixture.
    for backend, precision in zip(backends, before, strict=True):
        backend.fp32_precision = precision


def assert_function_kept(parent: Network, morphisms: tuple[Morphism, ...], widen_init: str = "copy") -> None:
    """In float64 and in float32, and no byte of the parent is another afterwards."""
    for dtype, tolerance in TOLERANCE.items():
        parent = deepcopy(parent).to(dtype)
        before = bytes_of(parent)
        child = child_of(parent, *morphisms, widen_init=widen_init)
        assert child.architecture == parent.architecture.morphed(morphisms)
        assert difference(parent, child) <= tolerance
        assert bytes_of(parent) == before


@properties.hold_on_each_shape(
    2, many=150, of=lambda shapes: {"parent": parents(shapes), "widen_init": WIDEN_INITS, "data": st.data()}
)
def test_a_morphism_of_each_kind_keeps_the_function(parent, widen_init, data):
    for kind in MORPHISMS:
        if morphisms := data.draw(morphisms_of(parent.architecture, 1, [kind]), kind.kind):
            assert_function_kept(parent, morphisms, widen_init)


@properties.hold_on_each_shape(2, many=100, of=lambda shapes: {"case": parents_with_chains(shapes, 30)})
def test_a_random_chain_of_thirty_keeps_the_function(case):
    parent, morphisms = case
    assert_function_kept(parent, morphisms)


@properties.hold_on_each_shape(
    3,
    many=200,
    of=lambda shapes: {"case": parents_with_chains(shapes, 3, EXACT_IN_TRAINING), "widen_init": WIDEN_INITS},
)
def test_widening_and_skips_keep_the_loss_of_a_batch_in_training_mode(case, widen_init):
    parent, morphisms = case
    child = child_of(parent, *morphisms, widen_init=widen_init)
    before, after = (loss(logits_of(network, training=True)) for network in (parent, child))
    assert abs(after - before) <= 1e-6


@properties.hold_on_each_shape(3, many=150, of=lambda shapes: {"case": parents_with_chains(shapes, 1, n_before=4)})
def test_every_new_parameter_moves_within_two_optimiser_steps(case):
    """Method section 3: no weight decay, live channels, lambda at 0.9 behind a mix."""
    parent, (morphism,) = case
    child = child_of(alive(parent), morphism).train()
    with torch.no_grad():
        for mix in child.mixes():
            mix.lam.fill_(0.9)  # the newborn one too: behind it nothing moves while lambda = 1
    old = {name: p.shape for name, p in parent.named_parameters()}
    before = {name: p.detach().clone() for name, p in child.named_parameters() if old.get(name) != p.shape}
    assert before
    wanted = {name: touched(child, name) for name in before}
    two_steps(child)
    for name, start in before.items():
        still = ((child.get_parameter(name) - start).abs() < 1e-13) & wanted[name]
        assert not still.any(), f"{name}: {int(still.sum())} of {still.numel()} have not moved"


@properties.hold_on_each_shape(
    2, many=100, of=lambda shapes: {"case": parents_with_chains(shapes, 1, [SkipAdd], n_before=4)}
)
def test_lambda_has_a_gradient_at_its_birth(case):
    parent, (morphism,) = case
    child = child_of(alive(parent), morphism).train()
    (born,) = set(dict(child.named_parameters())) & {f"{n.name}.lam" for n in child.architecture.nodes} - set(
        dict(parent.named_parameters())
    )
    loss(child(images_for(child))).backward()
    assert child.get_parameter(born) == 1
    assert child.get_parameter(born).grad.abs() > 1e-9


@properties.hold_on_each_shape(
    2, many=100, of=lambda shapes: {"case": parents_with_chains(shapes, 6), "widen_init": WIDEN_INITS}
)
def test_no_byte_of_the_parent_changes_whatever_becomes_of_its_child(case, widen_init):
    parent, morphisms = case
    before = bytes_of(parent)
    child = child_of(parent, *morphisms, widen_init=widen_init).train()
    two_steps(child)
    with torch.no_grad():
        for tensor in child.state_dict().values():
            tensor.zero_()
    assert bytes_of(parent) == before


test_many_more_examples_of = properties.many()


def loss(logits: Tensor) -> Tensor:
    return functional.cross_entropy(logits, torch.arange(len(logits)) % 5)


def two_steps(network: Network) -> None:
    """Two steps of SGD without weight decay on one batch."""
    optimiser = torch.optim.SGD(network.parameter_groups(0.0), lr=0.05, momentum=0.9, nesterov=True)
    for _ in range(2):
        optimiser.zero_grad()
        loss(network(images_for(network, N_IMAGES))).backward()
        optimiser.step()


@torch.no_grad()
def alive(network: Network) -> Network:
    """The network, in place, with every channel above zero on most pixels, and read: lambdas at 0.9."""
    for module in network.modules():
        if isinstance(module, ConvBlock):
            module.bn.bias.fill_(2)
        elif isinstance(module, Mix):
            module.lam.fill_(0.9)
    return network


def touched(network: Network, name: str) -> Tensor:
    """Which elements of a parameter meet a value at all.

    Not the taps of a kernel that on a small map see padding alone, nor what meets but one pixel, as the head's
    columns do and the outer taps on a 2x2 map, where that is 0 in every image, as one in a corner can be.
    """
    parameter = network.get_parameter(name)
    if parameter.ndim not in (2, 4):
        return torch.ones_like(parameter, dtype=torch.bool)
    node = network.architecture.node(name.split(".")[0])
    live = (values_of(network, node.inputs[0]) != 0).any(0)  # (N, C, H, W) -> (C, H, W)
    assert live.flatten(1).any(1).all(), "every channel is to be live"
    if parameter.ndim == 4:
        k = node.kernel
        met = functional.unfold(live[None].double(), k, padding=k // 2)[0].any(1)  # (1, C, H, W) -> (C * k * k,)
        return met.view(1, -1, k, k).expand_as(parameter)
    met = live.flatten(1).any(1) if node.pool else live.flatten()
    return met.expand_as(parameter)


@torch.no_grad()
def values_of(network: Network, node: str) -> Tensor:
    """What a node hands on, of the batch of two_steps."""
    seen: dict[str, Tensor] = {"input": images_for(network, N_IMAGES)}
    deepcopy(network).watched(seen["input"], lambda name, value: seen.update({name: value}))
    return seen[node]
