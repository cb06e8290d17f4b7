"""Architectures as data: shapes, sizes, digest, JSON and what is refused."""

import json
import random

import pytest

from searches.nash.architecture import Architecture, operand_maps
from searches.nash.draws import draw_morphisms
from searches.nash.morphisms import SkipAdd, Widen
from searches.nash.nodes import InvalidArchitecture, Node, UnknownNode
from tests.nash.networks import tangled_architecture


def chain(n: int, seed: int = 0) -> Architecture:
    model_0 = Architecture.initial(channels=(8, 8, 8))
    return model_0.morphed(draw_morphisms(model_0, n, random.Random(seed)))


def test_model_0_of_the_paper_has_the_sizes_counted_by_hand():
    model_0 = Architecture.initial()
    convolutions = (3 * 9 * 32 + 64) + 2 * (32 * 9 * 32 + 64)
    assert model_0.n_parameters == convolutions + 32 * 8 * 8 * 10 + 10 == 39_978
    assert model_0.n_macs == 27 * 32 * 1024 + 288 * 32 * 256 + 288 * 32 * 64 + 2048 * 10
    assert model_0.blocks == ("c1", "c2", "c3")
    assert model_0.shapes["p2"] == (32, 8, 8)
    assert model_0.consumers["c2"] == ("p2",)


def test_the_head_pools_globally_when_a_flattened_one_would_take_half_of_the_bound():
    assert not Architecture.initial((3, 32, 32), 10).nodes[-1].pool
    large = Architecture.initial((3, 64, 64), 1000, max_parameters=10_000_000)
    assert large.nodes[-1].pool
    assert large.parameters_of("fc") == 32 * 1000 + 1000
    assert Architecture.initial(head="global_pool").nodes[-1].pool
    assert not Architecture.initial((3, 64, 64), 1000, head="flatten", max_parameters=10_000_000).nodes[-1].pool


@pytest.mark.parametrize("seed", range(5))
def test_json_brings_back_the_same_architecture_and_digest(seed):
    architecture = chain(12, seed)
    again = Architecture.from_dict(json.loads(json.dumps(architecture.to_dict())))
    assert again == architecture
    assert again.digest == architecture.digest
    assert len(architecture.digest) == 16


def test_digests_are_those_under_which_found_networks_are_stored():
    assert Architecture.initial().digest == "b602cbb0c44fe7f4"
    assert tangled_architecture().digest == "eaebc45664fb465c"


def test_digests_are_equal_exactly_where_architectures_are():
    chains = [chain(n, seed) for n in range(4) for seed in range(4)]
    assert all((a.digest == b.digest) == (a == b) for a in chains for b in chains)


def test_a_mix_writes_its_identities_out():
    model_0 = Architecture.initial(channels=(8, 8, 8))
    child = model_0.morphed([SkipAdd("c1", "c2"), Widen("c2", 2)])
    assert operand_maps(child, "mix1") == (tuple(range(16)), tuple(range(8)))
    assert child.node("mix1").maps == (None, tuple(range(8)))


def test_an_unknown_node_is_named_with_the_blocks_there_are():
    with pytest.raises(UnknownNode, match=r"'c9'.*blocks: c1, c2, c3"):
        Architecture.initial().node("c9")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n[:1] + n[2:], "reads 'c1'"),
        (lambda n: [*n[:-1]], "the last the linear head"),
        (lambda n: [*n[:1], {**n[1], "op": "deconv"}, *n[2:]], "known are input, conv"),
        (lambda n: [*n[:1], {**n[1], "kernel": 4}, *n[2:]], "3 or 5, or 1"),
        (lambda n: [*n[:1], {**n[1], "channels": 0}, *n[2:]], "at least 1"),
        (lambda n: [*n[:1], {**n[1], "name": "a b"}, *n[2:]], "identifiers"),
        (lambda n: [*n[:1], {"op": "conv"}, *n[2:]], "give at least name and op"),
        (lambda n: [*n[:2], {**n[1], "name": "spare"}, *n[2:]], "nothing reads it"),
        (lambda n: [*n[:3], {**n[2], "name": "p9", "inputs": ["c1"]}, *n[3:]], "nothing reads it"),
    ],
)
def test_nodes_that_do_not_fit_are_refused_by_name(change, message):
    d = Architecture.initial().to_dict()
    with pytest.raises(InvalidArchitecture, match=message):
        Architecture.from_dict({**d, "nodes": change(d["nodes"])})


def test_a_mix_whose_maps_do_not_cover_its_operands_is_refused():
    nodes = Architecture.initial(channels=(8, 8, 8)).nodes
    mix = Node("mix1", "mix", ("p2", "p2"), channels=8, maps=(None, tuple(range(7))))
    with pytest.raises(InvalidArchitecture, match=r"mix1\.maps"):
        Architecture((3, 32, 32), (*nodes[:5], mix, Node("c3", "conv", ("mix1",), 3, 8), nodes[-1]))


def test_images_too_small_for_the_pools_are_refused():
    with pytest.raises(InvalidArchitecture, match="2 pools need at least 4 pixels"):
        Architecture.initial((3, 3, 3))
