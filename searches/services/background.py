"""Work beside the trainings (imports, the files of a model): asked for, claimed, told of, ended.

As with candidates the row is the truth: of many who claim, one gets it; a dead lease is taken over; whoever is
fenced off writes nothing more. What is about a candidate ends with an event in its search's log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from searches.models import BackgroundJob, Candidate, Event, Search
from searches.selectors.access import Asker
from searches.selectors.background import IS_TO_BE_HAD, OPEN
from searches.services.control import Refused
from searches.services.events import append, lock_search
from searches.services.leases import LeaseLost, new_expiry

MAX_DEATHS = 3
"""So many processes of one job may die; then it has failed."""
Status = BackgroundJob.Status


@dataclass(frozen=True)
class JobLease:
    """The right to do a job: that no newer attempt has begun."""

    job_id: int
    attempt: int
    worker: str

    def __str__(self) -> str:
        return f"background job {self.job_id}, attempt {self.attempt}"


def ask_for(
    kind: str,
    *,
    subject: str,
    title: str,
    payload: Mapping[str, Any] | None = None,
    candidate: Candidate | None = None,
    owner: Asker | None = None,
) -> BackgroundJob:
    """The open job about this subject, or else a new one that waits for a worker; payload is plain JSON."""
    columns: dict[str, Any] = {"kind": kind, "title": title[:200], "candidate": candidate}
    columns["payload"] = dict(payload or {})
    if isinstance(owner, AbstractBaseUser):
        columns["owner"] = owner
    wanted = {"subject": subject, "status__in": OPEN}
    return BackgroundJob.objects.get_or_create(**wanted, defaults={**columns, "subject": subject})[0]


def claim_job(job_id: int, *, worker: str) -> JobLease | None:
    """Take a job that is pending, or running under a dead lease; None where there is nothing to do."""
    with transaction.atomic():
        job = BackgroundJob.objects.select_for_update(of=("self",)).filter(IS_TO_BE_HAD, pk=job_id).first()
        if job is None:
            return None
        failures = job.failures + (job.status == Status.RUNNING)
        if failures >= MAX_DEATHS:
            _end(_at(job), Status.FAILED, reason=f"{failures} processes that worked on it died", failures=failures)
            return None
        taken = _at(job).filter(IS_TO_BE_HAD).update(
            status=Status.RUNNING, attempt=F("attempt") + 1, failures=failures, worker=worker, done=0, total=0,
            words="", lease_expires=new_expiry(), started=Now(),
        )  # fmt: skip
        return JobLease(job.pk, job.attempt + 1, worker) if taken else None


def beat_job(lease: JobLease) -> None:
    """Extend the lease. Raises LeaseLost: cancelled, or taken over by another."""
    _guarded(lease, lease_expires=new_expiry())


def tell_job(lease: JobLease, *, done: int, total: int, words: str) -> None:
    """Say how far it is; extends the lease. Raises LeaseLost."""
    _guarded(lease, done=done, total=total, words=words[:200], lease_expires=new_expiry())


def finish_job(lease: JobLease, result: Mapping[str, Any]) -> None:
    """It is done; `result` is plain JSON and may hold "said", the sentence for the log. Raises LeaseLost."""
    _must_end(lease, Status.DONE, result=dict(result), done=F("total"), failures=0)


def fail_job(lease: JobLease, reason: str) -> None:
    """It cannot be done, in words. Raises LeaseLost."""
    _must_end(lease, Status.FAILED, reason=reason)


def release_job(lease: JobLease) -> None:
    """Give it back because the worker stops; counts as nothing."""
    _mine(lease).update(status=Status.PENDING, lease_expires=None, worker="")


def job_died(lease: JobLease, how: str) -> None:
    """Its process is dead: it waits again, or has failed once it happened too often."""
    _died(_mine(lease), how)


def free_jobs_of(worker: str) -> None:
    """The worker is dead: what it did is done again by another."""
    for job in BackgroundJob.objects.filter(worker=worker, status=Status.RUNNING):
        _died(_at(job).filter(status=Status.RUNNING), f"its worker {worker} has died")


def end_job(job: BackgroundJob, by: Asker | str) -> bool:
    """Cancel what waits or runs; whether it waited, so that nobody tidies up after it. Raises Refused.

    Who works on it notices at its next beat.
    """
    for status in OPEN:
        with transaction.atomic():
            if _end(BackgroundJob.objects.filter(pk=job.pk, status=status), Status.CANCELLED, reason=f"by {by}"):
                return status == Status.PENDING
    raise Refused(f"“{job.title}” has ended already; there is nothing to cancel.")


def retry_job(job: BackgroundJob) -> BackgroundJob:
    """The same once more, as a job of its own. Raises Refused while it is under way, or where it is done."""
    job.refresh_from_db()
    if job.status not in (Status.FAILED, Status.CANCELLED):
        raise Refused(f"“{job.title}” is {job.status}: only what failed or was cancelled can be tried again.")
    return ask_for(
        job.kind, subject=job.subject, title=job.title, payload=job.payload, candidate=job.candidate, owner=job.owner
    )


def _at(job: BackgroundJob) -> QuerySet[BackgroundJob]:
    return BackgroundJob.objects.filter(pk=job.pk, attempt=job.attempt)


def _mine(lease: JobLease) -> QuerySet[BackgroundJob]:
    return BackgroundJob.objects.filter(pk=lease.job_id, attempt=lease.attempt, status=Status.RUNNING)


def _guarded(lease: JobLease, **columns: Any) -> None:
    if not _mine(lease).update(**columns):
        raise LeaseLost(f"{lease}: cancelled or taken over")


def _died(rows: QuerySet[BackgroundJob], how: str) -> None:
    with transaction.atomic():
        job = rows.first()
        if job is None:
            return
        if job.failures + 1 < MAX_DEATHS:
            rows.update(status=Status.PENDING, failures=F("failures") + 1, lease_expires=None, worker="")
        else:
            words = f"{job.failures + 1} processes that worked on it died; of the last one: {how}"
            _end(rows, Status.FAILED, reason=words, failures=job.failures + 1)


def _must_end(lease: JobLease, status: Status, **columns: Any) -> None:
    with transaction.atomic():
        if not _end(_mine(lease), status, **columns):
            raise LeaseLost(f"{lease}: cancelled or taken over before its end")


def _end(rows: QuerySet[BackgroundJob], status: Status, **columns: Any) -> bool:
    """Close the job if `rows` holds it, with its event; in a transaction. The search is locked before the job."""
    job = rows.select_related("candidate").first()
    search = _locked_search(job) if job else None
    if job is None or not rows.update(status=status, lease_expires=None, ended=Now(), **columns):
        return False
    if search is not None:
        _say_ended(search, job, status, columns)
    return True


def _locked_search(job: BackgroundJob) -> Search | None:
    return lock_search(job.candidate.search_id) if job.candidate else None


def _say_ended(search: Search, job: BackgroundJob, status: Status, columns: Mapping[str, Any]) -> None:
    words = {
        Status.DONE: columns.get("result", {}).get("said") or f"{job.title}: done",
        Status.FAILED: f"{job.title}: failed, {columns.get('reason')}",
        Status.CANCELLED: f"{job.title}: cancelled {columns.get('reason')}",
    }[status]
    level = Event.Level.WARNING if status == Status.FAILED else Event.Level.INFO
    append(search, f"background_{status}", words, level=level)
