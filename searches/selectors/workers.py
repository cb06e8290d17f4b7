"""Worker processes: those that beat, and for how long the others have not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now
from django.urls import reverse

from searches.models import Candidate, Worker
from searches.selectors.waiting import waiting_candidates

WORKER_GONE_SECONDS = 30.0
"""Without a beat for so long a worker counts as gone; the page then says "no worker for 30 s"."""


def workers_alive() -> QuerySet[Worker]:
    """Workers whose last beat is fresh by the database's clock."""
    return Worker.objects.filter(last_beat__gt=Now() - timedelta(seconds=WORKER_GONE_SECONDS))


def worker_dicts() -> list[dict[str, Any]]:
    """Every worker that is known, as pages and frames show it, with what it trains.

    `seconds_since_beat` is by the database's clock.
    """
    age = ExpressionWrapper(Now() - F("last_beat"), output_field=DurationField())
    heavy = ("candidate__architecture", "candidate__correct")
    workers = Worker.objects.annotate(age=age).select_related("candidate__search").defer(*heavy)
    return [{**_own(worker), **_training(worker.candidate)} for worker in workers]


@dataclass(frozen=True)
class WorkerSign:
    """What a worker's row says of how it gets on.

    `is_in_its_right`: it trains nothing, or what runs in its name.
    """

    pid: int
    last_beat: str
    is_in_its_right: bool


def worker_signs(names: Sequence[str]) -> dict[str, WorkerSign]:
    """Of the workers of these names that have a row."""
    columns = ("name", "pid", "last_beat", "candidate_id", "candidate__status", "candidate__worker")
    return {
        name: WorkerSign(
            pid, beat.isoformat(), training is None or (status == Candidate.Status.RUNNING and holder == name)
        )
        for name, pid, beat, training, status, holder in Worker.objects.filter(name__in=names).values_list(*columns)
    }


def queue_length() -> int:
    """How many trainings wait for a worker, whatever messages there are."""
    return waiting_candidates().count()


def _own(worker: Worker) -> dict[str, Any]:
    age: timedelta = worker.age  # type: ignore[attr-defined]  # annotated by worker_dicts()
    return {
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "device": worker.device,
        "memory_bytes": worker.memory_bytes,
        "memory_used_bytes": worker.memory_used_bytes,
        "versions": worker.versions,
        "refusal": worker.refusal,
        "last_beat": worker.last_beat.isoformat(),
        "seconds_since_beat": round(max(0.0, age.total_seconds()), 1),
    }


def _training(candidate: Candidate | None) -> dict[str, Any]:
    """What a worker trains: the candidate's id and code, its search's name, its page, its images a second."""
    if candidate is None:
        return {"candidate": None, "code": None, "search_name": None, "url": None, "images_per_second": None}
    search = candidate.search
    place = [search.uuid, candidate.kind, candidate.step, candidate.index]
    return {
        "candidate": candidate.pk,
        "code": candidate.code,
        "search_name": search.name,
        "url": reverse("candidate_detail", args=place),
        "images_per_second": candidate.images_per_second,
    }
