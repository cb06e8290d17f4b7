"""One candidate from its message to its end, in a worker process: slots, claim, training, result.

Everything that may end early does so by an exception out of a callback: the lease is lost, the worker stops, the
child breaks Eq. (1), diverges, does not fit into memory. torch is imported inside functions alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from searches import services, slots
from searches import worker_files as files
from searches.models import Candidate, Point
from searches.services import Lease, LeaseLost, UnfitWorker

if TYPE_CHECKING:
    from searches.nash import curves
    from searches.nash.data import ImageSet
    from searches.nash.inheritance import Seal
    from searches.nash.runner import Trained
    from searches.nash.training import Training

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
LONG_CALL = 4.0
"""A call that cannot be cut extends the lease to so many times its length first."""
GIVE_UP_LOOK_SECONDS = 1.0


class WorkerStops(Exception):
    """This process was told to end; what it trains goes back."""


@dataclass
class Post:
    """A worker's place: its name, its device, whether it is to stop, and what it trains now."""

    name: str
    device: str = "auto"
    stop: threading.Event = field(default_factory=threading.Event)
    candidate_id: int | None = None

    def torch_device(self) -> str:
        from searches.nash.devices import choose_device

        return str(choose_device(self.device))


def train(candidate_id: int, post: Post) -> list[int]:
    """Train a candidate if it is to be had. Returns the candidates to be sent to the queue after this."""
    if post.stop.is_set():
        return [candidate_id]
    candidate = _waiting(candidate_id)
    if candidate is None:
        return []
    try:
        device = post.torch_device()
        with _cores(candidate, device, post) as n_threads:
            if n_threads is None:
                return [candidate_id] if post.stop.is_set() else []
            return _claim_and_train(candidate, n_threads, device, post)
    except UnfitWorker as error:
        logger.warning("%s", error)
        services.warn_once(candidate.search_id, str(error))
        return []


def _waiting(candidate_id: int) -> Candidate | None:
    """The candidate, if a claim may succeed; a first look, the claim decides."""
    rows = Candidate.objects.select_related("search__dataset", "parent")
    candidate = rows.filter(services.IS_TO_BE_HAD, pk=candidate_id).first()
    if candidate is None or not services.allows("train", candidate.search.status):
        return None
    return candidate


@contextmanager
def _cores(candidate: Candidate, device: str, post: Post) -> Iterator[int | None]:
    """Hold the cores that the job is to run on, its threads bound to them; None where the wait was given up.

    On a CUDA device the job's speed is not the cores': it takes none.
    """
    if not device.startswith("cpu"):
        yield 1
        return
    n_threads = candidate.threads or threads_of(candidate.kind)
    if n_threads > len(slots.usable_cores()):
        raise UnfitWorker(
            f"{candidate.search.name}, {candidate.code}: it is trained with {n_threads} threads, this worker "
            f"has {len(slots.usable_cores())} cores; a worker with more must train it"
        )
    gives_up = _GivesUp(candidate.pk, post)
    folder = Path(settings.NASH_DATA_DIR) / "slots"
    with slots.core_slots(folder, n_threads, give_up=gives_up) as taken:
        if taken is not None:
            slots.pin(taken.cores)
        yield n_threads if taken is not None else None


def threads_of(kind: str) -> int:
    """Neighbours train side by side, one thread each; pretraining and the final training have all cores."""
    return 1 if kind == Candidate.Kind.NEIGHBOUR else len(slots.usable_cores())


class _GivesUp:
    """Whether waiting for cores has become pointless; looks into the database once a second."""

    def __init__(self, candidate_id: int, post: Post) -> None:
        self._candidate_id = candidate_id
        self._post = post
        self._next_look = time.monotonic() + GIVE_UP_LOOK_SECONDS

    def __call__(self) -> bool:
        if self._post.stop.is_set():
            return True
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + GIVE_UP_LOOK_SECONDS
        return _waiting(self._candidate_id) is None


def _claim_and_train(candidate: Candidate, n_threads: int, device: str, post: Post) -> list[int]:
    from searches.nash.devices import numeric_path

    images = files.load_images(candidate.search.dataset)
    path = numeric_path(device, candidate.search.search_config.precision)
    lease = services.claim(
        candidate.pk, worker=post.name, threads=n_threads, numeric_path=path, dataset_digest=images.digest
    )
    if lease is None:
        return []
    post.candidate_id = candidate.pk
    try:
        return _train_leased(candidate, lease, images, device, post)
    except LeaseLost as error:
        logger.info("%s", error)
        return []
    finally:
        post.candidate_id = None


def _train_leased(candidate: Candidate, lease: Lease, images: ImageSet, device: str, post: Post) -> list[int]:
    """What every way in which a training can end means for its row. Raises LeaseLost."""
    from searches.nash.curves import Diverged
    from searches.nash.devices import OutOfMemory
    from searches.nash.runner import SealBroken

    try:
        result = _Run(candidate, lease, images, device, post.stop).result()
    except WorkerStops:
        return services.release(lease)
    except LeaseLost:
        raise
    except SealBroken as error:
        return services.end_candidate(lease, Candidate.Status.FAILED, str(error))
    except Diverged as error:
        return services.end_candidate(lease, Candidate.Status.DIVERGED, str(error))
    except OutOfMemory as error:
        return _out_of_memory(candidate, lease, str(error))
    except Exception as error:
        logger.exception("%s of %s fell over", candidate.code, candidate.search.name)
        return services.release_failed(lease, f"{type(error).__name__}: {error}")
    ids = services.finish(lease, result)
    files.prune_checkpoints(candidate, keep=0)
    return ids


def _out_of_memory(candidate: Candidate, lease: Lease, error: str) -> list[int]:
    """Once more with half the images at a time; then it is too big."""
    row = Candidate.objects.only("accumulate").get(pk=candidate.pk)
    if row.accumulate == 1:
        return services.split_batch(lease, 2, why=f"out of memory ({error}); half a batch at a time from now on")
    return services.end_candidate(
        lease, Candidate.Status.TOO_BIG, f"out of memory even with half a batch at a time: {error}"
    )


class _Run:
    """A training under a lease: beats, and what the engine tells while it trains."""

    def __init__(
        self, candidate: Candidate, lease: Lease, images: ImageSet, device: str, stop: threading.Event
    ) -> None:
        self._candidate = candidate
        self._lease = lease
        self._images = images
        self._device = device
        self._stop = stop
        self._next_beat = 0.0
        self._speed = _Speed(candidate.search.search_config.batch_size)
        self._points: list[Point] = []
        self._epoch: float | None = None

    def result(self) -> services.Result:
        """Train to the end and put the files on disk. Raises what ends a training early."""
        trained = self._execute()
        self._long_call()
        made = files.write_result(self._candidate, self._lease.attempt, trained, self._images)
        return services.Result(
            val_accuracy=trained.val_accuracy,
            test_accuracy=trained.test_accuracy,
            correct=trained.correct,
            seconds=trained.train_seconds,
            images_per_second=trained.images_per_second,
            flops_per_second=trained.flops_per_second,
            peak_memory_bytes=trained.peak_memory_bytes,
            files=tuple(made),
        )

    def _execute(self) -> Trained:
        from searches.nash.runner import execute

        candidate = self._candidate
        self._long_call()
        job = candidate.job(candidate.parent.key if candidate.parent else None)
        checkpoint = self._resume()
        parent = files.load_parent(candidate)
        statistics = None
        if parent is not None and job.morphisms:
            statistics = files.load_statistics(candidate, parent, self._images, self._device)
            self._long_call()
        return execute(
            job,
            candidate.search.search_config,
            self._images,
            parent,
            statistics=statistics,
            device=self._device,
            checkpoint=checkpoint,
            accumulate=candidate.accumulate,
            on_seal=self._on_seal,
            on_point=self._on_point,
            on_epoch=self._on_epoch,
            on_batch=self._beat,
        )

    def _resume(self) -> dict[str, object] | None:
        """The state to go on from, its points taken over into the rows; None for a beginning."""
        from searches.nash.curves import Point as CurvePoint

        found = files.newest_checkpoint(self._candidate)
        if found is None:
            if self._lease.attempt > 1:
                services.record_resumed(self._lease, [], epoch=0.0, checkpoint="")
            return None
        name, state = found
        points = [_row(CurvePoint(*values)) for values in state["points"]]
        services.record_resumed(self._lease, points, epoch=float(state["epoch"]), checkpoint=name)
        return state

    def _on_seal(self, seal: Seal) -> None:
        services.record_seal(self._lease, seal.to_dict())
        self._long_call()

    def _on_point(self, point: curves.Point) -> None:
        self._points.append(_row(point))
        self._epoch = point.epoch
        self._speed.reached(point.optimiser_step)

    def _on_epoch(self, training: Training) -> None:
        """File first, then rows."""
        self._beat_now()
        name = files.write_checkpoint(self._candidate, self._lease.attempt, training.state())
        services.record_epoch(
            self._lease, self._points, epoch=float(training.epoch), seconds=training.seconds, checkpoint=name
        )
        self._points = []
        files.prune_checkpoints(self._candidate)

    def _beat(self) -> None:
        """At most once a second, from whatever loop is at work."""
        if self._stop.is_set():
            raise WorkerStops
        if time.monotonic() >= self._next_beat:
            self._beat_now()

    def _beat_now(self) -> None:
        services.beat(self._lease, epoch=self._epoch, images_per_second=self._speed.images_per_second)
        self._next_beat = time.monotonic() + min(BEAT_SECONDS, settings.NASH_LEASE_SECONDS / 4)

    def _long_call(self) -> None:
        """Before something that has no batches of its own."""
        if self._stop.is_set():
            raise WorkerStops
        services.beat(self._lease, lease_seconds=LONG_CALL * settings.NASH_LEASE_SECONDS)


class _Speed:
    """Images a second between the last two points."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._step = 0
        self._since = time.monotonic()
        self.images_per_second: float | None = None

    def reached(self, optimiser_step: int) -> None:
        now = time.monotonic()
        if 0 < self._step < optimiser_step:
            steps = optimiser_step - self._step
            self.images_per_second = round(steps * self._batch_size / max(now - self._since, 1e-6), 1)
        self._step, self._since = optimiser_step, now


def _row(point: curves.Point) -> Point:
    return Point(
        optimiser_step=point.optimiser_step,
        epoch=point.epoch,
        loss=point.loss,
        lr=point.lr,
        val_accuracy=point.val_accuracy,
    )
