"""A Training as a search runs it: SearchConfig's own settings, augmentation and normalisation."""

from __future__ import annotations

import math
from typing import Any

import torch

from searches.nash.augmentation import Augmentation
from searches.nash.config import SearchConfig
from searches.nash.curves import Diverged
from searches.nash.data import ImageSet, normalisation
from searches.nash.evaluation import evaluate
from searches.nash.network import Network
from searches.nash.training import Training


def training_of(network: Network, dataset: ImageSet, *, epochs: int, seed: int, **settings: Any) -> Training:
    """A training of `network` on the data set's training images, or those at `indices`.

    Every setting that is not given is SearchConfig's default.
    """
    config = SearchConfig()
    ours: dict[str, Any] = {
        "lambda_start": config.lambda_start,
        "lambda_end": config.lambda_end,
        "batch_size": config.batch_size,
        "momentum": config.momentum,
        "nesterov": config.nesterov,
        "weight_decay": config.weight_decay,
        "clip_gradient_norm": config.clip_gradient_norm,
        "augmentation": augmentation_for(dataset),
        "precision": config.precision,
    }
    return Training(network, dataset.images, dataset.labels, epochs=epochs, seed=seed, **{**ours, **settings})


def augmentation_for(dataset: ImageSet) -> Augmentation:
    """What a search does to these images by default: padding of an eighth of the side, a flip if it is allowed."""
    return Augmentation(max(dataset.input_shape[1:]) // 8, dataset.flips)


def normalised(network: Network, dataset: ImageSet, indices: torch.Tensor) -> Network:
    """The network, told how to normalise by these images."""
    network.set_normalisation_(*normalisation(dataset.images, indices))
    return network


def some_of(indices: torch.Tensor, n: int, seed: int) -> torch.Tensor:
    """n of the indices, drawn without repeats (neighbours on disk are of one class); all, if there are no more."""
    return indices[torch.randperm(len(indices), generator=torch.Generator().manual_seed(seed))[:n]]


def trained_accuracy(training: Training, dataset: ImageSet, validation: torch.Tensor) -> dict[str, Any]:
    """Train to the end and measure: accuracy on the validation images in a float32 pass, None where it diverged."""
    accuracy, loss = None, None
    try:
        for point in training.run():
            loss = point.loss
        found = evaluate(training.network, dataset.images[validation], dataset.labels[validation])
        accuracy = None if math.isnan(found) else found
    except Diverged:
        pass
    return {
        "accuracy": accuracy,
        "loss": loss,
        "images_per_second": round(training.images_per_second, 1),
        "seconds": round(training.seconds, 2),
    }
