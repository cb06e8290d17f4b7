"""What heals: trainings whose worker is dead, and waiting ones whose message was lost. Safe to repeat anywhere."""

from typing import NamedTuple

from django.db.models import QuerySet

from searches import selectors
from searches.models import Candidate, Worker
from searches.selectors.waiting import LEASE_IS_DEAD
from searches.services.background import free_jobs_of
from searches.services.results import died


def reap(*, queue_is_empty: bool) -> list[int]:
    """Free what runs with a dead lease; return it and, where the queue is empty, all that waits.

    What is returned is to be sent to the queue. Many workers may do this at once: each row changes hands once,
    and a message too many finds nothing to claim.
    """
    ids = _free(Candidate.objects.filter(LEASE_IS_DEAD), "its worker has not been heard of")
    if queue_is_empty:
        ids += selectors.waiting_candidates().values_list("pk", flat=True)
    return list(dict.fromkeys(ids))


class Released(NamedTuple):
    """Whether a dead worker held a training, whose `failures` then count its death; what is to be sent again."""

    held_a_training: bool
    ids: list[int]


def release_worker(name: str) -> Released:
    """Free at once what a worker held whose death was seen, and forget the worker."""
    held = Candidate.objects.filter(worker=name)
    held_a_training = held.filter(status=Candidate.Status.RUNNING).exists()
    ids = _free(held, f"its worker {name} has died")
    free_jobs_of(name)
    Worker.objects.filter(name=name).delete()
    return Released(held_a_training, ids)


def _free(rows: QuerySet[Candidate], reason: str) -> list[int]:
    running = rows.filter(status=Candidate.Status.RUNNING)
    ids: list[int] = []
    for candidate_id, search_id, attempt in running.values_list("pk", "search_id", "attempt"):
        ids += died(search_id, candidate_id, running.filter(attempt=attempt), reason)
    return ids
