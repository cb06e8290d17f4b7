"""Reference networks: wide residual networks, counted by hand and by torch, wired right, trained and exported."""

import json
import random
from itertools import count

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from searches.nash.architecture import Architecture
from searches.nash.config import Bounds
from searches.nash.draws import candidates, draw
from searches.nash.evaluation import predict
from searches.nash.execution import execute
from searches.nash.export import export_model, weights_sha256
from searches.nash.export_source import model_source
from searches.nash.folding import fold_batchnorm
from searches.nash.hillclimb import Job
from searches.nash.model_zip import readme
from searches.nash.morphisms import MORPHISMS
from searches.nash.network import Graph, Network
from searches.nash.nodes import InvalidArchitecture, Node
from searches.nash.references import wide_resnet
from tests.nash.exported import STRANGER, run_alone, unpacked
from tests.nash.images import TINY
from tests.nash.networks import images_for, random_network

pytestmark = pytest.mark.usefixtures("one_thread")

PUBLISHED = [(16, 4, 2_748_890), (28, 10, 36_479_194)]


def groups(width: int) -> tuple[tuple[int, int], ...]:
    """Channels and first stride of each group, as the authors' Table 1 has them."""
    return (16 * width, 1), (32 * width, 2), (64 * width, 2)


def counted_by_hand(depth: int, width: int, side: int, n_classes: int) -> tuple[int, int]:
    """Parameters and multiply-accumulates, block by block."""
    parameters, macs, c_in = 27 * 16, 27 * 16 * side**2, 16
    for channels, first_stride in groups(width):
        for k in range((depth - 4) // 6):
            side = -(-side // first_stride) if k == 0 else side
            weights = 9 * c_in * channels + 9 * channels**2 + (c_in * channels if k == 0 and c_in != channels else 0)
            parameters += weights + 2 * c_in + 2 * channels
            macs += weights * side**2
            c_in = channels
    return parameters + 2 * c_in + c_in * n_classes + n_classes, macs + c_in * n_classes


def on_meta(architecture: Architecture) -> nn.Module:
    """The network's shapes without its memory."""
    with torch.device("meta"):
        return Graph(architecture)


def by_the_book(network: Network, depth: int, width: int, x: Tensor) -> Tensor:
    """The forward pass as its authors write it, in evaluation mode: nothing of our graph but the weights."""
    tensors, convolutions, norms = network.state_dict(), count(1), count(1)

    def conv(x: Tensor, stride: int = 1) -> Tensor:
        weight = tensors[f"conv{next(convolutions)}.weight"]
        return functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def active(x: Tensor) -> Tensor:
        name = f"norm{next(norms)}"
        mean, var, gamma, beta = (tensors[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return functional.relu(functional.batch_norm(x, mean, var, gamma, beta))

    x = conv(x)
    for channels, first_stride in groups(width):
        for k in range((depth - 4) // 6):
            stride = first_stride if k == 0 else 1
            a = active(x)
            y = conv(active(conv(a, stride)))
            x = y + (x if x.shape[1] == channels and stride == 1 else conv(a, stride))
    return functional.linear(active(x).mean((2, 3)), tensors["fc.weight"], tensors["fc.bias"])


@pytest.mark.parametrize(("depth", "width", "published"), PUBLISHED)
def test_parameters_are_the_published_ones_counted_by_hand_and_by_torch(depth, width, published):
    wrn = wide_resnet(depth, width)
    assert wrn.n_parameters == counted_by_hand(depth, width, 32, 10)[0] == published
    assert sum(p.numel() for p in on_meta(wrn).parameters()) == published


@pytest.mark.parametrize(("depth", "width", "side"), [(16, 4, 32), (28, 10, 32), (10, 1, 9)])
def test_multiply_accumulates_are_those_of_torchs_flop_counter(depth, width, side):
    wrn = wide_resnet(depth, width, (3, side, side))
    with FlopCounterMode(display=False) as counter:
        on_meta(wrn)(torch.empty(1, 3, side, side, device="meta"))
    assert counter.get_total_flops() == 2 * wrn.n_macs
    assert wrn.n_macs == counted_by_hand(depth, width, side, 10)[1]


@pytest.mark.parametrize(("depth", "width", "side"), [(10, 1, 8), (10, 2, 9), (16, 2, 8)])
@torch.no_grad()
def test_a_forward_pass_is_that_of_the_authors(depth, width, side):
    network = random_network(wide_resnet(depth, width, (3, side, side), 5)).eval()
    x = images_for(network)
    wanted = by_the_book(network, depth, width, x)
    assert wanted.std(0).min() > 1e-3
    assert (network(x) - wanted).abs().max() <= 1e-12 * wanted.abs().max().clamp(min=1)


def test_small_and_odd_images_keep_the_ceiling_of_half_a_side():
    sides = {shape[1:] for shape in wide_resnet(16, 4, (1, 9, 7)).shapes.values()}
    assert sides == {(9, 7), (5, 4), (3, 2), (1, 1)}
    assert wide_resnet(16, 4, (1, 1, 1)).shapes["norm13"] == (256, 1, 1)


def test_no_morphism_applies_to_a_reference():
    wrn = wide_resnet(10, 2)
    assert wrn.blocks == ()
    assert all(candidates(kind, wrn, Bounds()) == () for kind in MORPHISMS)
    assert draw(wrn, 3, random.Random(0)).morphisms == ()


@pytest.mark.parametrize(("depth", "width"), [(4, 1), (17, 4), (28, 0)])
def test_a_size_that_is_none_is_refused(depth, width):
    with pytest.raises(InvalidArchitecture, match=f"WRN-{depth}-{width}: the depth is 10, 16, 22"):
        wide_resnet(depth, width)


def test_json_brings_back_the_same_reference():
    wrn = wide_resnet(16, 4)
    again = Architecture.from_dict(json.loads(json.dumps(wrn.to_dict())))
    assert again == wrn
    assert again.digest == wrn.digest
    assert sum(node.stride == 2 for node in again.nodes) == 4


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("conv2", "convolution", ("conv1",), kernel=5, channels=4), "conv2: kernel 5, stride 1; 1 or 3, 1 or 2"),
        (Node("conv2", "convolution", ("conv1",), kernel=3, channels=4, stride=3), "stride 3"),
        (Node("conv2", "convolution", ("conv1",), kernel=3), "at least 1"),
        (Node("c2", "conv", ("conv1",), kernel=3, channels=4, stride=2), "c2.stride=2: only a convolution has one"),
        (Node("add1", "add", ("conv1", "input")), r"add1: a sum of \(4, 8, 8\) and \(3, 8, 8\)"),
        (Node("add1", "add", ("conv1",)), "a add with 1 inputs"),
    ],
)
def test_nodes_that_do_not_fit_are_refused_by_name(node, message):
    first = Node("conv1", "convolution", ("input",), kernel=3, channels=4)
    head = Node("fc", "linear", (node.name,), channels=5)
    with pytest.raises(InvalidArchitecture, match=message):
        Architecture((3, 8, 8), (Node("input", "input"), first, node, head))


def test_a_fresh_reference_is_he_normal_with_batchnorms_that_are_the_identity():
    network = Network(wide_resnet(10, 4), torch.Generator().manual_seed(1))
    weight = network.get_parameter("conv6.weight")  # 3x3, of 128 channels
    assert float(weight.detach().std()) == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    for name in ("norm1", "norm7"):
        norm = network.get_submodule(name)
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert torch.equal(norm.running_var, torch.ones_like(norm.weight))
        assert not norm.bias.any()
    again = Network(wide_resnet(10, 4), torch.Generator().manual_seed(1))
    assert weights_sha256(again) == weights_sha256(network)


def test_weight_decay_spares_the_norms():
    decayed, free = Network(wide_resnet(10, 1)).parameter_groups(0.1)
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert sum(p.numel() for p in free["params"]) == 2 * (16 + 16 + 16 + 32 + 32 + 64 + 64) + 10


@pytest.mark.parametrize(("width", "n_left"), [(1, 4), (2, 3)])
@torch.no_grad()
def test_norms_fold_into_their_convolution_where_nothing_else_reads_it(width, n_left):
    """The second norm of each block folds, and the very first where its convolution is not a shortcut as well."""
    network = random_network(wide_resnet(10, width, (3, 8, 8), 5)).eval()
    before, x = weights_sha256(network), images_for(network)
    folded = fold_batchnorm(network)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in folded.modules()) == n_left
    assert (folded(x) - network(x)).abs().max() <= 1e-12 * network(x).abs().max()
    assert weights_sha256(network) == before


@torch.no_grad()
def test_a_reference_is_evaluated_in_bfloat16_as_in_float32_but_for_its_digits():
    network = random_network(wide_resnet(10, 2, (3, 8, 8), 5), dtype=torch.float32).eval()
    x = images_for(network, 40)
    exact, rounded = predict(network, x), predict(network, x, dtype=torch.bfloat16)
    assert not torch.equal(exact, rounded)
    assert (exact - rounded).abs().max() <= 0.05 * exact.abs().max()


def test_wrn_16_4_is_trained_tested_exported_and_loaded_again(digits, tmp_path):
    wrn = wide_resnet(16, 4, digits.input_shape, 10)
    job = Job("reference", 0, 3, None, (), wrn, epochs=1)
    points = []
    trained = execute(job, TINY.replace(batch_size=60), digits, on_point=points.append)
    assert points[-1].optimiser_step == 5  # 300 images, those of the validation set included
    assert points[-1].val_accuracy is None
    assert 0 <= trained.test_accuracy <= 1
    assert trained.test_softmax.shape == (60, 10)
    fresh = Network(wrn, torch.Generator().manual_seed(0))
    assert all(
        not torch.equal(after, fresh.get_parameter(name)) for name, after in trained.network.named_parameters()
    )
    path = export_model(trained.network, tmp_path / "model.zip", info={})
    assert weights_sha256(Network.load(path)) == weights_sha256(trained.network)


def test_an_exported_reference_gives_the_same_logits_without_this_project(tmp_path):
    network = random_network(wide_resnet(10, 2, (3, 8, 8), 5), dtype=torch.float32).eval()
    folder = unpacked(export_model(network, tmp_path / "model.zip", info={}))
    images = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.save(images, folder / "images.pt")
    done = run_alone(folder, "-c", STRANGER)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        expected = network(network.normalise(images))
    logits = torch.load(folder / "logits.pt", weights_only=True)
    assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)


def test_a_reference_is_not_called_found_by_nash():
    wrn, model_0 = wide_resnet(10, 1), Architecture.initial()
    source = model_source(wrn, {}, mean=(0.5,) * 3, std=(0.2,) * 3)
    assert "designed by people and trained as a reference for NASH" in source
    assert "found by NASH" not in source + readme(wrn, {})
    assert "found by NASH" in readme(model_0, {})
    assert "model_0, trained as a reference" in readme(model_0, {"origin": "model_0, trained as a reference"})
