"""Trainings of tiny networks that tests share."""

import torch

from searches.nash.augmentation import Augmentation
from searches.nash.network import Network
from searches.nash.training import Training

from .images import TINY, random_images
from .networks import random_network, tangled_architecture

SETTINGS = {"epochs": 3, "lambda_start": 0.05, "seed": 1, "batch_size": 32}


def fresh(seed=0):
    return Network(TINY.initial_architecture(), torch.Generator().manual_seed(seed))


def training_of(digits, network=None, **settings):
    held_back = (digits.images[240:], digits.labels[240:])
    settings = {"validation": held_back, "augmentation": Augmentation(1), **SETTINGS, **settings}
    return Training(network or fresh(), digits.images, digits.labels, indices=torch.arange(240), **settings)


def tangled_training(**settings):
    """A training of a network in which every operation occurs."""
    network = random_network(tangled_architecture(), dtype=torch.float32)
    labels = torch.arange(64) % 5
    return Training(
        network, random_images(64), labels, **{**SETTINGS, "augmentation": Augmentation(1, True), **settings}
    )
