"""What the search runs, step by step: training, the same step without a data path, the validation pass; the peak."""

from __future__ import annotations

from itertools import count

import torch
from torch import Tensor

from benchmarks.plain import Done
from benchmarks.trainings import augmentation_for, training_of
from searches.nash.architecture import Architecture
from searches.nash.augmentation import Draws, Pixels, draw_augmentation
from searches.nash.config import SearchConfig
from searches.nash.data import ImageSet, normalisation
from searches.nash.devices import training_dtype
from searches.nash.evaluation import BATCH_SIZE, predict
from searches.nash.network import Network
from searches.nash.optimiser import OptimiserStep

CPU = torch.device("cpu")
ENDLESS = 100_000
"""Epochs of one training whose rate stays at lambda_start for as long as anybody measures."""
LEARNING_RATE = 0.05


def fresh(architecture: Architecture, dataset: ImageSet) -> Network:
    network = Network(architecture, torch.Generator().manual_seed(0))
    network.set_normalisation_(*normalisation(dataset.images))
    return network


def train(architecture: Architecture, dataset: ImageSet, done: Done) -> None:
    """A training as the search runs it, clipping and curve included, until `done` raises."""
    batch_size = SearchConfig().batch_size
    training = training_of(
        fresh(architecture, dataset), dataset, epochs=ENDLESS, seed=0, on_batch=lambda: done(batch_size)
    )
    for _ in training.run():
        pass


class FixedBatch(Pixels):
    """In place of the images: one random batch, augmented, normalised, in the dtype and layout that a step wants."""

    def __init__(self, batch: Tensor) -> None:
        self.batch = batch

    def crop_rows(self, indices: Tensor, draws: Draws) -> Tensor:
        return self.batch.permute(0, 2, 3, 1)


def train_fixed_batch(architecture: Architecture, dataset: ImageSet, done: Done) -> None:
    """The bare step: forward, backward and SGD on one random batch that lies ready, until `done` raises."""
    config, dtype = SearchConfig(), training_dtype(CPU, "auto")
    network = fresh(architecture, dataset).to(memory_format=torch.channels_last).train()
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(config.batch_size, *dataset.input_shape, generator=generator)
    step = OptimiserStep(
        network,
        FixedBatch(batch.to(dtype, memory_format=torch.channels_last)),
        torch.randint(dataset.n_classes, (config.batch_size,), generator=generator),
        batch_size=config.batch_size,
        dtype=dtype,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        clip_gradient_norm=config.clip_gradient_norm,
        accumulate=1,
    )
    # The rate is small: the same batch for ever would be learnt by heart, and zeros are faster than numbers.
    step.lr.fill_(1e-5)
    indices = torch.arange(config.batch_size)
    draws = draw_augmentation(config.batch_size, augmentation_for(dataset), generator)
    for _ in count():
        step(indices, draws)
        done(config.batch_size)


def evaluate(architecture: Architecture, dataset: ImageSet, done: Done) -> None:
    """Validation passes over the test images, BatchNorm folding included each time, until `done` raises."""
    network = fresh(architecture, dataset).to(memory_format=torch.channels_last)
    dtype = training_dtype(CPU, "auto")
    for _ in count():
        predict(network, dataset.test_images, dtype=dtype, on_batch=lambda: done(BATCH_SIZE))


def multiply(dtype: torch.dtype, side: int, done: Done) -> None:
    """Square matrix products, until `done` raises; counted in multiply-accumulates."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(side, side, generator=generator).to(dtype) for _ in range(2))
    for _ in count():
        torch.mm(a, b)
        done(side**3)


def agreement(architecture: Architecture, dataset: ImageSet, steps: int) -> float:
    """Share of the test images on which bfloat16 with folded BatchNorm and the plain float32 pass agree.

    Of a network that was trained for so many steps: a fresh one is as sure of nothing as rounding is.
    """
    network = fresh(architecture, dataset)
    batch_size = SearchConfig().batch_size
    some = torch.randperm(len(dataset.images), generator=torch.Generator().manual_seed(0))[: steps * batch_size]
    for _ in training_of(network, dataset, indices=some, epochs=1, seed=0).run():
        pass
    network = network.eval()
    low = predict(network, dataset.test_images, dtype=torch.bfloat16)
    with torch.inference_mode():
        batches = [network(network.normalise(batch)) for batch in torch.split(dataset.test_images, BATCH_SIZE)]
    return float((low.argmax(1) == torch.cat(batches).argmax(1)).double().mean())
