"""How a training ends, and what Algorithm 1 makes of it: winner, next step, final training, the end.

plan() runs outside the transaction; the transaction then looks whether the history is still the one that was
planned from, and otherwise nothing is written and it is planned again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from searches.crash_points import reached
from searches.models import Artifact, Candidate, Event, Search
from searches.selectors import progress_fields
from searches.selectors.looks import looks_at_test_set
from searches.selectors.snapshot import candidate_state, result_fields
from searches.services import sentences
from searches.services.events import append, candidate_of, lock_search
from searches.services.following import after
from searches.services.gaps import measure_gaps
from searches.services.history import rows_ended
from searches.services.keeping import keep_best_model
from searches.services.leases import MAX_FAILURES, Lease, LeaseLost, failures_after_death, give_back, mine
from searches.services.moving import crown, move_on

MEASURES = ("val_accuracy", "val_balanced")


@dataclass(frozen=True)
class MadeFile:
    """A file that lies on disk, whole, before its row is written; `path` below the data folder."""

    format: Artifact.Format
    path: Path
    sha256: str
    bytes: int

    @property
    def name(self) -> str:
        """As rows name it: below the data folder."""
        return self.path.relative_to(settings.NASH_DATA_DIR).as_posix()


@dataclass(frozen=True)
class Result:
    """What a training that was done brought. Accuracies are fractions; `correct` the packed bits of method
    section 4; `seconds` all attempts together."""

    val_accuracy: float | None
    test_accuracy: float | None
    correct: bytes | None
    seconds: float
    images_per_second: float | None
    flops_per_second: float | None
    peak_memory_bytes: int | None
    files: tuple[MadeFile, ...] = ()
    val_balanced: float | None = None
    test_balanced: float | None = None


def keep_row(candidate: Candidate, made: MadeFile) -> None:
    """Write the row of a file that lies where files of its kind lie, in place of one of its format."""
    columns = {
        "file": made.name,
        "sha256": made.sha256,
        "bytes": made.bytes,
    }
    Artifact.objects.update_or_create(candidate=candidate, format=made.format, defaults=columns)


def finish(lease: Lease, result: Result) -> list[int]:
    """The training is done. Returns the candidates to be sent to the queue after this. Raises LeaseLost."""
    reached("finish-begins")
    columns = {
        "status": Candidate.Status.DONE,
        "val_accuracy": result.val_accuracy,
        "test_accuracy": result.test_accuracy,
        "val_balanced": result.val_balanced,
        "test_balanced": result.test_balanced,
        "correct": result.correct,
        "seconds": result.seconds,
        "images_per_second": result.images_per_second,
        "flops_per_second": result.flops_per_second,
        "peak_memory_bytes": result.peak_memory_bytes,
        "failures": 0,
    }
    epochs = Candidate.objects.values_list("epochs", flat=True).get(pk=lease.candidate_id)

    def write(candidate: Candidate) -> None:
        for made in result.files:
            keep_row(candidate, made)

    ids = end(lease.search_id, lease.candidate_id, mine(lease), {**columns, "epoch": float(epochs)}, write=write)
    reached("finish-after-commit")
    return ids


def end_candidate(lease: Lease, status: str, reason: str) -> list[int]:
    """The training ended without a result (too_big, diverged, failed); the search goes on without it.

    Returns the candidates to be sent to the queue. Raises LeaseLost.
    """
    return end(lease.search_id, lease.candidate_id, mine(lease), {"status": status, "reason": reason})


def release_failed(lease: Lease, reason: str) -> list[int]:
    """The attempt died of an error: give the candidate back, or end it as failed after MAX_FAILURES of them.

    An attempt that left a checkpoint of its own does not count. Returns what is to be sent to the queue.
    """
    return died(lease.search_id, lease.candidate_id, mine(lease), reason)


def died(search_id: int, candidate_id: int, rows: QuerySet[Candidate], reason: str) -> list[int]:
    """An attempt is known to be dead: pending again, or failed at last. [] where `rows` no longer holds it."""
    with transaction.atomic():
        search = lock_search(search_id)
        candidate = rows.filter(pk=candidate_id).first()
        if candidate is None:
            return []
        failures = failures_after_death(candidate)
        if failures < MAX_FAILURES:
            give_back(search, rows, candidate_id, why=reason, failures=failures)
            return [candidate_id]
    words = f"{failures} attempts died without a new checkpoint, the last: {reason}"
    columns = {"status": Candidate.Status.FAILED, "reason": words, "failures": failures}
    try:
        return end(search_id, candidate_id, rows, columns)
    except LeaseLost:
        return []


def end(
    search_id: int,
    candidate_id: int,
    rows: QuerySet[Candidate],
    columns: dict[str, Any],
    *,
    write: Callable[[Candidate], None] = lambda candidate: None,
) -> list[int]:
    """Close a candidate with these columns, provided `rows` still holds it, and take the search a move further.

    All in one transaction: row, files, events, winner, next rows. Where the search has failed by it, its best network
    is made ready after that. Raises LeaseLost.
    """
    while True:
        following = after(search_id, candidate_id, columns["status"], *map(columns.get, MEASURES))
        with transaction.atomic():
            search = lock_search(search_id)
            if following.history != rows_ended(search, without=candidate_id):
                continue
            closed = {**columns, "lease_expires": None, "ended": Now()}
            if not rows.filter(pk=candidate_id).update(**closed):
                raise LeaseLost(f"candidate {candidate_id}: paused, stopped or taken over before its end")
            is_crowned = crown(search, following.winner)
            candidate = candidate_of(search, candidate_id)
            write(candidate)
            _say_ended(search, candidate)
            ids = move_on(search, following, is_crowned=is_crowned)
            reached("finish-before-commit")
        if search.status == Search.Status.FAILED:
            keep_best_model(search)
        return ids


def _say_ended(search: Search, candidate: Candidate) -> None:
    done = candidate.status == Candidate.Status.DONE
    is_neighbour = candidate.kind == Candidate.Kind.NEIGHBOUR
    gaps = measure_gaps(search, candidate.step) if done and is_neighbour else []
    candidate.gap = next((part["gap"] for part in gaps if part["id"] == candidate.pk), candidate.gap)
    others = [part for part in gaps if part["id"] != candidate.pk]
    is_first_best = candidate.kind == Candidate.Kind.PRETRAIN and candidate.is_winner
    search_part = {**progress_fields(search), **({"best": candidate.pk} if is_first_best else {})}
    if done and candidate.kind == Candidate.Kind.FINAL:
        search_part |= result_fields(search, [candidate])  # the model is there, whatever is compared after it
    append(
        search,
        "candidate_ended",
        sentences.ended(candidate, looks=looks_at_test_set(search)),
        level=Event.Level.INFO if done else Event.Level.WARNING,
        search_part=search_part,
        candidates=[candidate_state(candidate), *others],
    )
