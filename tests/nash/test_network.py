"""Networks: what a forward pass computes, how they begin, what an optimiser is given, folding and export."""

import math

import pytest
import torch
from torch.nn import functional

from searches.nash.architecture import Architecture
from searches.nash.folding import fold_batchnorm
from searches.nash.morphisms import SkipAdd, SkipConcat
from searches.nash.network import Network, place
from searches.nash.nodes import InvalidArchitecture, Node
from searches.nash.steps import runs_of, steps_of
from tests.nash.networks import (
    TANGLED,
    child_of,
    images_for,
    random_chain,
    random_network,
    small_architecture,
    tangled_architecture,
)


def tangled_network(dtype: torch.dtype = torch.float64) -> Network:
    return random_network(tangled_architecture(), dtype=dtype).eval()


def reference_forward(network: Network, x: torch.Tensor) -> torch.Tensor:
    """The architecture read node by node, in its order, with nothing merged: what a forward pass must equal."""
    tensors, values = network.state_dict(), {"input": x}
    for node in network.architecture.nodes[1:]:
        inputs = [values[name] for name in node.inputs]
        if node.op == "conv":
            bn = [tensors[f"{node.name}.bn.{p}"] for p in ("running_mean", "running_var", "weight", "bias")]
            y = functional.conv2d(inputs[0], tensors[f"{node.name}.conv.weight"], padding=node.kernel // 2)
            mean, var, gamma, beta = (t.view(1, -1, 1, 1) for t in bn)
            values[node.name] = functional.relu((y - mean) / (var + 1e-5).sqrt() * gamma + beta)
        elif node.op == "max_pool":
            values[node.name] = functional.max_pool2d(inputs[0], 2)
        elif node.op == "concat":
            values[node.name] = torch.cat(inputs, 1)
        elif node.op == "mix":
            wide = [x.new_zeros(len(x), node.channels, *v.shape[2:]) for v in inputs]
            for target, value, channel_map in zip(wide, inputs, node.maps, strict=True):
                for k in range(value.shape[1]):
                    target[:, k if channel_map is None else channel_map[k]] = value[:, k]
            lam = tensors[f"{node.name}.lam"]
            values[node.name] = lam * wide[0] + (1 - lam) * wide[1]
        else:
            features = inputs[0].mean((2, 3)) if node.pool else inputs[0].flatten(1)
            values[node.name] = features @ tensors[f"{node.name}.weight"].T + tensors[f"{node.name}.bias"]
    return values[network.architecture.nodes[-1].name]


@pytest.mark.parametrize("head", ["flatten", "global_pool"])
@torch.no_grad()
def test_a_forward_pass_computes_what_the_architecture_says_node_by_node(head):
    network = random_network(small_architecture(head=head).morphed(TANGLED)).eval()
    ops = {node.op for node in network.architecture.nodes}
    assert ops == {"input", "conv", "max_pool", "concat", "mix", "linear"}
    assert any(channel_map for node in network.architecture.nodes for channel_map in node.maps)
    assert any(node.kernel == 1 for node in network.architecture.nodes)
    x = images_for(network)
    assert (network(x) - reference_forward(network, x)).abs().max() < 1e-12


@torch.no_grad()
def test_random_chains_forward_as_their_nodes_say():
    for seed in range(5):
        architecture, morphisms = random_chain(15, seed)
        network = random_network(architecture.morphed(morphisms), seed).eval()
        x = images_for(network, 3)
        reference = reference_forward(network, x)
        assert (network(x) - reference).abs().max() <= 1e-12 * reference.abs().max().clamp(min=1)


def test_pooling_before_the_relu_changes_neither_value_nor_gradient_by_a_bit():
    network = tangled_network(torch.float32).train()
    merged = [step for step in steps_of(network.architecture) if step.pool_first]
    assert merged, "no block of this architecture is read by a pool alone"
    x = images_for(network)
    gradients = []
    for logits in (network(x), network.watched(x, lambda name, value: None)):
        network.zero_grad()
        logits.square().sum().backward()
        gradients.append([logits.detach(), *(p.grad.clone() for p in network.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_pools_of_the_same_value_are_computed_once():
    architecture = small_architecture().morphed([SkipConcat("c1", "c3"), SkipAdd("c1", "c3"), SkipAdd("c1", "c2")])
    assert sum(node.op == "max_pool" for node in architecture.nodes) == 7
    steps = steps_of(architecture)
    assert sum(step.op == "max_pool" or step.pool_first for step in steps) == 3
    assert next(step for step in steps if step.name == "c1").pool_first


def test_watched_shows_every_block_after_its_relu_and_before_its_pool():
    network = tangled_network()
    seen = {}
    with torch.no_grad():
        network.watched(images_for(network), lambda name, value: seen.update({name: value}))
    for block in network.architecture.blocks:
        assert tuple(seen[block].shape[1:]) == network.architecture.shapes[block]
        assert seen[block].min() == 0


def test_watched_shows_every_node_pools_of_the_same_value_too():
    network = random_network(small_architecture().morphed([SkipConcat("c1", "c3"), SkipAdd("c1", "c3")]))
    seen = {}
    with torch.no_grad():
        network.watched(images_for(network), lambda name, value: seen.update({name: value}))
    assert set(seen) == set(network.architecture.shapes) - {"input"}


def test_values_are_let_go_when_nothing_reads_them_any_more():
    architecture = tangled_architecture()
    live = {"input"}
    for step in steps_of(architecture):
        assert set(step.inputs) <= live
        live = (live | {step.output}) - set(step.dead)
    assert live == {architecture.nodes[-1].name}


@torch.no_grad()
def test_a_mix_at_lambda_one_is_its_first_operand_to_the_bit_in_any_precision():
    network = random_network(small_architecture().morphed(TANGLED[:2]))
    mix = next(network.mixes())
    mix.lam.fill_(1)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        f, h = (torch.randn(2, mix.channels, 4, 4, dtype=dtype) * scale for scale in (1, 1000))
        assert torch.equal(mix(f, h), f)


@torch.no_grad()
def test_operands_are_placed_on_their_channels_with_zeros_elsewhere():
    for channel_map, channels in (((0, 1), 2), ((0, 1), 4), ((2, 3), 4), ((0, 3, 4), 6), ((3, 1, 0), 5)):
        x = torch.randn(2, len(channel_map), 3, 3)
        wanted = torch.zeros(2, channels, 3, 3)
        wanted[:, list(channel_map)] = x
        assert torch.equal(place(x, runs_of(channel_map), channels), wanted)


def test_convolutions_start_he_normal_and_the_head_as_torch_has_it():
    architecture = Architecture.initial((3, 32, 32), 10, channels=(64, 128, 64))
    network = Network(architecture, torch.Generator().manual_seed(0))
    for name in architecture.blocks:
        weight = network.get_submodule(name).conv.weight
        assert weight.std().item() == pytest.approx(math.sqrt(2 / weight[0].numel()), rel=0.05)
        assert abs(weight.mean().item()) < 0.01
        assert (weight.abs() > 2.5 * weight.std()).any(), "uniform, not normal"
    bound = 1 / math.sqrt(architecture.n_features())
    head = network.get_submodule("fc")
    for tensor in (head.weight, head.bias):
        assert tensor.abs().max() <= bound
    assert head.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert all(p.requires_grad for p in network.parameters())


def test_the_generator_alone_decides_the_weights():
    architecture = tangled_architecture()
    state = torch.get_rng_state()
    first = Network(architecture, torch.Generator().manual_seed(5)).state_dict()
    again = Network(architecture, torch.Generator().manual_seed(5)).state_dict()
    other = Network(architecture, torch.Generator().manual_seed(6)).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["c1.conv.weight"], other["c1.conv.weight"])


def test_the_trainable_parameters_are_those_that_the_architecture_counts():
    for seed in range(3):
        architecture, morphisms = random_chain(12, seed)
        child = architecture.morphed(morphisms)
        assert sum(p.numel() for p in Network(child).parameters()) == child.n_parameters


def test_weight_decay_spares_batchnorm_biases_and_lambda():
    network = tangled_network()
    decayed, free = network.parameter_groups(5e-4)
    assert (decayed["weight_decay"], free["weight_decay"]) == (5e-4, 0.0)
    names = {id(p): name for name, p in network.named_parameters()}
    assert all(names[id(p)].endswith("conv.weight") or names[id(p)] == "fc.weight" for p in decayed["params"])
    assert {names[id(p)].rsplit(".", 1)[1] for p in free["params"]} == {"weight", "bias", "lam"}
    assert not any("conv" in names[id(p)] for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(names)


def test_lambdas_are_put_back_between_zero_and_one():
    network = tangled_network()
    for mix, value in zip(network.mixes(), (1.2, -0.3, 0.4), strict=True):
        mix.lam.data.fill_(value)
    network.clamp_lambdas_()
    assert [mix.lam.item() for mix in network.mixes()] == [1.0, 0.0, pytest.approx(0.4)]


def test_bytes_and_fractions_are_normalised_alike():
    network = random_network(small_architecture(), dtype=torch.float32)
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    x = network.normalise(images)
    wanted = (images.double() / 255 - network.mean.double().view(-1, 1, 1)) / network.std.double().view(-1, 1, 1)
    assert x.dtype == torch.float32
    assert (x - wanted).abs().max() < 1e-5
    assert torch.equal(network.normalise(images.float() / 255), x)
    assert network.double().normalise(images).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("beyond", [0, 1])
def test_rows_of_pixels_are_normalised_to_the_same_bits(dtype, beyond):
    network = random_network(small_architecture(), dtype=torch.float32)
    network.set_normalisation_(torch.tensor([0.49, 0.48, 0.45]), torch.tensor([0.25, 0.24, 0.26]))
    rows = torch.randint(0, 256, (40, 32, 32, 3 + beyond), dtype=torch.uint8)
    x = network.normalise_rows(rows, dtype)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, network.normalise(rows[..., :3].permute(0, 3, 1, 2)).to(dtype))


def test_a_constant_channel_is_refused_as_a_divisor():
    with pytest.raises(ValueError, match="std"):
        Network(small_architecture()).set_normalisation_(torch.zeros(3), torch.tensor([1.0, 0.0, 1.0]))


@torch.no_grad()
def test_folding_batchnorm_keeps_the_function_and_leaves_the_network_alone():
    network = tangled_network()
    before = {name: t.clone() for name, t in network.state_dict().items()}
    folded = fold_batchnorm(network)
    x = images_for(network)
    assert (folded(x) - network(x)).abs().max() <= 1e-12
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    for parameter in folded.parameters():
        parameter.zero_()
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


@torch.no_grad()
def test_channels_last_computes_what_the_plain_layout_does():
    network = tangled_network(torch.float32)
    x = images_for(network)
    plain = network(x)
    last = network.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    assert (last - plain).abs().max() <= 1e-5 * plain.abs().max().clamp(min=1)


def test_a_network_trains_under_bfloat16_autocast():
    network = tangled_network(torch.float32).train().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images_for(network))
    assert logits.dtype == torch.bfloat16
    logits.float().logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@torch.no_grad()
def test_a_forward_pass_can_be_captured_by_torch_export():
    network = tangled_network(torch.float32)
    x = images_for(network)
    captured = torch.export.export(network, (x,)).module()
    assert (captured(x) - network(x)).abs().max() <= 1e-6


def test_tensors_of_another_network_are_refused():
    other = Network(small_architecture((4, 4, 4)))
    with pytest.raises(RuntimeError, match=r"c2\.conv\.weight"):
        Network(small_architecture(), tensors=other.state_dict())


@pytest.mark.parametrize("name", ["forward", "c", "self", "__class__", "É1", "C1"])
def test_a_node_name_that_could_be_code_is_refused(name):
    nodes = (
        Node("input", "input"),
        Node(name, "conv", ("input",), kernel=3, channels=2),
        Node("fc", "linear", (name,), channels=2),
    )
    with pytest.raises(InvalidArchitecture, match="name"):
        Network(Architecture((1, 4, 4), nodes))


def test_a_child_is_a_network_of_the_child_architecture():
    parent = random_network(small_architecture())
    child = child_of(parent, *TANGLED)
    assert child.architecture == tangled_architecture()
    assert child.mean.dtype == torch.float64
    assert child.training
