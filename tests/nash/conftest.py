"""What tests of the engine share: one thread, so that bits repeat, and a few pictures of digits."""

from collections.abc import Iterator

import pytest
import torch

from searches.nash.data import ImageSet
from tests.nash.images import few_digits


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
