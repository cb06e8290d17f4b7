"""The right to train a candidate: claimed, kept by beats, fenced by `attempt`, given back.

A beat that finds its row changed (paused, stopped, taken over) raises LeaseLost; the worker then stops at once
and writes nothing more. Whoever is fenced off can change no row: each write names the attempt it belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from searches.crash_points import reached
from searches.models import ENGINE_VERSION, Candidate, Event, Point, Refusal, Search
from searches.selectors import progress_fields, refusals, search_fields
from searches.selectors.files import CHECKPOINT_NAME
from searches.selectors.snapshot import candidate_state
from searches.selectors.waiting import IS_TO_BE_HAD
from searches.services import sentences
from searches.services.control import may_happen
from searches.services.events import append, candidate_of, lock_search

MAX_FAILURES = 4


class LeaseLost(Exception):
    """The candidate is no longer this worker's: paused, stopped, ended, or taken over by another."""


class UnfitWorker(Exception):
    """This worker would not give the search's numbers (version, data set or numeric path differ); it refuses.

    `thing`: in what it differs, as selectors/refusals.py knows it.
    """

    def __init__(self, thing: str, words: str) -> None:
        super().__init__(words)
        self.thing = thing


@dataclass(frozen=True)
class Lease:
    """What a worker holds while it trains: its right is that no newer attempt has begun."""

    search_id: int
    candidate_id: int
    attempt: int
    worker: str
    threads: int
    numeric_path: str

    def __str__(self) -> str:
        return f"candidate {self.candidate_id}, attempt {self.attempt}"


def claim(candidate_id: int, *, worker: str, threads: int, numeric_path: str, dataset_digest: str) -> Lease | None:
    """Take a candidate that is pending, or running with a dead lease; None where there is nothing to do.

    One compare-and-set: of many who try, one gets it. Threads and numeric path are fixed by the first claim.
    Raises UnfitWorker.
    """
    search_id = _search_id(candidate_id)
    if search_id is None:
        return None
    with transaction.atomic():
        search = lock_search(search_id)
        candidate = candidate_of(search, candidate_id)
        if not may_happen("train", search) or _gave_up(candidate):
            return None
        _check_fit(search, candidate, threads, numeric_path, dataset_digest)
        taken = Candidate.objects.filter(
            IS_TO_BE_HAD,
            pk=candidate_id,
            attempt=candidate.attempt,
        ).update(
            status=Candidate.Status.RUNNING,
            attempt=candidate.attempt + 1,
            failures=failures_after_death(candidate),
            lease_expires=new_expiry(),
            worker=worker,
            threads=threads,
            numeric_path=numeric_path,
        )
        if not taken:
            return None
        Refusal.objects.filter(candidate=candidate_id).delete()
        candidate = _begin(search, candidate_id)
    reached("claimed")
    return Lease(search.pk, candidate_id, candidate.attempt, worker, threads, numeric_path)


def _search_id(candidate_id: int) -> int | None:
    """The search of a candidate, or None where the row is gone."""
    return Candidate.objects.filter(pk=candidate_id).values_list("search_id", flat=True).first()


def _gave_up(candidate: Candidate) -> bool:
    """Whether it died once too often; the reaper ends it."""
    return failures_after_death(candidate) >= MAX_FAILURES


def _check_fit(search: Search, candidate: Candidate, threads: int, numeric_path: str, digest: str) -> None:
    """Raises UnfitWorker with the thing, both values and the way out."""
    facts: list[tuple[str, Any, Any]] = [
        (refusals.ENGINE, search.engine_version, ENGINE_VERSION),
        (refusals.DIGEST, search.dataset_digest, digest),
    ]
    if candidate.threads is not None:
        facts += [
            (refusals.THREADS, candidate.threads, threads),
            (refusals.PATH, candidate.numeric_path, numeric_path),
        ]
    for thing, wanted, found in facts:
        if wanted != found:
            raise UnfitWorker(
                thing,
                f"{search.name}, {candidate.code}: its {thing} is {wanted}, this worker's is {found}; "
                "a worker of the search's own kind must train it",
            )


def _begin(search: Search, candidate_id: int) -> Candidate:
    """Times and the event of a claim that succeeded."""
    Candidate.objects.filter(pk=candidate_id, started=None).update(started=Now())
    Search.objects.filter(pk=search.pk, started=None).update(started=Now())
    if search.status == Search.Status.WAITING:
        Search.objects.filter(pk=search.pk).update(status=Search.Status.RUNNING)
    search.refresh_from_db(fields=["status", "started"])
    candidate = candidate_of(search, candidate_id)
    append(
        search,
        "candidate_started",
        sentences.began(candidate),
        search_part=search_fields(search),
        candidates=[candidate_state(candidate)],
    )
    return candidate


def beat(
    lease: Lease,
    *,
    epoch: float | None = None,
    images_per_second: float | None = None,
    seconds: float | None = None,
    lease_seconds: float | None = None,
) -> None:
    """Extend the lease and tell how far the training is; call it at most once a second.

    `lease_seconds` before a long call that cannot be cut. Raises LeaseLost.
    """
    progress = {"epoch": epoch, "images_per_second": images_per_second, "seconds": seconds}
    _guarded(
        lease,
        lease_expires=new_expiry(lease_seconds),
        **{name: value for name, value in progress.items() if value is not None},
    )


def record_seal(lease: Lease, seal: dict[str, Any]) -> None:
    """Store the Eq. (1) seal that was measured before the training. Raises LeaseLost."""
    with transaction.atomic():
        search = lock_search(lease.search_id)
        _guarded(lease, seal=seal, lease_expires=new_expiry())
        candidate = candidate_of(search, lease.candidate_id)
        append(
            search,
            "seal",
            sentences.sealed(candidate, seal.get("float32"), seal.get("float64")),
            level=Event.Level.INFO if seal.get("holds") else Event.Level.ERROR,
            candidates=[{"id": candidate.pk, "seal": seal}],
        )


def record_resumed(lease: Lease, points: Sequence[Point], *, epoch: float, checkpoint: str) -> None:
    """Take over what a checkpoint holds: its points, the epoch it ended. Raises LeaseLost.

    `checkpoint` is "" where none was whole and the training starts again from its parent.
    """
    with transaction.atomic():
        search = lock_search(lease.search_id)
        _guarded(lease, epoch=epoch, checkpoint=checkpoint, lease_expires=new_expiry())
        _upsert(lease, points)
        candidate = candidate_of(search, lease.candidate_id)
        where = f"from epoch {epoch:g} of {candidate.epochs}" if epoch else "from its beginning"
        append(
            search,
            "epoch",
            f"{sentences.subject(candidate)} goes on {where}",
            candidates=[candidate_state(candidate)],
            points={candidate.pk: points},
        )


def record_epoch(lease: Lease, points: Sequence[Point], *, epoch: float, seconds: float, checkpoint: str) -> None:
    """Record an epoch whose checkpoint is on disk already. Raises LeaseLost.

    `points` are those since the epoch before; `seconds` the training time so far; `checkpoint` the file below
    the data folder. A checkpoint is progress: earlier failures are forgotten.
    """
    with transaction.atomic():
        search = lock_search(lease.search_id)
        _guarded(lease, epoch=epoch, seconds=seconds, checkpoint=checkpoint, failures=0, lease_expires=new_expiry())
        _upsert(lease, points)
        candidate = candidate_of(search, lease.candidate_id)
        last = points[-1] if points else None
        append(
            search,
            "epoch",
            sentences.ended_epoch(candidate, last.loss if last else None, last.val_accuracy if last else None),
            search_part=progress_fields(search),
            candidates=[candidate_state(candidate)],
            points={candidate.pk: points},
        )


def _upsert(lease: Lease, points: Sequence[Point]) -> None:
    for point in points:
        point.candidate_id = lease.candidate_id
    Point.objects.bulk_create(
        points,
        update_conflicts=True,
        unique_fields=["candidate", "optimiser_step"],
        update_fields=["epoch", "loss", "lr", "val_accuracy", "seconds"],
    )


def release(lease: Lease, *, why: str = "the worker stops") -> list[int]:
    """Give the candidate back; counts as nothing. Returns what is to be sent to the queue again.

    Returns [] where the lease was lost meanwhile.
    """
    with transaction.atomic():
        search = lock_search(lease.search_id)
        return [lease.candidate_id] if give_back(search, mine(lease), lease.candidate_id, why=why) else []


def split_batch(lease: Lease, accumulate: int, *, why: str) -> list[int]:
    """Give the candidate back, to be trained again with its batches split into `accumulate` parts."""
    with transaction.atomic():
        search = lock_search(lease.search_id)
        _guarded(lease, accumulate=accumulate)
        return [lease.candidate_id] if give_back(search, mine(lease), lease.candidate_id, why=why) else []


def give_back(
    search: Search, rows: QuerySet[Candidate], candidate_id: int, *, why: str, failures: int | None = None
) -> bool:
    """Make a running candidate pending again, if `rows` still holds it; under the search's lock."""
    counted = {} if failures is None else {"failures": failures}
    changed = rows.filter(pk=candidate_id).update(
        status=Candidate.Status.PENDING, lease_expires=None, worker="", images_per_second=None, **counted
    )
    if changed:
        candidate = candidate_of(search, candidate_id)
        append(
            search,
            "candidate_released",
            f"{sentences.subject(candidate)} waits for a worker again: {why}",
            level=Event.Level.INFO if failures is None else Event.Level.WARNING,
            candidates=[candidate_state(candidate)],
        )
    return bool(changed)


def failures_after_death(candidate: Candidate) -> int:
    """Failures once its running attempt is dead: one more, unless that attempt left a checkpoint of its own."""
    if candidate.status != Candidate.Status.RUNNING:
        return candidate.failures
    name = CHECKPOINT_NAME.search(candidate.checkpoint)
    return 0 if name and int(name[1]) == candidate.attempt else candidate.failures + 1


def mine(lease: Lease) -> QuerySet[Candidate]:
    """The row as long as it is this lease's: the fence of every write."""
    return Candidate.objects.filter(pk=lease.candidate_id, attempt=lease.attempt, status=Candidate.Status.RUNNING)


def _guarded(lease: Lease, **columns: Any) -> None:
    if not mine(lease).update(**columns):
        raise LeaseLost(f"{lease}: paused, stopped or taken over")


def new_expiry(seconds: float | None = None) -> datetime:
    """When a lease that is extended now expires, by the database's clock: an expression, for an update."""
    lasts = settings.NASH_LEASE_SECONDS if seconds is None else seconds
    return cast(datetime, Now() + timedelta(seconds=lasts))
