"""The seal of Eq. (1): it holds for true children, and turns red and names the morphism for broken ones."""

import json
from dataclasses import replace

import pytest
import torch

from searches.nash.inheritance import WEIGHT_RULES, Seal, calibrate, inherit_from_statistics, measure_seal
from searches.nash.inheritance.seal import NO_MORPHISM
from searches.nash.morphisms import MORPHISMS, Deepen, SkipAdd, SkipConcat, Widen
from tests.nash.networks import TANGLED, child_of, images_for, random_chain, random_network, small_architecture

CHAIN = (SkipConcat("c1", "c2"), Deepen("c2", 3), Widen("c1", 2), SkipAdd("c1", "c3"))


def noisy(kind, size):
    """The weight rule of a kind with noise of that size in the first tensor it makes or the head."""
    rule = WEIGHT_RULES[kind]

    def sabotaged(morphism, change, parent, chance):
        child = rule(morphism, change, parent, chance)
        weight = child.tensors["fc.weight"]
        noise = size * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), dtype=weight.dtype)
        return replace(child, tensors={**child.tensors, "fc.weight": weight + noise})

    return sabotaged


@pytest.fixture
def parent():
    return random_network(small_architecture(), dtype=torch.float32)


def test_every_morphism_has_one_weight_rule():
    assert set(WEIGHT_RULES) == set(MORPHISMS)


@pytest.mark.parametrize("seed", range(3))
def test_the_seal_of_a_true_child_holds_in_both_precisions(seed):
    architecture, morphisms = random_chain(15, seed)
    parent = random_network(architecture, seed, torch.float32)
    seal = measure_seal(parent, child_of(parent, *morphisms), morphisms, images_for(parent, 600))
    assert seal.holds
    assert seal.broken_by is None
    assert seal.float32 <= 1e-4
    assert seal.float64 <= 1e-10
    assert (seal.n_images32, seal.n_images64) == (500, 16)


def test_the_seal_of_random_new_filters_holds(parent):
    morphisms = (Widen("c2", 2), Deepen("c2", 3))
    child = child_of(parent, *morphisms, widen_init="random")
    assert measure_seal(parent, child, morphisms, images_for(parent), widen_init="random").holds


def test_the_parents_own_slot_holds_with_no_morphism_at_all(parent):
    seal = measure_seal(parent, child_of(parent), (), images_for(parent))
    assert (seal.holds, seal.float32, seal.float64) == (True, 0.0, 0.0)


@pytest.mark.parametrize("kind", MORPHISMS)
def test_a_sabotaged_weight_rule_turns_the_seal_red_and_is_named(parent, kind, monkeypatch):
    monkeypatch.setitem(WEIGHT_RULES, kind, noisy(kind, 0.1))
    statistics = calibrate(parent, images_for(parent))
    child = inherit_from_statistics(parent, CHAIN, statistics)
    seal = measure_seal(parent, child, CHAIN, images_for(parent), statistics=statistics)
    assert not seal.holds
    assert seal.float32 > 1e-4
    assert seal.broken_by == next(m.words() for m in CHAIN if isinstance(m, kind))


def test_a_break_too_small_for_float32_is_seen_in_float64(parent, monkeypatch):
    monkeypatch.setitem(WEIGHT_RULES, Widen, noisy(Widen, 1e-8))
    child = child_of(parent, *CHAIN)
    seal = measure_seal(parent, child, CHAIN, images_for(parent))
    assert seal.float32 <= 1e-4
    assert not seal.holds
    assert seal.broken_by == "widen c1, ×2"


def test_a_batchnorm_left_at_its_defaults_breaks_the_seal(parent, monkeypatch):
    rule = WEIGHT_RULES[Deepen]

    def fresh(morphism, change, inherited, chance):
        child = rule(morphism, change, inherited, chance)
        (name,) = change.added
        left = {f"{name}.bn.running_mean": torch.zeros, f"{name}.bn.running_var": torch.ones}
        made = {k: make(child.tensors[k].shape).to(child.tensors[k]) for k, make in left.items()}
        return replace(child, tensors={**child.tensors, **made})

    monkeypatch.setitem(WEIGHT_RULES, Deepen, fresh)
    seal = measure_seal(parent, child_of(parent, *CHAIN), CHAIN, images_for(parent))
    assert seal.broken_by == "deepen c2, 3×3"


def test_a_child_changed_after_its_morphisms_breaks_the_seal(parent):
    child = child_of(parent, *CHAIN)
    with torch.no_grad():
        child.get_submodule("fc").bias[0] += 1
    seal = measure_seal(parent, child, CHAIN, images_for(parent))
    assert not seal.holds
    assert seal.float64 <= 1e-10
    assert seal.remeasured > 1e-2
    assert seal.broken_by == NO_MORPHISM


def test_a_child_of_nan_breaks_the_seal(parent):
    child = child_of(parent, *CHAIN)
    with torch.no_grad():
        child.get_submodule("fc").bias[0] = float("nan")
    seal = measure_seal(parent, child, CHAIN, images_for(parent))
    assert not seal.holds
    assert seal.broken_by


def test_a_miss_by_rounding_alone_is_measured_again_in_float64_and_holds(parent):
    child = child_of(parent, *CHAIN)
    child.get_submodule("fc").register_forward_hook(lambda module, inputs, logits: logits + 1e-3)  # float32 only
    seal = measure_seal(parent, child, CHAIN, images_for(parent))
    assert seal.float32 > seal.tolerance32
    assert seal.remeasured < 1e-5
    assert seal.float64 <= 1e-10
    assert seal.holds


def test_autocast_around_it_does_not_reach_the_measurement(parent):
    child = child_of(parent, *TANGLED)
    plain = measure_seal(parent, child, TANGLED, images_for(parent))
    with torch.autocast("cpu", torch.bfloat16):
        assert measure_seal(parent, child, TANGLED, images_for(parent)) == plain


def test_calibration_and_seal_can_be_stopped_at_any_batch(parent):
    class Stopped(Exception):
        pass

    for allowed in range(8):
        calls = iter(range(allowed))

        def beat(calls=calls):
            if next(calls, None) is None:
                raise Stopped

        with pytest.raises(Stopped):
            calibrate(parent, images_for(parent, 900), on_batch=beat)
        if allowed < 6:
            with pytest.raises(Stopped):
                measure_seal(parent, parent, (), images_for(parent, 600), on_batch=beat)


def test_measuring_changes_neither_network(parent):
    child = child_of(parent, *CHAIN).train()
    before = [t.clone() for network in (parent, child) for t in network.state_dict().values()]
    measure_seal(parent, child, CHAIN, images_for(parent))
    after = [t for network in (parent, child) for t in network.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert child.training


def test_a_seal_survives_json():
    for seal in (
        Seal(1e-7, 2e-16, True, n_images32=500, n_images64=16),
        Seal(0.5, float("inf"), False, broken_by="widen c1, ×2", remeasured=0.4),
    ):
        assert Seal.from_dict(json.loads(json.dumps(seal.to_dict(), allow_nan=False))) == seal
