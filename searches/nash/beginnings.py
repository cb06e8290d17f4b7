"""What a training of a search starts from: fresh weights, a parent's, or those of a child with its seal."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from searches.nash.augmentation import Augmentation, augment
from searches.nash.config import SearchConfig
from searches.nash.data import ImageSet, Split, normalisation
from searches.nash.devices import choose_device, threads
from searches.nash.hillclimb import COMPARISON_KINDS, Job, begins_at_start
from searches.nash.inheritance import (
    Seal,
    Statistics,
    calibrate,
    inherit_from_statistics,
    inherit_unmodified,
    measure_seal,
)
from searches.nash.network import Network
from searches.nash.streams import derive

SEAL_IMAGES = 500
TRAINED_ON_ALL = ("final", *COMPARISON_KINDS)
"""Kinds of training that see training + validation set and are tested at their end."""


@dataclass(frozen=True)
class Task:
    """A job with all that it is about; `split` is the search's."""

    job: Job
    config: SearchConfig
    dataset: ImageSet
    split: Split
    device: torch.device
    on_batch: Callable[[], None] | None

    @property
    def sees_all(self) -> bool:
        return self.job.kind in TRAINED_ON_ALL

    @property
    def seen(self) -> Tensor | None:
        """Indices of the images that are trained on; None for all there are."""
        if not self.sees_all:
            return self.split.train
        if self.config.n_training is None:
            return None
        return torch.cat(self.split).sort().values


def augmentation_of(config: SearchConfig, dataset: ImageSet) -> Augmentation:
    """What the search may do to a training image: its own settings, else what suits the data set."""
    _, height, width = dataset.input_shape
    suits = max(height, width) // 8 if dataset.crops else 0
    padding = suits if config.padding is None else config.padding
    return Augmentation(padding, dataset.flips if config.flip is None else config.flip)


def split_of(config: SearchConfig, dataset: ImageSet) -> Split:
    """The search's split of the training images. Raises ValueError where its sizes do not suit the data set."""
    return dataset.split(config.seed, config.n_validation, config.n_training)


def statistics_of(
    parent: Network,
    config: SearchConfig,
    dataset: ImageSet,
    *,
    device: torch.device | str = "cpu",
    on_batch: Callable[[], None] | None = None,
) -> Statistics:
    """Statistics of the parent's blocks on augmented training images, on the CPU; all its children share them.

    On one thread whatever the process has, so that they are the same bits whoever works them out.
    Source: Eq. 3; method section 3.
    """
    on_device = _on(parent, choose_device(str(device)))
    split = split_of(config, dataset)
    with threads(1):
        statistics = calibrate(on_device, _calibration_images(on_device, config, dataset, split), on_batch=on_batch)
    return {name: (mean.cpu(), variance.cpu()) for name, (mean, variance) in statistics.items()}


def begin(task: Task, parent: Network | None, statistics: Statistics | None) -> tuple[Network, Seal | None]:
    """The network that the training starts from, on the device, and the seal of a child.

    All of a search normalise by its training part, those that see the validation images too included; where it
    starts from a trained network, what descends from that keeps its mean and std: it computes what it computed.
    Without network morphism there is nothing to seal. Raises ValueError where the parent is missing.
    """
    job, config = task.job, task.config
    if begins_at_start(config, job.key):
        if parent is None or parent.architecture != job.architecture:
            raise ValueError(f"{job.code}: the network that the search starts from is missing, or is another")
        return copy.deepcopy(parent).to(task.device), None
    if job.parent is None:
        fresh = Network(job.architecture, torch.Generator().manual_seed(derive(config.seed, "init")))
        fresh.set_normalisation_(*normalisation(task.dataset.images, task.split.train))
        return fresh.to(task.device), None
    if parent is None:
        raise ValueError(f"{job.code}: the network of its parent {job.parent} is missing")
    if not job.morphisms:
        return copy.deepcopy(parent).to(task.device), None
    generator = torch.Generator().manual_seed(derive(config.seed, "inherit", job.step, job.index))
    if not config.network_morphism:
        return inherit_unmodified(parent, job.morphisms, generator).to(task.device), None
    if statistics is None:
        statistics = statistics_of(parent, config, task.dataset, device=task.device, on_batch=task.on_batch)
    needs_images = config.widen_init == "random"
    child = inherit_from_statistics(
        parent,
        job.morphisms,
        statistics,
        generator,
        widen_init=config.widen_init,
        calibration=_calibration_images(parent, config, task.dataset, task.split) if needs_images else None,
    ).to(task.device)
    return child, _seal(task, parent, child, statistics)


def _seal(task: Task, parent: Network, child: Network, statistics: Statistics) -> Seal:
    """Eq. (1) on training images as they are: the same ones for every child of the search."""
    images = _drawn_images(task.dataset, task.split, SEAL_IMAGES, derive(task.config.seed, "order"))
    on_device = _on(parent, task.device)
    return measure_seal(
        on_device,
        child,
        task.job.morphisms,
        on_device.normalise(images.to(task.device)),
        statistics=statistics,
        widen_init=task.config.widen_init,
        on_batch=task.on_batch,
    )


def _on(network: Network, device: torch.device) -> Network:
    """The network itself where it is on the device, else a copy there: a parent is never changed."""
    return network if network.mean.device == device else copy.deepcopy(network).to(device)


def _drawn_images(dataset: ImageSet, split: Split, n: int, seed: int) -> Tensor:
    """n training images (all, if there are fewer), drawn without repeats: neighbours on disk are of one class."""
    order = torch.randperm(len(split.train), generator=torch.Generator().manual_seed(seed))
    return dataset.images[split.train[order[:n]]]


def _calibration_images(network: Network, config: SearchConfig, dataset: ImageSet, split: Split) -> Tensor:
    """Augmented, normalised training images (N, C, H, W), the same ones for every parent of the search."""
    seed = derive(config.seed, "augment")
    images = _drawn_images(dataset, split, config.calibration_images, seed)
    augmented = augment(images, torch.Generator().manual_seed(seed), augmentation_of(config, dataset))
    return network.normalise(augmented.contiguous().to(network.mean.device))
