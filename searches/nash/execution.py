"""One training of a search, from its job to its numbers: build or inherit, check the seal, train, measure.

This is what both homes run: the in-process loop of runner.py, and a worker that adds leases, rows and checkpoints
by way of the callbacks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from searches.nash.beginnings import TRAINED_ON_ALL as TRAINED_ON_ALL
from searches.nash.beginnings import Task, augmentation_of, begin, split_of
from searches.nash.checkpoints import State
from searches.nash.config import SearchConfig
from searches.nash.curves import Diverged, Point
from searches.nash.data import ImageSet
from searches.nash.devices import (
    choose_device,
    numeric_path,
    out_of_memory_named,
    peak_memory_bytes,
    reset_peak_memory,
)
from searches.nash.evaluation import accuracy, balanced, predict, rights
from searches.nash.hillclimb import Job
from searches.nash.inheritance import Seal, Statistics
from searches.nash.morphisms import Deepen
from searches.nash.network import Network
from searches.nash.streams import derive
from searches.nash.training import Training

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
    (N, n_classes): of a final training and of a comparison. `seal`: None where no morphism was applied, and where
    it does not apply: config.network_morphism is off.
    `val_balanced`, `test_balanced`: mean over the classes. `train_seconds`: wall time of training and its validation,
    resumed parts summed. `flops_per_second`: achieved, counted from the architecture's MACs.
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
    val_balanced: float | None = None
    test_balanced: float | None = None


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

    `parent`: the network of job.parent, or that of config.start for what begins from it, never changed;
    `statistics`: the parent's statistics_of, worked out here if absent.
    `checkpoint`: a Training.state() to go on from; its points are not told again. `accumulate`: parts that a batch
    is cut into. `on_epoch` comes after the epoch's last point, with the training at rest; `on_batch` at every
    batch of calibration, seal, training and evaluation, and may raise to stop.
    Raises SealBroken before any training, Diverged, OutOfMemory, ValueError where the parent is missing.
    Source: Algorithm 1 lines 3 to 25.
    """
    device = choose_device(str(device))
    reset_peak_memory(device)
    with out_of_memory_named():
        task = Task(job, config, dataset, split_of(config, dataset), device, on_batch)
        network, seal = begin(task, parent, statistics)
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


def _training_of(
    task: Task,
    network: Network,
    parent: Network | None,
    accumulate: int,
) -> Training:
    """The training of this job's network, with the search's settings and its streams."""
    job, config, dataset, held_back = task.job, task.config, task.dataset, task.split.validation
    lambda_start, lambda_end = rates_of(job, config)
    return Training(
        network,
        dataset.images,
        dataset.labels,
        indices=task.seen,
        epochs=job.epochs,
        lambda_start=lambda_start,
        lambda_end=lambda_end,
        seed=derive(config.seed, "train", job.step, job.index),
        batch_size=config.batch_size,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        clip_gradient_norm=config.clip_gradient_norm,
        augmentation=augmentation_of(config, dataset),
        precision=config.precision,
        device=task.device,
        deterministic=config.deterministic,
        validation=None if task.sees_all else (dataset.images[held_back], dataset.labels[held_back]),
        evaluate_each_epoch=config.evaluate_each_epoch,
        evaluate_start=config.evaluate_each_epoch and parent is not None,
        freeze_new_batchnorm_epochs=config.freeze_new_batchnorm_epochs,
        new_batchnorms=_calibrated(parent, task),
        accumulate=accumulate,
        on_batch=task.on_batch,
    )


def rates_of(job: Job, config: SearchConfig) -> tuple[float, float]:
    """lambda_start and lambda_end of a training: SGDR's, or for a neighbour without SGDR one rate twice.

    Source: Algorithm 1 lines 16 and 24; section 4, no SGDR.
    """
    if job.kind == "neighbour" and config.neighbour_rate is not None:
        return config.neighbour_rate, config.neighbour_rate
    return config.lambda_start, config.lambda_end


def _calibrated(parent: Network | None, task: Task) -> tuple[str, ...]:
    """Names of the child's blocks whose BatchNorm has the parent's statistics: those that a Deepen has made."""
    if parent is None or not task.config.network_morphism:
        return ()
    names: list[str] = []
    architecture = parent.architecture
    for morphism in task.job.morphisms:
        change = morphism.apply(architecture)
        names += change.added if isinstance(morphism, Deepen) else ()
        architecture = change.architecture
    return tuple(names)


def _measured(task: Task, training: Training, seal: Seal | None) -> Trained:
    """What a training that has ended is remembered by. Raises Diverged where its logits are not finite."""
    network, dataset = training.network, task.dataset
    val_accuracy = test_accuracy = val_balanced = test_balanced = correct = test_softmax = None
    if task.sees_all:
        images, labels = dataset.test_part(task.config.seed, task.config.n_test)
        logits = predict(network, images, on_batch=training.on_batch)
        test_accuracy = accuracy(logits, labels)
        test_balanced = balanced(rights(logits, labels), labels)
        test_softmax = torch.softmax(logits.double(), 1).float().numpy()
    else:
        if training.correct is None:  # resumed from the checkpoint of the last epoch
            training.measure()
        assert training.correct is not None
        val_accuracy = int(training.correct.sum()) / len(training.correct)
        val_balanced = balanced(training.correct, dataset.labels[task.split.validation])
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
        val_balanced=val_balanced,
        test_balanced=test_balanced,
    )
