"""The rows of worker processes: they beat while idle, too, and leave by themselves when their beats stop."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from searches.models import Candidate, Event, Refusal, Worker
from searches.selectors import refusals
from searches.services.events import append, lock_search

FORGET_SECONDS = 300.0


@dataclass(frozen=True)
class WorkerIdentity:
    """Who a worker is: a name that no other living process has, its host, process, device, versions, memory.

    Memory is the device's and what the worker holds of it, None where that is not known.
    """

    name: str
    host: str
    pid: int
    device: str
    versions: dict[str, Any]
    memory_bytes: int | None = None
    memory_used_bytes: int | None = None


def worker_beat(identity: WorkerIdentity, candidate_id: int | None) -> None:
    """Say that the worker lives, and what it trains."""
    trains = candidate_id if Candidate.objects.filter(pk=candidate_id or 0).exists() else None
    Worker.objects.update_or_create(
        name=identity.name,
        defaults={
            "host": identity.host,
            "pid": identity.pid,
            "device": identity.device,
            "versions": identity.versions,
            "memory_bytes": identity.memory_bytes,
            "memory_used_bytes": identity.memory_used_bytes,
            "last_beat": Now(),
            "candidate_id": trains,
        },
    )


def worker_left(name: str) -> None:
    """The worker ended as it should."""
    Worker.objects.filter(name=name).delete()


def record_refusal(name: str, candidate_id: int, thing: str, words: str) -> None:
    """Show what a worker refused last, and why; keep that it is not fit for this training.

    Its engine version stands in its own row: what it refuses for that is known without a row for each training.
    """
    Worker.objects.filter(name=name).exclude(refusal=words).update(refusal=words)
    worker = Worker.objects.filter(name=name).first()
    told = {"thing": thing, "words": words}
    if worker is None or thing == refusals.ENGINE:
        return
    if not Refusal.objects.filter(worker=worker, candidate=candidate_id, **told).exists():
        Refusal.objects.update_or_create(worker=worker, candidate_id=candidate_id, defaults=told)


def forget_refusal(name: str) -> None:
    """The worker trains again."""
    Worker.objects.filter(name=name).exclude(refusal="").update(refusal="")


def forget_refusals(name: str) -> None:
    """A process begins under this name: what the one before refused is not said of it."""
    Refusal.objects.filter(worker__name=name).delete()
    forget_refusal(name)


def forget_dead_workers() -> None:
    """Rows of workers that have not beaten for long."""
    Worker.objects.filter(last_beat__lt=Now() - timedelta(seconds=FORGET_SECONDS)).delete()


def warn_once(search_id: int, words: str) -> None:
    """Write a warning into a search's log, unless it says the same already."""
    with transaction.atomic():
        search = lock_search(search_id)
        if not Event.objects.filter(search=search, kind="warning", words=words).exists():
            append(search, "warning", words, level=Event.Level.WARNING)
