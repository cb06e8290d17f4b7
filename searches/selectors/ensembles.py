"""Which networks may answer together, and in what state an ensemble is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet

from searches.models import BackgroundJob, Candidate, Ensemble, Search
from searches.selectors.access import Asker
from searches.selectors.background import newest_job

MEASURE, FILES = "ensemble", "ensemble_files"
"""Kinds of the background jobs that measure one, and that make its files."""
LEAST, MOST = 2, 20
"""Members of an ensemble."""
SNAPSHOTS = "snapshots"
"""The comparison whose trainings are the members of a snapshot ensemble."""


def ensembles_folder() -> Path:
    """Where each ensemble has a folder of its own, named by its uuid."""
    return Path(settings.NASH_DATA_DIR) / "ensembles"


def ensemble_folder(ensemble: Ensemble) -> Path:
    return ensembles_folder() / str(ensemble.uuid)


def ensembles_visible_to(user: Asker) -> QuerySet[Ensemble]:
    """For who is signed in all."""
    seen = user.is_authenticated and user.is_active
    return Ensemble.objects.select_related("dataset", "owner", "search") if seen else Ensemble.objects.none()


def may_change_ensemble(user: Asker, ensemble: Ensemble) -> bool:
    """Whether this user may delete it: who made it and staff may."""
    if not (user.is_authenticated and user.is_active):
        return False
    return ensemble.owner_id == user.pk or bool(getattr(user, "is_staff", False))


def measure_subject(ensemble: Ensemble) -> str:
    return f"{MEASURE}:{ensemble.pk}"


def ensemble_files_subject(ensemble: Ensemble) -> str:
    return f"{FILES}:{ensemble.pk}"


def measuring_job(ensemble: Ensemble) -> BackgroundJob | None:
    """The newest job that measures it."""
    return newest_job(measure_subject(ensemble))


def measuring_jobs(ensembles: Iterable[Ensemble]) -> dict[int, BackgroundJob]:
    """The newest job that measures each of them, by its key; of whom none does, none."""
    keys = {measure_subject(ensemble): ensemble.pk for ensemble in ensembles}
    jobs = BackgroundJob.objects.filter(subject__in=keys).order_by("pk")
    return {keys[job.subject]: job for job in jobs}


def final_model(search: Search) -> Candidate | None:
    """The final model of as many steps as the search has by now, once it is trained and tested."""
    finals = search.candidates.filter(kind=Candidate.Kind.FINAL, step=search.config["n_steps"])
    return _tested(finals).first()


def part_tested_on(search: Search) -> tuple[int, int] | None:
    """Seed and size of the part of the test images that its networks are tested on; None where it is all of them."""
    n_test = search.n_test
    return None if n_test == search.dataset.n_test else (search.config["seed"], n_test)


def snapshot_members(search: Search) -> list[Candidate]:
    """The networks of a snapshot ensemble that are trained: the snapshots by step, then the final model."""
    snapshots = search.candidates.filter(kind=Candidate.Kind.SNAPSHOT, step__lt=search.config["n_steps"])
    final = final_model(search)
    return [*_tested(snapshots).order_by("step"), *([final] if final else [])]


def _tested(candidates: QuerySet[Candidate]) -> QuerySet[Candidate]:
    done = candidates.filter(status=Candidate.Status.DONE).exclude(test_accuracy=None)
    return done.select_related("search__dataset")


def waiting_snapshots(searches: Iterable[Search] | None = None) -> QuerySet[Ensemble]:
    """Snapshot ensembles whose members are not trained yet; of all searches where none are given."""
    waiting = Ensemble.objects.filter(members=None, result__isnull=True, reason="").exclude(search=None)
    return waiting if searches is None else waiting.filter(search__in=searches)


def ensemble_of_exactly(candidates: Sequence[Candidate]) -> Ensemble | None:
    """The ensemble of just these members, if there is one."""
    wanted = {candidate.pk for candidate in candidates}
    found = Ensemble.objects.filter(members__candidate=candidates[0]).prefetch_related("members")
    return next((e for e in found if {m.candidate_id for m in e.members.all()} == wanted), None)


def ensembles_with(search: Search) -> list[Ensemble]:
    """Those that a network of this search is a member of, or that wait for its snapshots; the newest first."""
    named = Q(members__candidate__search=search) | Q(search=search)
    return list(Ensemble.objects.filter(named).distinct())


def can_be_averaged(search: Search) -> bool:
    """Whether the page offers an ensemble of its snapshots: it has finished, has some, and none is under way."""
    return (
        search.status == Search.Status.FINISHED
        and search.config["n_steps"] >= LEAST
        and not search.snapshot_ensembles.filter(reason="").exists()
    )


def waits_for(ensemble: Ensemble) -> str:
    """What an ensemble without members waits for, in words."""
    search = ensemble.search
    if search is None or search.deleted is not None:
        return "Its search was deleted before the snapshots were trained."
    status = Search.Status
    if search.status in (status.STOPPED, status.FAILED):
        how = "was stopped" if search.status == status.STOPPED else "has failed"
        return f"“{search.name}” {how} before its snapshots were trained. It is measured should that search go on."
    paused = " It is paused." if search.status == status.PAUSED else ""
    return f"It is measured as soon as the snapshots of “{search.name}” are trained.{paused}"
