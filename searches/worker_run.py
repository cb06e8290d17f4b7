"""A training under a lease: beats while it goes, and what the engine tells of it goes into rows and files."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections

from searches import disk, outage, services
from searches import worker_files as files
from searches.models import Candidate, Point
from searches.services import Lease

if TYPE_CHECKING:
    from searches.nash import curves
    from searches.nash.checkpoints import State
    from searches.nash.data import ImageSet
    from searches.nash.inheritance import Seal
    from searches.nash.runner import Trained
    from searches.nash.training import Training

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
LONG_CALL = 4.0
"""A call that cannot be cut extends the lease to so many times its length first."""
COUNT_SECONDS = 10.0
"""What a search takes of the disk is counted again at the checkpoint after so long, and at the end of a training."""


class WorkerStops(Exception):
    """This process was told to end; what it trains goes back."""


class Run:
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
        self._next_count = 0.0
        self._pace = _Pace(candidate.search.search_config.batch_size)
        self._points: list[Point] = []

    def result(self) -> services.Result:
        """Train to the end and put the files on disk. Raises what ends a training early."""
        from searches.nash.devices import out_of_memory_named

        with out_of_memory_named():  # the parent's statistics take memory, too
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
            val_balanced=trained.val_balanced,
            test_balanced=trained.test_balanced,
        )

    def _execute(self) -> Trained:
        from searches.nash.runner import execute

        candidate = self._candidate
        self._long_call()
        job = candidate.job(candidate.parent.key if candidate.parent else None)
        checkpoint = self._resume()
        self._long_call()  # what was taken over has given the lease its every-day length again
        parent = files.load_parent(candidate)
        statistics = None
        if parent is not None and job.morphisms and candidate.search.search_config.network_morphism:
            statistics = files.load_statistics(candidate, parent, self._images, self._device, on_batch=self._beat)
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

    def _resume(self) -> State | None:
        """The state to go on from, its points taken over into the rows; None for a beginning."""
        from searches.nash.curves import Point as CurvePoint

        found = files.newest_checkpoint(self._candidate)
        if found is None:
            if self._lease.attempt > 1:
                services.record_resumed(self._lease, [], epoch=0.0, checkpoint="")
            return None
        name, state = found
        pace = state["seconds"] / state["epoch"] if state["epoch"] else 0.0
        points = [_row(CurvePoint(*values), pace * values[1]) for values in state["points"]]
        services.record_resumed(self._lease, points, epoch=float(state["epoch"]), checkpoint=name)
        self._pace.seconds_before = state["seconds"]
        return state

    def _on_seal(self, seal: Seal) -> None:
        services.record_seal(self._lease, seal.to_dict())
        self._long_call()

    def _on_point(self, point: curves.Point) -> None:
        self._pace.reached(point)
        self._points.append(_row(point, self._pace.seconds))

    def _on_epoch(self, training: Training) -> None:
        """File first, then rows."""
        self._beat_now()
        name = files.write_checkpoint(self._candidate, self._lease.attempt, training.state())
        services.record_epoch(
            self._lease, self._points, epoch=float(training.epoch), seconds=training.seconds, checkpoint=name
        )
        self._points = []
        files.prune_checkpoints(self._candidate)
        if time.monotonic() >= self._next_count:
            services.note_disk_use(self._candidate.search_id)
            self._next_count = time.monotonic() + COUNT_SECONDS

    def _beat(self) -> None:
        """At most once a second, from whatever loop is at work."""
        self._pace.begin()
        if self._stop.is_set():
            raise WorkerStops
        if time.monotonic() >= self._next_beat:
            self._beat_now()

    def _beat_now(self) -> None:
        """A database that does not answer costs this beat alone: the one after says whether the lease still lives."""
        pace = self._pace
        try:
            services.beat(
                self._lease, epoch=pace.epoch, seconds=pace.seconds, images_per_second=pace.images_per_second
            )
        except (OperationalError, InterfaceError) as error:
            if disk.is_full(error, settings.NASH_DATA_DIR) or not outage.is_outage(error):
                raise
            logger.warning("%s: no beat, the database does not answer: %s", self._lease, error)
            close_old_connections()
        self._next_beat = time.monotonic() + min(BEAT_SECONDS, settings.NASH_LEASE_SECONDS / 4)

    def _long_call(self) -> None:
        """Before something that has no batches of its own."""
        if self._stop.is_set():
            raise WorkerStops
        services.beat(self._lease, lease_seconds=LONG_CALL * settings.NASH_LEASE_SECONDS)


class _Pace:
    """How far a training is and how fast, as of its newest point."""

    def __init__(self, batch_size: int) -> None:
        self.seconds_before = 0.0
        self.epoch: float | None = None
        self.seconds: float | None = None
        self.images_per_second: float | None = None
        self._batch_size = batch_size
        self._first: float | None = None
        self._last = (0, 0.0)

    def begin(self) -> None:
        """The first batch is at hand: what came before is not training."""
        if self._first is None:
            self._first = time.monotonic()

    def reached(self, point: curves.Point) -> None:
        now = time.monotonic()
        step, then = self._last
        if 0 < step < point.optimiser_step:
            n_images = (point.optimiser_step - step) * self._batch_size
            self.images_per_second = round(n_images / max(now - then, 1e-6), 1)
        self.epoch = point.epoch
        self.seconds = self.seconds_before + now - (self._first or now)
        self._last = (point.optimiser_step, now)


def _row(point: curves.Point, seconds: float | None) -> Point:
    return Point(
        optimiser_step=point.optimiser_step,
        epoch=point.epoch,
        loss=point.loss,
        lr=point.lr,
        val_accuracy=point.val_accuracy,
        seconds=seconds,
    )
