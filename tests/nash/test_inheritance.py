"""Eq. (1): children compute what their parents compute; what new tensors hold; the parent stays as it is."""

import pytest
import torch

from searches.nash.config import Bounds
from searches.nash.inheritance import calibrate, exact_evaluation, inherit, inherit_from_statistics
from searches.nash.inheritance.calibration import BATCH
from searches.nash.inheritance.weights import DEAD_VARIANCE
from searches.nash.morphisms import Deepen, SkipAdd, SkipConcat, Widen
from searches.nash.network import Network
from tests.nash.networks import (
    TANGLED,
    bytes_of,
    child_of,
    difference,
    images_for,
    random_chain,
    random_network,
    randomised,
    small_architecture,
)

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
KINDS = [
    Deepen("c2", 3),
    Deepen("c1", 5),
    Widen("c1", 2),
    Widen("c3", 4),
    SkipConcat("c1", "c3"),
    SkipAdd("c1", "c3"),
]


def words(value):
    return value.words() if hasattr(value, "words") else None


# ---------------------------------------------------------------------- the function is kept


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("morphism", KINDS, ids=words)
def test_each_morphism_keeps_the_function(morphism, dtype):
    parent = random_network(small_architecture(), seed=1, dtype=dtype)
    child = child_of(parent, morphism)
    assert child.architecture != parent.architecture
    assert difference(parent, child) <= TOLERANCE[dtype]


@pytest.mark.parametrize("seed", range(6))
def test_a_child_with_trained_skips_is_a_parent_like_any_other(seed):
    """BatchNorms and lambdas are random again after each morphism, so nothing hides behind lambda = 1."""
    architecture, morphisms = random_chain(20, seed)
    parent = random_network(architecture, seed)
    for k, morphism in enumerate(morphisms):
        child = child_of(parent, morphism)
        assert difference(parent, child) <= 1e-10, morphism.words()
        parent = randomised(child, seed=k)


@pytest.mark.parametrize("head", ["flatten", "global_pool"])
def test_the_tangled_topologies_keep_the_function_at_every_lambda(head):
    parent = random_network(small_architecture(head=head))
    for k, morphism in enumerate(TANGLED):
        child = child_of(parent, morphism)
        assert difference(parent, child) <= 1e-10, morphism.words()
        if not isinstance(morphism, Deepen):
            assert difference(parent, child, training=True) <= 1e-10, morphism.words()
        parent = randomised(child, seed=k)


@pytest.mark.parametrize("morphism", [m for m in KINDS if not isinstance(m, Deepen)], ids=words)
def test_widening_and_skips_keep_the_function_in_training_mode_too(morphism):
    parent = random_network(small_architecture(), seed=2)
    assert difference(parent, child_of(parent, morphism), training=True) <= 1e-10


def test_a_deepened_block_is_exact_in_training_mode_while_its_batchnorm_is_frozen():
    parent = random_network(small_architecture())
    child = child_of(parent, Deepen("c2", 3))
    x = images_for(parent)
    child.train().get_submodule("c4.bn").eval()
    with torch.no_grad():
        assert (child(x) - parent.train()(x)).abs().max() <= 1e-10


# ---------------------------------------------------------------------- what is new


def test_a_deepened_block_is_dirac_with_a_batchnorm_that_is_the_identity_on_the_data():
    parent = random_network(small_architecture())
    images = images_for(parent, 40)
    child = inherit(parent, [Deepen("c2", 5)], images)
    block = child.get_submodule("c4")
    mean, var = calibrate(parent, images)["c2"]
    assert torch.equal(block.conv.weight, torch.nn.init.dirac_(torch.empty(6, 6, 5, 5, dtype=torch.float64)))
    assert torch.equal(block.bn.running_mean, mean)
    assert torch.equal(block.bn.running_var, var)
    assert torch.equal(block.bn.bias, mean)
    assert torch.allclose(block.bn.weight, (var + block.bn.eps).sqrt(), rtol=1e-14)
    assert block.bn.num_batches_tracked == 0


def test_a_dead_channel_gets_a_variance_that_neither_squashes_nor_blows_up():
    parent = random_network(small_architecture())
    with torch.no_grad():
        parent.get_submodule("c2").bn.bias[1] = -100
    child = child_of(parent, Deepen("c2", 3))
    bn = child.get_submodule("c4").bn
    assert bn.running_var[1] == DEAD_VARIANCE
    assert bn.weight[1].item() == pytest.approx((DEAD_VARIANCE + bn.eps) ** 0.5)
    assert difference(parent, child) <= 1e-10
    with torch.no_grad():
        for network in (parent, child):
            network.get_submodule("c2").bn.bias[1] = 1  # it wakes
    assert difference(parent, child) <= 1e-10


def test_widened_filters_are_copies_batchnorm_included():
    parent = random_network(small_architecture())
    child = child_of(parent, Widen("c2", 4))
    old, new = (n.get_submodule("c2").state_dict() for n in (parent, child))
    for name in ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"):
        assert torch.equal(new[name], torch.cat([old[name]] * 4)), name


def test_random_filters_are_he_normal_with_the_statistics_of_the_data():
    parent = random_network(small_architecture(channels=(16, 32, 16)))
    images = images_for(parent, 32, seed=11)
    child = child_of(parent, Widen("c2", 4), Deepen("c2", 3), widen_init="random")
    new = child.get_submodule("c2").conv.weight[32:]
    assert new.std().item() == pytest.approx((2 / new[0].numel()) ** 0.5, rel=0.05)
    seen = []
    handle = child.get_submodule("c2.bn").register_forward_hook(lambda m, i, o: seen.append(o.clone()))
    with exact_evaluation(child):
        child(images)
    handle.remove()
    var, mean = torch.var_mean(seen[0], (0, 2, 3), correction=0)
    assert mean[32:].abs().max() < 1e-9
    assert (var[32:] - 1).abs().max() < 1e-3
    relu = seen[0].relu()
    assert torch.allclose(child.get_submodule("c4.bn").running_mean, relu.mean((0, 2, 3)))
    assert difference(parent, child) <= 1e-10
    widened = child_of(parent, Widen("c2", 4), widen_init="random")
    assert difference(parent, widened, training=True) <= 1e-10


def test_random_filters_without_images_to_calibrate_on_are_refused():
    parent = random_network(small_architecture())
    statistics = calibrate(parent, images_for(parent))
    with pytest.raises(ValueError, match="calibration"):
        inherit_from_statistics(parent, [Widen("c1", 2)], statistics, widen_init="random")
    with pytest.raises(ValueError, match="widen_init='zero'"):
        inherit_from_statistics(parent, [Widen("c1", 2)], statistics, widen_init="zero")


def test_a_projection_is_he_normal_and_lambda_starts_at_one():
    parent = random_network(small_architecture(channels=(16, 8, 32)))
    child = child_of(parent, SkipAdd("c1", "c3"))
    weight = child.get_submodule("proj1.conv").weight
    assert weight.shape == (32, 16, 1, 1)
    assert weight.std().item() == pytest.approx((2 / 16) ** 0.5, rel=0.15)
    assert child.get_submodule("mix1").lam.item() == 1


# ---------------------------------------------------------------------- the parent, and where numbers come from


@pytest.mark.parametrize("widen_init", ["copy", "random"])
def test_the_parent_keeps_every_byte_and_shares_no_memory_with_its_child(widen_init):
    parent = random_network(small_architecture().morphed(TANGLED[:3])).train()
    before, version = bytes_of(parent), [t._version for t in parent.state_dict().values()]
    child = child_of(parent, *TANGLED[3:], widen_init=widen_init)
    memory = {t.data_ptr() for t in parent.state_dict().values()}
    assert not any(t.data_ptr() in memory for t in child.state_dict().values())
    with torch.no_grad():
        for tensor in child.state_dict().values():
            tensor.zero_()
    assert bytes_of(parent) == before
    assert [t._version for t in parent.state_dict().values()] == version
    assert parent.training
    assert all(module.training for module in parent.modules())


def test_a_child_without_morphisms_is_a_copy():
    parent = random_network(small_architecture().morphed(TANGLED))
    child = inherit(parent, [], images_for(parent))
    assert bytes_of(child) == bytes_of(parent)
    assert child.architecture == parent.architecture


def test_no_two_tensors_of_a_child_share_memory():
    child = child_of(random_network(small_architecture()), *TANGLED)
    addresses = [t.data_ptr() for t in child.state_dict().values()]
    assert len(set(addresses)) == len(addresses)


def test_the_same_generator_gives_the_same_child():
    parent = random_network(small_architecture(), dtype=torch.float32)
    statistics = calibrate(parent, images_for(parent))
    state = torch.get_rng_state()
    children = [
        inherit_from_statistics(parent, TANGLED, statistics, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert bytes_of(children[0]) == bytes_of(children[1])
    assert bytes_of(children[0]) != bytes_of(children[2])


def test_one_calibration_of_the_parent_serves_the_whole_chain(monkeypatch):
    architecture, morphisms = random_chain(20, 3)
    parent = random_network(architecture, 3)
    statistics = calibrate(parent, images_for(parent, 32, seed=11))
    monkeypatch.setattr(Network, "forward", lambda self, x: pytest.fail("a pass after calibration"))
    monkeypatch.setattr(Network, "watched", lambda self, x, watch: pytest.fail("a pass after calibration"))
    child = inherit_from_statistics(parent, morphisms, statistics)
    monkeypatch.undo()
    assert difference(parent, child) <= 1e-10


def test_statistics_carried_along_a_chain_are_those_that_a_pass_of_each_child_would_give():
    parent = random_network(small_architecture())
    images = images_for(parent, 40)
    chain = [
        Widen("c2", 2),
        Deepen("c2", 3),
        SkipConcat("c1", "c4"),
        Deepen("c4", 5),
        Widen("c3", 2),
        Deepen("c3", 3),
    ]
    child = inherit(parent, chain, images)
    for after, born in (("c2", "c4"), ("c4", "c5"), ("c3", "c6")):
        mean, var = calibrate(child, images)[after]
        bn = child.get_submodule(f"{born}.bn")
        assert torch.allclose(bn.running_mean, mean, atol=1e-10)
        assert torch.allclose(bn.running_var, var.clamp(min=DEAD_VARIANCE), atol=1e-10)


def test_calibration_is_the_mean_and_variance_of_each_block_after_its_relu():
    parent = random_network(small_architecture()).train()
    images = images_for(parent, BATCH + 10)
    values = {}
    with exact_evaluation(parent):
        parent.watched(images, lambda name, value: values.update({name: value}))
    statistics = calibrate(parent, images)
    assert set(statistics) == set(parent.architecture.blocks)
    for name, (mean, var) in statistics.items():
        assert torch.allclose(mean, values[name].mean((0, 2, 3)), atol=1e-12)
        assert torch.allclose(var, values[name].var((0, 2, 3), correction=0), atol=1e-12)


def test_calibration_ignores_autocast_and_half_precision():
    parent = random_network(small_architecture(), dtype=torch.float32)
    images = images_for(parent)
    plain = calibrate(parent, images)
    with torch.autocast("cpu", torch.bfloat16):
        cast = calibrate(parent, images)
    for name, (mean, var) in plain.items():
        assert torch.equal(mean, cast[name][0])
        assert torch.equal(var, cast[name][1])
    half = calibrate(parent.bfloat16(), images)
    assert all(t.dtype == torch.float32 for pair in half.values() for t in pair)


def test_calibration_without_images_is_refused():
    parent = random_network(small_architecture())
    with pytest.raises(ValueError, match="images"):
        calibrate(parent, images_for(parent)[:0])


def test_exact_evaluation_puts_everything_back():
    network = random_network(small_architecture()).train()
    network.get_submodule("c1.bn").eval()
    before = [module.training for module in network.modules()]
    matmul = torch.backends.cuda.matmul
    precision = matmul.fp32_precision
    with exact_evaluation(network):
        assert not any(module.training for module in network.modules())
        assert not torch.is_grad_enabled()
        assert matmul.fp32_precision == "ieee"
    with pytest.raises(RuntimeError), exact_evaluation(network):
        network(images_for(network)[:, :1])
    assert [module.training for module in network.modules()] == before
    assert torch.is_grad_enabled()
    assert matmul.fp32_precision == precision


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_long_chains_of_wide_networks_keep_the_function(seed):
    architecture, morphisms = random_chain(30, seed, Bounds(max_channels=64, max_parameters=400_000))
    parent = random_network(architecture, seed)
    assert difference(parent, child_of(parent, *morphisms)) <= 1e-10
