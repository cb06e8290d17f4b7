"""Small image sets for the tests of the engine."""

import torch

from searches.nash.config import SearchConfig
from searches.nash.data import ImageSet, load_dataset

TINY = SearchConfig(
    input_shape=(1, 8, 8),
    n_classes=10,
    channels=(4, 4, 4),
    max_channels=16,
    n_steps=2,
    n_neigh=3,
    n_NM=2,
    epoch_pretrain=2,
    epoch_neigh=2,
    epoch_final=2,
    batch_size=32,
    calibration_images=100,
)
"""Settings for a search that takes seconds on few_digits."""


def few_digits(n: int = 300, n_test: int = 60) -> ImageSet:
    """The first n training and n_test test images of digits."""
    digits = load_dataset("digits")
    return ImageSet(
        "digits",
        digits.images[:n],
        digits.labels[:n],
        digits.test_images[:n_test],
        digits.test_labels[:n_test],
        digits.classes,
        flips=False,
        digest=f"digits-{n}-{n_test}",
    )


def random_images(n: int, channels: int = 3, size: int = 8, seed: int = 0) -> torch.Tensor:
    """uint8 noise (n, channels, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, channels, size, size), generator=generator, dtype=torch.uint8)
