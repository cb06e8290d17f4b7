"""All forms of a network with a mix, a concat and a projection err alike on images of CIFAR-10's test part."""

import random

import pytest
import torch

from searches.nash.architecture import Architecture
from searches.nash.imagefolder.archives import open_source
from searches.nash.imagefolder.decode import decode
from searches.nash.imagefolder.layout import find_layout
from searches.nash.morphisms import SkipAdd, SkipConcat, Widen
from searches.nash.parity import parity
from tests.nash.exported import answers_with_what_the_readme_names, every_form
from tests.nash.networks import random_network

N_IMAGES = 2000


@pytest.fixture(scope="module")
def cifar10(cifar10_zip, tmp_path_factory):
    """Images uint8 (N, 3, 32, 32), labels (N,) and the names of the classes."""
    source, listing = open_source(cifar10_zip, tmp_path_factory.mktemp("scratch"))
    layout = find_layout(listing)
    chosen = random.Random(0).sample(layout.test, N_IMAGES)
    with source.reader() as reader:
        decoded = decode(reader, [entry for entry, _ in chosen], 32)
    return torch.from_numpy(decoded.images), torch.tensor([label for _, label in chosen]), layout.classes


@pytest.mark.slow
def test_every_form_errs_alike_on_test_images_of_cifar10(cifar10, tmp_path):
    images, labels, classes = cifar10
    architecture = Architecture.initial((3, 32, 32), 10, channels=(8, 12, 16)).morphed(
        [SkipConcat("c1", "c2"), SkipAdd("c1", "c3"), Widen("c2", 2)]
    )
    assert {"mix", "concat"} <= {node.op for node in architecture.nodes}
    assert any(node.kernel == 1 for node in architecture.nodes)  # the projection
    network = random_network(architecture, dtype=torch.float32).eval()
    folder = every_form(network, tmp_path, {"name": "parity", "classes": list(classes)})
    found = parity([network], folder, images, labels)
    assert found["holds"], found["errors"]
    assert found["n_images"] == N_IMAGES
    answers = answers_with_what_the_readme_names(folder, images)
    assert len(answers[0].argmax(1).unique()) > 3  # else equal errors would mean little
    for logits in answers:
        error = float((logits.argmax(1) != labels).double().mean())
        assert abs(error - found["errors"]["trainer"]) <= 0.0001
