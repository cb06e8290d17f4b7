"""What tests of the engine share: one thread, so that bits repeat, a few pictures of digits, a download."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from searches.nash.data import ImageSet
from searches.nash.export import export_model
from searches.nash.network import Network
from tests.nash.exported import INFO
from tests.nash.images import few_digits
from tests.nash.networks import random_network, tangled_architecture


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread while the test runs; `pytestmark = pytest.mark.usefixtures("one_thread")` for a file."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    """300 training and 60 test images of digits, read once a file of tests."""
    return few_digits()


@pytest.fixture
def network() -> Network:
    """A network in which every operation occurs."""
    return random_network(tangled_architecture(), dtype=torch.float32).eval()


@pytest.fixture
def exported(network, tmp_path) -> Path:
    """Its download."""
    return export_model(network, tmp_path / "model.zip", info=INFO)
