"""One candidate from its message to its end, in a worker process: slots, claim, training, result.

Everything that may end early does so by an exception out of a callback: the lease is lost, the worker stops, the
child breaks Eq. (1), diverges, does not fit into memory. torch is imported inside functions alone.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from django.db.models import QuerySet

from searches import disk, outage, selectors, services, slots
from searches import worker_files as files
from searches.models import Candidate, Search
from searches.nash.config import InvalidConfig
from searches.selectors import refusals
from searches.services import Lease, LeaseLost, UnfitWorker
from searches.worker_run import Run, WorkerStops

if TYPE_CHECKING:
    from searches.nash.data import ImageSet

logger = logging.getLogger(__name__)

GIVE_UP_LOOK_SECONDS = 1.0
AGAIN_SECONDS = 1.0
"""How often a database that does not answer is asked again."""

GONE = (LeaseLost, Search.DoesNotExist, Candidate.DoesNotExist)
"""The training is no longer this worker's; or its search was deleted and removed meanwhile."""


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


class NotDue(Exception):
    """While it was waited for cores, the training became another's, or another's turn came first."""


def train_next(candidate_id: int, post: Post) -> list[int]:
    """Answer a message: train what is first in the order of all that waits and that this worker is fit for.

    That something waits is all that the message says; `candidate_id`, which it names, is sent again where this
    worker ends. Returns the candidates to be sent to the queue after this.
    """
    passed: set[int] = set()
    while not post.stop.is_set():
        candidate = _waiting().exclude(pk__in=passed).first()
        if candidate is None:
            return []
        try:
            ids = _train(candidate, post, partial(_is_first, candidate.pk, passed))
        except NotDue:
            continue
        if ids is not None:
            return ids
        passed.add(candidate.pk)
    return [candidate_id]


def train(candidate_id: int, post: Post) -> list[int]:
    """Train this candidate if it is to be had. Returns the candidates to be sent to the queue after this."""
    if post.stop.is_set():
        return [candidate_id]
    candidate = _waiting().filter(pk=candidate_id).first()
    if candidate is None:
        return []
    try:
        return _train(candidate, post, partial(_waits, candidate_id)) or []
    except NotDue:
        return [candidate_id] if post.stop.is_set() else []


def _waiting() -> QuerySet[Candidate]:
    """What a claim may succeed with, in the order of training; a first look, the claim decides."""
    return selectors.waiting_candidates().select_related("search__dataset", "parent")


def _waits(candidate_id: int) -> bool:
    return selectors.waiting_candidates().filter(pk=candidate_id).exists()


def _is_first(candidate_id: int, passed: Set[int]) -> bool:
    first = selectors.waiting_candidates().exclude(pk__in=passed)
    return first.values_list("pk", flat=True).first() == candidate_id


def _train(candidate: Candidate, post: Post, is_due: Callable[[], bool]) -> list[int] | None:
    """Wait for cores, claim, train; None where another has it or this worker is not fit for it. Raises NotDue."""
    try:
        _check_settings(candidate)
        device = post.torch_device()
        with _cores(candidate, device, post, is_due) as n_threads:
            if n_threads is None or not is_due():  # what came first may have changed while it was waited
                raise NotDue
            return _claim_and_train(candidate, n_threads, device, post)
    except UnfitWorker as error:
        logger.warning("%s", error)
        services.warn_once(candidate.search_id, str(error))
        services.record_refusal(post.name, candidate.pk, error.thing, str(error))
        return None
    except Exception as error:
        if not disk.is_full(error, settings.NASH_DATA_DIR):
            raise
        return _wait_for_room(candidate, error)


def _check_settings(candidate: Candidate) -> None:
    """Raises UnfitWorker where they are not this version's: other searches can go on meanwhile."""
    try:
        candidate.search.search_config  # noqa: B018  (read for what it raises)
    except InvalidConfig as error:
        raise UnfitWorker(
            refusals.SETTINGS,
            f"{candidate.search.name}: this worker does not understand its settings: {error}; a worker of the "
            "version that launched it must train it",
        ) from error


@contextmanager
def _cores(candidate: Candidate, device: str, post: Post, is_due: Callable[[], bool]) -> Iterator[int | None]:
    """Hold the cores that the job is to run on, its threads bound to them; None where the wait was given up.

    On a CUDA device the job's speed is not the cores': it takes none.
    """
    if not device.startswith("cpu"):
        yield 1
        return
    n_threads = candidate.threads or threads_of(candidate)
    if n_threads > len(slots.usable_cores()):
        raise UnfitWorker(
            refusals.THREADS,
            f"{candidate.search.name}, {candidate.code}: it is trained with {n_threads} threads, this worker "
            f"has {len(slots.usable_cores())} cores; a worker with more must train it",
        )
    gives_up = _GivesUp(is_due, post)
    folder = Path(settings.NASH_DATA_DIR) / "slots" / socket.gethostname()  # hosts may share the data folder
    with slots.core_slots(folder, n_threads, give_up=gives_up) as taken:
        if taken is not None:
            slots.pin(taken.cores)
        yield n_threads if taken is not None else None


def threads_of(candidate: Candidate) -> int:
    """All cores of this host, or one."""
    batch_macs = candidate.n_macs * candidate.search.search_config.batch_size
    return len(slots.usable_cores()) if slots.takes_all_cores(candidate.kind, batch_macs) else 1


class _GivesUp:
    """Whether waiting for cores has become pointless; looks into the database once a second."""

    def __init__(self, is_due: Callable[[], bool], post: Post) -> None:
        self._is_due = is_due
        self._post = post
        self._next_look = time.monotonic() + GIVE_UP_LOOK_SECONDS

    def __call__(self) -> bool:
        if self._post.stop.is_set():
            return True
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + GIVE_UP_LOOK_SECONDS
        return not self._is_due()


def _claim_and_train(candidate: Candidate, n_threads: int, device: str, post: Post) -> list[int] | None:
    """What is to be sent after the training; None where another has it. Raises UnfitWorker."""
    from searches.nash.devices import numeric_path

    images = _images(candidate)
    path = numeric_path(device, candidate.search.search_config.precision)
    lease = services.claim(
        candidate.pk, worker=post.name, threads=n_threads, numeric_path=path, dataset_digest=images.digest
    )
    if lease is None:
        return None
    post.candidate_id = candidate.pk
    services.forget_refusal(post.name)
    try:
        ids = _train_leased(candidate, lease, images, device, post)
        files.tidy(candidate)
        files.prune_losers(candidate)
        services.note_disk_use(candidate.search_id)
        return ids
    except GONE as error:
        logger.info("%s", error)
        files.tidy_lost(candidate)
        return []
    finally:
        post.candidate_id = None


def _images(candidate: Candidate) -> ImageSet:
    """The images of its search. Raises UnfitWorker: searches on other data can go on meanwhile."""
    from searches.nash.data import DamagedDataset

    try:
        return files.load_images(candidate.search.dataset)
    except DamagedDataset as error:
        words = f"{candidate.search.name}: this worker cannot read its data set: {error}"
        raise UnfitWorker(refusals.IMAGES, words) from error


def _train_leased(candidate: Candidate, lease: Lease, images: ImageSet, device: str, post: Post) -> list[int]:
    """What every way in which a training can end means for its row. Raises LeaseLost, and where the disk is full."""
    from searches.nash.curves import Diverged
    from searches.nash.devices import OutOfMemory
    from searches.nash.runner import SealBroken

    try:
        return services.finish(lease, Run(candidate, lease, images, device, post.stop).result())
    except WorkerStops:
        return services.release(lease)
    except GONE:
        raise
    except SealBroken as error:
        return services.end_candidate(lease, Candidate.Status.FAILED, str(error))
    except Diverged as error:
        return services.end_candidate(lease, Candidate.Status.DIVERGED, str(error))
    except OutOfMemory as error:
        return _out_of_memory(candidate, lease, str(error))
    except Exception as error:
        if disk.is_full(error, settings.NASH_DATA_DIR):
            raise
        if outage.is_outage(error):
            return _release_once_it_answers(lease, error, post)
        logger.exception("%s of %s fell over", candidate.code, candidate.search.name)
        return services.release_failed(lease, f"{type(error).__name__}: {error}")


def _release_once_it_answers(lease: Lease, error: Exception, post: Post) -> list[int]:
    """Give back a training whose database was gone when something had to be written: that is none of its failures.

    Raises OperationalError, InterfaceError where the database stays away longer than a lease lasts.
    """
    logger.warning("%s: the database does not answer: %s", lease, error)
    deadline = time.monotonic() + settings.NASH_LEASE_SECONDS
    while True:
        close_old_connections()
        try:
            return services.release(lease, why="the database did not answer")
        except (OperationalError, InterfaceError):
            if post.stop.is_set() or time.monotonic() > deadline:
                raise
        post.stop.wait(AGAIN_SECONDS)


def _wait_for_room(candidate: Candidate, error: Exception) -> list[int]:
    """Pause the search of a training that the disk had no room for; the ballast makes room for saying so."""
    where = disk.in_words(services.fullest_folder())
    logger.warning("%s, %s: the disk is full (%s): %s", candidate.search.name, candidate.code, where, error)
    disk.drop_ballast(settings.NASH_DATA_DIR)
    services.pause_for_room(candidate.search_id, where)
    return []


def _out_of_memory(candidate: Candidate, lease: Lease, error: str) -> list[int]:
    """Once more with half the images at a time; then it is too big."""
    row = Candidate.objects.only("accumulate").get(pk=candidate.pk)
    if row.accumulate == 1:
        return services.split_batch(lease, 2, why=f"out of memory ({error}); half a batch at a time from now on")
    return services.end_candidate(
        lease, Candidate.Status.TOO_BIG, f"out of memory even with half a batch at a time: {error}"
    )
