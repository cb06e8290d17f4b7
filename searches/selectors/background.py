"""Background jobs: what waits, and what a page or the API shows of one."""

from typing import Any

from django.db.models import Q, QuerySet

from searches.models import BackgroundJob
from searches.selectors.access import Asker
from searches.selectors.waiting import LEASE_IS_DEAD

Status = BackgroundJob.Status
OPEN = (Status.PENDING, Status.RUNNING)
IS_TO_BE_HAD = Q(status=Status.PENDING) | (Q(status=Status.RUNNING) & LEASE_IS_DEAD)
"""What a claim may take."""


def waiting_jobs() -> QuerySet[BackgroundJob]:
    """What a worker may take, the oldest first."""
    return BackgroundJob.objects.filter(IS_TO_BE_HAD).order_by("pk")


def jobs_visible_to(user: Asker) -> QuerySet[BackgroundJob]:
    """For who is signed in all, but not those about a deleted search."""
    seen = user.is_authenticated and user.is_active
    jobs = BackgroundJob.objects.filter(Q(candidate=None) | Q(candidate__search__deleted=None))
    return jobs.select_related("owner") if seen else jobs.none()


def may_change_job(user: Asker, job: BackgroundJob) -> bool:
    """Whether this user may cancel it or have it done again: who asked for it and staff may."""
    if not (user.is_authenticated and user.is_active):
        return False
    return job.owner_id == user.pk or bool(getattr(user, "is_staff", False))


def newest_job(subject: str) -> BackgroundJob | None:
    """The last job about this subject, whatever became of it."""
    return BackgroundJob.objects.filter(subject=subject).order_by("-pk").first()


def job_dict(job: BackgroundJob) -> dict[str, Any]:
    """How far a job is: what its panel on a page follows."""
    return {
        "uuid": str(job.uuid),
        "kind": job.kind,
        "title": job.title,
        "status": job.status,
        "reason": job.reason,
        "done": job.done,
        "total": job.total,
        "words": job.words,
        "result": job.result,
        "created": job.created,
        "ended": job.ended,
    }
