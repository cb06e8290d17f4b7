"""One training of a search, from its job to its numbers: build or inherit, check the seal, train, measure.

This is what both homes run: the in-process loop of runner.py, and a worker that adds leases, rows and checkpoints
by way of the callbacks.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from searches.nash.architecture import Architecture
from searches.nash.augmentation import Augmentation, augment
from searches.nash.checkpoints import State
from searches.nash.config import SearchConfig
from searches.nash.curves import Diverged, Point
from searches.nash.data import ImageSet, Split, normalisation
from searches.nash.devices import (
    choose_device,
    numeric_path,
    out_of_memory_named,
    peak_memory_bytes,
    reset_peak_memory,
    threads,
)
from searches.nash.evaluation import accuracy, predict
from searches.nash.hillclimb import Job
from searches.nash.inheritance import Seal, Statistics, calibrate, inherit_from_statistics, measure_seal
from searches.nash.morphisms import Deepen, Morphism
from searches.nash.network import Network
from searches.nash.streams import derive
from searches.nash.training import Training

SEAL_IMAGES = 500
TRAINED_ON_ALL = ("final",)
"""Kinds of training that see training + validation set and are tested at their end."""
OPERATIONS_PER_MAC = 3 * 2
"""A multiply and an add, forward and for the gradients of the inputs and of the weights."""


class SealBroken(RuntimeError):
    """The child does not compute what its parent computes (Eq. 1), so it is not trained; `seal` says how far off."""

    def __init__(self, seal: Seal) -> None:
        super().__init__(f"Eq. (1) is broken by {seal.broken_by}: max |delta logit| {seal.float64:.3g} in float64")
        self.seal = seal


@dataclass(frozen=True)
class Trained:
    """A training that has ended well: the network on the CPU, and what was measured.

    `correct`: right or wrong per validation image, in the split's order, packed eight to a byte. `test_softmax`
    (N, n_classes): of a final training. `train_seconds`: wall time of training and its validation, resumed parts
    summed. `flops_per_second`: achieved, counted from the architecture's MACs.
    """

    network: Network
    val_accuracy: float | None
    test_accuracy: float | None
    correct: bytes | None
    test_softmax: npt.NDArray[np.float32] | None
    seal: Seal | None
    train_seconds: float
    images_per_second: float
    flops_per_second: float
    peak_memory_bytes: int
    numeric_path: str
    threads: int


@dataclass(frozen=True)
class _Task:
    """A job with all that it is about."""

    job: Job
    config: SearchConfig
    dataset: ImageSet
    split: Split
    device: torch.device
    on_batch: Callable[[], None] | None

    @property
    def sees_all(self) -> bool:
        return self.job.kind in TRAINED_ON_ALL


def execute(
    job: Job,
    config: SearchConfig,
    dataset: ImageSet,
    parent: Network | None = None,
    *,
    statistics: Statistics | None = None,
    device: torch.device | str = "cpu",
    checkpoint: State | None = None,
    accumulate: int = 1,
    on_seal: Callable[[Seal], None] | None = None,
    on_point: Callable[[Point], None] | None = None,
    on_epoch: Callable[[Training], None] | None = None,
    on_batch: Callable[[], None] | None = None,
) -> Trained:
    """Run one training of a search.

    `parent`: the network of job.parent, never changed; `statistics`: its statistics_of, worked out here if absent.
    `checkpoint`: a Training.state() to go on from; its points are not told again. `accumulate`: parts that a batch
    is cut into. `on_epoch` comes after the epoch's last point, with the training at rest; `on_batch` at every
    batch of calibration, seal, training and evaluation, and may raise to stop.
    Raises SealBroken before any training, Diverged, OutOfMemory, ValueError where the parent is missing.
    Source: Algorithm 1 lines 3 to 25.
    """
    device = choose_device(str(device))
    reset_peak_memory(device)
    with out_of_memory_named():
        task = _Task(job, config, dataset, dataset.split(config.seed, config.n_validation), device, on_batch)
        network, seal = _begin(task, parent, statistics)
        if seal is not None and on_seal is not None:
            on_seal(seal)
        if seal is not None and not seal.holds:
            raise SealBroken(seal)
        training = _training_of(task, network, parent, accumulate)
        if checkpoint is not None:
            training.load_state(checkpoint)
        for point in training.run():
            if on_point is not None:
                on_point(point)
            if point.ends_epoch and on_epoch is not None:
                on_epoch(training)
        return _measured(task, training, seal)


def augmentation_of(config: SearchConfig, dataset: ImageSet) -> Augmentation:
    """What the search may do to a training image: its own settings, else what suits the data set."""
    _, height, width = dataset.input_shape
    padding = max(height, width) // 8 if config.padding is None else config.padding
    return Augmentation(padding, dataset.flips if config.flip is None else config.flip)


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
    split = dataset.split(config.seed, config.n_validation)
    with threads(1):
        statistics = calibrate(on_device, _calibration_images(on_device, config, dataset, split), on_batch=on_batch)
    return {name: (mean.cpu(), variance.cpu()) for name, (mean, variance) in statistics.items()}


def _begin(task: _Task, parent: Network | None, statistics: Statistics | None) -> tuple[Network, Seal | None]:
    """The network that the training starts from, on the device, and the seal of a child."""
    job, config = task.job, task.config
    if job.parent is None:
        fresh = Network(job.architecture, torch.Generator().manual_seed(derive(config.seed, "init")))
        fresh.set_normalisation_(*normalisation(task.dataset.images, task.split.train))
        return fresh.to(task.device), None
    if parent is None:
        raise ValueError(f"{job.code}: the network of its parent {job.parent} is missing")
    if not job.morphisms:
        return copy.deepcopy(parent).to(task.device), None
    if statistics is None:
        statistics = statistics_of(parent, config, task.dataset, device=task.device, on_batch=task.on_batch)
    needs_images = config.widen_init == "random"
    child = inherit_from_statistics(
        parent,
        job.morphisms,
        statistics,
        torch.Generator().manual_seed(derive(config.seed, "inherit", job.step, job.index)),
        widen_init=config.widen_init,
        calibration=_calibration_images(parent, config, task.dataset, task.split) if needs_images else None,
    ).to(task.device)
    return child, _seal(task, parent, child, statistics)


def _seal(task: _Task, parent: Network, child: Network, statistics: Statistics) -> Seal:
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


def _training_of(
    task: _Task,
    network: Network,
    parent: Network | None,
    accumulate: int,
) -> Training:
    """The training of this job's network, with the search's settings and its streams."""
    job, config, dataset, held_back = task.job, task.config, task.dataset, task.split.validation
    return Training(
        network,
        dataset.images,
        dataset.labels,
        indices=None if task.sees_all else task.split.train,
        epochs=job.epochs,
        lambda_start=config.lambda_start,
        lambda_end=config.lambda_end,
        seed=derive(config.seed, "train", job.step, job.index),
        batch_size=config.batch_size,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        clip_gradient_norm=config.clip_gradient_norm,
        augmentation=augmentation_of(config, dataset),
        precision=config.precision,
        device=task.device,
        validation=None if task.sees_all else (dataset.images[held_back], dataset.labels[held_back]),
        evaluate_each_epoch=config.evaluate_each_epoch,
        evaluate_start=config.evaluate_each_epoch and job.parent is not None,
        freeze_new_batchnorm_epochs=config.freeze_new_batchnorm_epochs,
        new_batchnorms=_deepened(parent.architecture, job.morphisms) if parent is not None else (),
        accumulate=accumulate,
        on_batch=task.on_batch,
    )


def _deepened(architecture: Architecture, morphisms: Sequence[Morphism]) -> tuple[str, ...]:
    """Names of the blocks that the Deepens among these morphisms of a parent's architecture make."""
    names: list[str] = []
    for morphism in morphisms:
        change = morphism.apply(architecture)
        names += change.added if isinstance(morphism, Deepen) else ()
        architecture = change.architecture
    return tuple(names)


def _measured(task: _Task, training: Training, seal: Seal | None) -> Trained:
    """What a training that has ended is remembered by. Raises Diverged where its logits are not finite."""
    network, dataset = training.network, task.dataset
    val_accuracy = test_accuracy = correct = test_softmax = None
    if task.sees_all:
        logits = predict(network, dataset.test_images, on_batch=training.on_batch)
        test_accuracy = accuracy(logits, dataset.test_labels)
        test_softmax = torch.softmax(logits.double(), 1).float().numpy()
    else:
        if training.correct is None:  # resumed from the checkpoint of the last epoch
            training.measure()
        assert training.correct is not None
        val_accuracy = int(training.correct.sum()) / len(training.correct)
        correct = np.packbits(training.correct.numpy()).tobytes()
    if test_accuracy is not None and math.isnan(test_accuracy):
        raise Diverged("the logits of the test images are not finite")
    images_per_second = training.images_per_second
    return Trained(
        network=network.to("cpu").to(memory_format=torch.contiguous_format),
        val_accuracy=val_accuracy,
        test_accuracy=test_accuracy,
        correct=correct,
        test_softmax=test_softmax,
        seal=seal,
        train_seconds=training.seconds,
        images_per_second=images_per_second,
        flops_per_second=OPERATIONS_PER_MAC * task.job.architecture.n_macs * images_per_second,
        peak_memory_bytes=peak_memory_bytes(task.device),
        numeric_path=numeric_path(task.device, task.config.precision),
        threads=torch.get_num_threads(),
    )
