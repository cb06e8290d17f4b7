"""The rows of an ensemble's members, and snapshot ensembles that were waiting for theirs."""

from collections.abc import Sequence

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from searches.models import BackgroundJob, Candidate, Ensemble, EnsembleMember, Event, Search
from searches.selectors.access import Asker
from searches.selectors.ensembles import LEAST, MEASURE, measure_subject, snapshot_members, waiting_snapshots
from searches.selectors.names import told_apart
from searches.services.background import ask_for
from searches.services.events import append, lock_search

NAME_LENGTH = 200


def add_members(ensemble: Ensemble, candidates: Sequence[Candidate]) -> None:
    """Write a row for each, in this order; `candidate.search` is read."""
    is_of_one = ensemble.kind == Ensemble.Kind.SNAPSHOTS
    runs = told_apart([candidate.search for candidate in candidates])
    for place, (candidate, run) in enumerate(zip(candidates, runs, strict=True), start=1):
        EnsembleMember.objects.create(
            ensemble=ensemble,
            place=place,
            candidate=candidate,
            name=candidate.code if is_of_one else f"{run}: {candidate.code}",
            architecture=candidate.architecture,
            digest=candidate.digest,
            n_parameters=candidate.n_parameters,
            n_macs=candidate.n_macs,
        )


def wait_for_snapshots(search: Search, owner: AbstractBaseUser | None) -> Ensemble:
    """An ensemble that gets its members once the search has finished; in the transaction that holds its lock."""
    return Ensemble.objects.create(
        name=f"Snapshots of {search.name}"[:NAME_LENGTH],
        kind=Ensemble.Kind.SNAPSHOTS,
        owner=owner,  # type: ignore[misc]  # the project's user model is a setting
        dataset=search.dataset,
        search=search,
    )


def ask_to_measure(ensemble: Ensemble, owner: Asker | None) -> BackgroundJob:
    """Have an ensemble with members measured on the test images."""
    title = f"Measure “{ensemble.name}”"[:NAME_LENGTH]
    payload = {"ensemble": ensemble.pk}
    return ask_for(MEASURE, subject=measure_subject(ensemble), title=title, payload=payload, owner=owner)


def settle_snapshots(search: Search) -> None:
    """The search has finished: ensembles that waited for its snapshots get their members and are to be measured.

    Call it in the transaction that holds the search's lock. Where fewer than two networks came out, it says so.
    """
    for ensemble in waiting_snapshots([search]).select_related("owner"):
        found = snapshot_members(search)
        if len(found) < LEAST:
            words = f"{len(found)} of its networks came out: an ensemble is of at least two."
            Ensemble.objects.filter(pk=ensemble.pk).update(reason=words)
            append(search, "ensemble", f"Ensemble “{ensemble.name}”: {words}", level=Event.Level.WARNING)
            continue
        add_members(ensemble, found)
        ask_to_measure(ensemble, ensemble.owner)
        append(search, "ensemble", f"Ensemble “{ensemble.name}”: {len(found)} members are trained, it is measured")


def settle_waiting() -> None:
    """What should have been settled already, as after a restore. Safe to repeat anywhere."""
    waiting = waiting_snapshots().filter(search__status=Search.Status.FINISHED, search__deleted=None)
    for search_id in set(waiting.values_list("search_id", flat=True)):
        with transaction.atomic():
            search = lock_search(search_id)
            if search.status == Search.Status.FINISHED:
                settle_snapshots(search)
