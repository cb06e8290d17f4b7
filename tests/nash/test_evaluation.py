"""Logits and accuracy, with BatchNorm folded away."""

import math

import pytest
import torch

from searches.nash.evaluation import accuracy, balanced, evaluate, predict
from searches.nash.export import weights_sha256

from .images import random_images
from .networks import random_network, tangled_architecture


@pytest.fixture
def network():
    return random_network(tangled_architecture(), dtype=torch.float32)


@pytest.fixture
def images():
    return random_images(70)


def test_logits_are_those_of_the_network_in_evaluation_mode(network, images):
    wanted = network.eval()(network.normalise(images))
    torch.testing.assert_close(predict(network, images, batch_size=32), wanted.detach(), rtol=1e-4, atol=1e-5)


def test_float_images_are_taken_as_normalised_already(network, images):
    assert torch.equal(predict(network, network.normalise(images)), predict(network, images))


def test_bfloat16_is_close_and_seldom_ties(network, images):
    exact, rounded = predict(network, images), predict(network, images, dtype=torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert (exact - rounded).abs().max() < 0.05 * exact.abs().max()
    assert len(rounded.unique()) > len(rounded.bfloat16().unique())  # the head adds up in float32


def test_the_network_is_left_as_it_is(network, images):
    network.train()
    network.c2.bn.eval()
    before = weights_sha256(network)
    predict(network, images, dtype=torch.bfloat16)
    assert weights_sha256(network) == before
    assert (network.training, network.c2.bn.training) == (True, False)
    assert network.c1.conv.weight.requires_grad


def test_accuracy_is_the_share_that_is_highest_at_its_label(network, images):
    labels = predict(network, images).argmax(1)
    labels[:7] = (labels[:7] + 1) % 5
    assert evaluate(network, images, labels) == pytest.approx(63 / 70)


def test_accuracy_is_no_number_where_a_logit_is_none():
    assert math.isnan(accuracy(torch.tensor([[0.0, math.nan]]), torch.tensor([0])))
    assert math.isnan(accuracy(torch.tensor([[0.0, math.inf]]), torch.tensor([1])))
    assert math.isnan(accuracy(torch.empty(0, 2), torch.empty(0)))


def test_on_batch_is_called_before_each_batch(network, images):
    calls = []
    predict(network, images, batch_size=32, on_batch=lambda: calls.append(1))
    assert len(calls) == 3


def test_balanced_accuracy_is_the_mean_over_the_classes_that_occur():
    labels = torch.tensor([0, 0, 0, 0, 2, 2, 5])
    right = torch.tensor([True, True, True, False, False, True, False])
    assert balanced(right, labels) == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
