"""What a child keeps of its parent without network morphism: which layers are modified, and how those begin."""

import pytest
import torch

from searches.nash.export import weights_sha256
from searches.nash.inheritance import inherit_unmodified, modified_layers
from searches.nash.morphisms import Deepen, SkipAdd, SkipConcat, Widen
from searches.nash.network import Network
from tests.nash.networks import random_chain, random_network, small_architecture


def node_of(tensor_name):
    return tensor_name.partition(".")[0]


@pytest.mark.parametrize(
    ("morphisms", "modified"),
    [
        ([Deepen("c2", 3)], "c4"),
        ([Widen("c1", 2)], "c1 c2"),
        ([Widen("c3", 4)], "c3 fc"),
        ([SkipConcat("c1", "c2")], "p3 cat1 c3"),
        ([SkipAdd("c1", "c2")], "p3 proj1 mix1"),
        ([SkipAdd("c2", "c3"), Widen("c2", 2)], "p3 proj1 mix1 c2 c3"),
        ([Deepen("c1", 5), Deepen("c4", 3)], "c4 c5"),
        ([], ""),
    ],
    ids=str,
)
def test_modified_are_the_new_the_widened_and_those_that_read_other_channels(morphisms, modified):
    assert modified_layers(small_architecture(), morphisms) == set(modified.split())


def test_a_mix_that_passes_widened_channels_on_keeps_its_lambda():
    """Its parent had the skip before: lambda is one number, whatever the channels."""
    grown = small_architecture((4, 4, 5)).morphed([SkipAdd("c1", "c2")])
    assert modified_layers(grown, [Widen("c1", 2)]) == {"c1", "c2", "c3"}
    parent = random_network(grown)
    child = inherit_unmodified(parent, [Widen("c2", 2)])
    assert torch.equal(child.get_parameter("mix1.lam"), parent.get_parameter("mix1.lam"))
    assert float(parent.get_parameter("mix1.lam").detach()) < 0.999


@pytest.mark.parametrize("seed", range(6))
def test_unmodified_layers_are_inherited_bit_for_bit_and_modified_ones_begin_afresh(seed):
    architecture, morphisms = random_chain(4, seed)
    parent = random_network(architecture, seed, torch.float32)
    before = weights_sha256(parent)
    child = inherit_unmodified(parent, morphisms, torch.Generator().manual_seed(seed))
    assert child.architecture == architecture.morphed(morphisms)
    old, new = parent.state_dict(), child.state_dict()
    same_shapes = {n for n in new if n in old and old[n].shape == new[n].shape}
    kept = {n for n in new if all(m in same_shapes for m in new if node_of(m) == node_of(n))}
    assert {node_of(n) for n in new} > {node_of(n) for n in kept} > {"mean", "std"}  # both kinds of layer occur
    fresh = Network(child.architecture, torch.Generator().manual_seed(seed)).state_dict()
    for name in new:
        assert torch.equal(new[name], old[name] if name in kept else fresh[name]), name
    modified = modified_layers(architecture, morphisms)
    assert {node_of(n) for n in new if n not in kept} == {n for n in modified if any(node_of(m) == n for m in new)}
    assert weights_sha256(parent) == before
    assert not {t.data_ptr() for t in new.values()} & {t.data_ptr() for t in old.values()}


def test_what_begins_afresh_is_he_normal_with_an_identity_batchnorm_and_torchs_linear():
    parent = random_network(small_architecture((8, 32, 32)), dtype=torch.float32)
    child = inherit_unmodified(parent, [Widen("c3", 4)], torch.Generator().manual_seed(1))
    weight = child.get_parameter("c3.conv.weight").detach()
    assert float(weight.std()) == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.02)
    bn = child.get_submodule("c3.bn")
    for tensor, value in ((bn.weight, 1), (bn.bias, 0), (bn.running_mean, 0), (bn.running_var, 1)):
        assert bool((tensor == value).all())
    bound = child.architecture.n_features() ** -0.5
    assert bound * 0.99 < float(child.get_parameter("fc.weight").detach().abs().max()) <= bound
    again = inherit_unmodified(parent, [Widen("c3", 4)], torch.Generator().manual_seed(1))
    assert weights_sha256(again) == weights_sha256(child)
    other = inherit_unmodified(parent, [Widen("c3", 4)], torch.Generator().manual_seed(2))
    assert weights_sha256(other) != weights_sha256(child)


def test_a_parent_in_float64_has_a_child_in_float64():
    child = inherit_unmodified(random_network(small_architecture()), [Deepen("c2", 3)])
    assert {t.dtype for t in child.parameters()} == {torch.float64}
