"""One training: one full cosine cycle of SGDR, from a fresh optimiser, repeatable to the bit.

Nothing inside an epoch waits for the device but Pace, for a step some thirty back, so that stop acts at once: loss
and right answers come to the host when they are there. optimiser.py is what a step does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from time import perf_counter

import torch
from torch import Tensor

from searches.nash.augmentation import Augmentation, Draws, draw_augmentation, pixels_of
from searches.nash.checkpoints import State
from searches.nash.curves import Diverged as Diverged
from searches.nash.curves import Point as Point
from searches.nash.curves import cosine_lr as cosine_lr
from searches.nash.data import normalisation
from searches.nash.devices import HostCopy, Pace, out_of_memory_named, repeat_bits, training_dtype
from searches.nash.devices import numeric_path as numeric_path
from searches.nash.evaluation import accuracy, predict, rights
from searches.nash.network import Network
from searches.nash.optimiser import OptimiserStep
from searches.nash.streams import derive

POINTS_PER_EPOCH = 8


class Training:
    """A training of `network`, in place: uint8 images (N, C, H, W), labels int64 (N,).

    `run()` yields points and goes on from `epoch`; between two points the caller may take `state()`, and a fresh
    Training of the same arguments that loads it ends in the same bits. `validation`: images and labels that are
    measured after each epoch, or after the last alone. `evaluate_start`: measure them before the first step too.
    `new_batchnorms`: names of the blocks whose BatchNorms keep their statistics for `freeze_new_batchnorm_epochs`
    epochs. `clip_gradient_norm`: longest gradient of a step, over all parameters together. `accumulate`: parts that a
    batch is cut into where memory is short; BatchNorm then sees the parts.
    `deterministic`: on CUDA, by torch's rules; a CPU repeats its bits always.
    `on_batch` is called at each batch and may raise to stop. Images that are floats count as normalised.
    A network that was never told how to normalise is told from these images.
    Raises Diverged, OutOfMemory, and ValueError for settings that cannot be.
    Source: Algorithm 1 lines 16 and 24; method section 4.
    """

    def __init__(
        self,
        network: Network,
        images: Tensor,
        labels: Tensor,
        *,
        epochs: int,
        lambda_start: float,
        lambda_end: float = 0.0,
        seed: int,
        batch_size: int = 128,
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 5e-4,
        clip_gradient_norm: float | None = None,
        augmentation: Augmentation | None = None,
        precision: str = "auto",
        deterministic: bool = True,
        device: torch.device | str | None = None,
        validation: tuple[Tensor, Tensor] | None = None,
        evaluate_each_epoch: bool = True,
        evaluate_start: bool = False,
        freeze_new_batchnorm_epochs: int = 0,
        new_batchnorms: Sequence[str] = (),
        accumulate: int = 1,
        on_batch: Callable[[], None] | None = None,
        indices: Tensor | None = None,
    ) -> None:
        n_images = len(images) if indices is None else len(indices)
        if n_images < 1 or epochs < 1 or batch_size < 1 or accumulate < 1:
            raise ValueError(f"{n_images=}, {epochs=}, {batch_size=}, {accumulate=}: each must be at least 1")
        self.network, self.epochs, self.seed, self.n_images = network, epochs, seed, n_images
        self.lambda_start, self.lambda_end = lambda_start, lambda_end
        self.batch_size = min(batch_size, n_images)
        self.steps_per_epoch = n_images // self.batch_size
        self.total_steps = epochs * self.steps_per_epoch
        self.augmentation = augmentation or Augmentation()
        self.evaluate_each_epoch, self.evaluate_start = evaluate_each_epoch, evaluate_start
        self.frozen_epochs, self.new_batchnorms = freeze_new_batchnorm_epochs, tuple(new_batchnorms)
        self.accumulate = min(accumulate, self.batch_size)
        self.on_batch = on_batch or _nothing
        self.device = network.mean.device if device is None else torch.device(device)
        self.dtype = training_dtype(self.device, precision)
        if images.dtype == torch.uint8 and _never_normalised(network):
            network.set_normalisation_(*normalisation(images, indices))
        with out_of_memory_named():
            self._settle(images, labels, indices, validation, deterministic)
            self._step = OptimiserStep(
                network, self._pixels, self._labels, batch_size=self.batch_size, dtype=self.dtype, momentum=momentum,
                nesterov=nesterov, weight_decay=weight_decay, clip_gradient_norm=clip_gradient_norm,
                accumulate=self.accumulate,
            )  # fmt: skip
        self.epoch = 0
        self._frozen: bool | None = None
        self.points: list[Point] = []
        self.correct: Tensor | None = None
        """Whether each validation image was right at the last measurement: bool (N,)."""
        self.seconds = 0.0
        self.step_seconds = 0.0

    def _settle(
        self,
        images: Tensor,
        labels: Tensor,
        indices: Tensor | None,
        validation: tuple[Tensor, Tensor] | None,
        deterministic: bool,
    ) -> None:
        """Bring network and data to the device."""
        repeat_bits(self.device, deterministic)
        self.network.to(self.device).to(memory_format=torch.channels_last)
        self._pixels = pixels_of(images, self.device, indices)
        self._labels = (labels if indices is None else labels[indices]).to(self.device)
        self._validation = validation and (validation[0].to(self.device), validation[1].to(self.device))
        self._pace = Pace(self.device)

    @property
    def images_per_second(self) -> float:
        """Speed of the training steps, without evaluation and what the caller does between points."""
        return self.epoch * self.steps_per_epoch * self.batch_size / max(self.step_seconds, 1e-9)

    def run(self) -> Iterator[Point]:
        """Train from `epoch` to the end, a point at a time. Raises Diverged, OutOfMemory."""
        if not self.epoch and not self.points and self.evaluate_start and self._validation:
            yield self._keep(self._point(0, None, self.measure()))
        while self.epoch < self.epochs:
            yield from self._run_epoch()

    def _run_epoch(self) -> Iterator[Point]:
        started = perf_counter()
        order, draws = self._draw_epoch()
        if self._set_modes():
            self._step.capture(order[: self.batch_size], draws.part(slice(self.batch_size)))
        first, n_steps = self.epoch * self.steps_per_epoch, self.steps_per_epoch
        due = {math.ceil(k * n_steps / POINTS_PER_EPOCH) for k in range(1, POINTS_PER_EPOCH + 1)}
        readings: deque[tuple[int, int, HostCopy]] = deque()
        since = 0
        for done in range(1, n_steps + 1):
            chosen = slice((done - 1) * self.batch_size, done * self.batch_size)
            with out_of_memory_named():
                self._take(first + done - 1, order[chosen], draws.part(chosen))
            if done in due:
                readings.append((done, done - since, self._read()))
                since = done
            while readings and (done == n_steps or readings[0][2].is_there()):
                at, n, sums = readings.popleft()
                values = sums.tolist()
                self._count(perf_counter() - started)
                self.epoch += at == n_steps
                yield self._keep(self._point(first + at, self._means(values, n), self._due_accuracy(at)))
                started = perf_counter()

    def _count(self, seconds: float) -> None:
        self.seconds += seconds
        self.step_seconds += seconds

    def _due_accuracy(self, steps_in_epoch: int) -> float | None:
        ends_epoch = steps_in_epoch == self.steps_per_epoch
        due = ends_epoch and (self.evaluate_each_epoch or self.epoch == self.epochs)
        return self.measure() if due and self._validation else None

    def _take(self, step: int, indices: Tensor, draws: Draws) -> None:
        """One optimiser step on the images at `indices`: nothing here waits for the device."""
        self.on_batch()
        self._pace.wait()
        self._step.lr.fill_(self._rate(step))
        self._step(indices, draws)
        self._pace.mark()

    def _rate(self, step: int) -> float:
        return cosine_lr(step, self.total_steps, lambda_start=self.lambda_start, lambda_end=self.lambda_end)

    def _read(self) -> HostCopy:
        """Loss and right answers since the last reading, on their way to the host."""
        sums = HostCopy(self._step.sums)
        self._step.sums.zero_()
        return sums

    def _means(self, sums: list[float], n_steps: int) -> tuple[float, float]:
        loss, right = (value / (n_steps * self.batch_size) for value in sums)
        return loss, right

    def _point(self, step: int, sums: tuple[float, float] | None, val_accuracy: float | None) -> Point:
        lr = self._rate(step)
        loss, train_accuracy = sums or (None, None)
        where = f"at optimiser step {step:,} of {self.total_steps:,} (learning rate {lr:.3g})"
        if loss is not None and not math.isfinite(loss):
            raise Diverged(f"the loss is {loss} {where}")
        if val_accuracy is not None and not math.isfinite(val_accuracy):
            raise Diverged(f"logits of validation images are not finite {where}")
        ends_epoch = step > 0 and step % self.steps_per_epoch == 0
        return Point(step, step / self.steps_per_epoch, loss, lr, val_accuracy, ends_epoch, train_accuracy)

    def _keep(self, point: Point) -> Point:
        self.points.append(point)
        return point

    def _set_modes(self) -> bool:
        """Put every module into the mode of this epoch; whether that is another than in the epoch before."""
        self.network.train()
        frozen = self.epoch < self.frozen_epochs
        if frozen:
            for name in self.new_batchnorms:
                self.network.get_submodule(f"{name}.bn").eval()
        changed, self._frozen = frozen != self._frozen, frozen
        return changed

    def _draw_epoch(self) -> tuple[Tensor, Draws]:
        """Order and augmentation of this epoch, from streams of its own: a resumed training needs no generator."""
        n = self.steps_per_epoch * self.batch_size
        order, augment = (
            torch.Generator().manual_seed(derive(self.seed, purpose, epoch=self.epoch))
            for purpose in ("order", "augment")
        )
        draws = draw_augmentation(n, self.augmentation, augment)
        return torch.randperm(self.n_images, generator=order)[:n].to(self._pixels.index_device), draws.to(self.device)

    def measure(self) -> float:
        """Accuracy on the validation images now, in the training precision; nan where logits are not finite.

        Sets `correct`. Raises OutOfMemory, and ValueError where there are no validation images.
        """
        if self._validation is None:
            raise ValueError("this training has no validation images; give validation=(images, labels)")
        started = perf_counter()
        images, labels = self._validation
        with out_of_memory_named():
            logits = predict(self.network, images, dtype=self.dtype, on_batch=self.on_batch)
        self.correct = rights(logits, labels.cpu())
        self.seconds += perf_counter() - started
        return accuracy(logits, labels.cpu())

    def state(self) -> State:
        """All that a fresh Training needs to go on from here, copied: weights, statistics, momentum, points."""
        return {
            "weights": {name: t.detach().cpu().clone() for name, t in self.network.state_dict().items()},
            "momenta": {name: t.cpu().clone() for name, t in self._step.momenta.items()},
            "epoch": self.epoch,
            "total_steps": self.total_steps,
            "points": [list(astuple(point)) for point in self.points],
            "seconds": self.seconds,
            "step_seconds": self.step_seconds,
        }

    def load_state(self, state: State) -> None:
        """Go on from a state() of a training with the same arguments. Raises ValueError for another's."""
        if state["total_steps"] != self.total_steps:
            raise ValueError(f"the state is of a training of {state['total_steps']} steps, not {self.total_steps}")
        self.network.load_state_dict(state["weights"])
        for name, momentum in state["momenta"].items():
            self._step.momenta[name].copy_(momentum)
        self.epoch = state["epoch"]
        self.points = [Point(*values) for values in state["points"]]
        self.seconds, self.step_seconds = state["seconds"], state["step_seconds"]


def _nothing() -> None:
    """What happens at each batch where the caller wants nothing."""


def _never_normalised(network: Network) -> bool:
    """Whether mean and std are still those of a fresh network."""
    return bool((network.mean == 0).all() and (network.std == 1).all())


def train(
    network: Network,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    lambda_start: float,
    lambda_end: float = 0.0,
    seed: int,
    **settings: object,
) -> Iterator[Point]:
    """Train `network` in place for one cosine cycle; yields the points. Settings and errors: see Training."""
    training = Training(
        network, images, labels, epochs=epochs, lambda_start=lambda_start, lambda_end=lambda_end, seed=seed,
        **settings,  # type: ignore[arg-type]
    )  # fmt: skip
    yield from training.run()
