"""A search that no worker takes any more goes on, marked: with this engine version, on whatever device there is.

From there on it is no longer the search that its old version would have made; where that begins stands in `went_on`.
"""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from searches.models import ENGINE_VERSION, Candidate, Event, Refusal, Search
from searches.nash.hillclimb import ENDED
from searches.selectors import in_order, progress_fields, search_fields
from searches.selectors.refusals import fit_fields, why_refused
from searches.selectors.snapshot import candidate_state
from searches.services.control import By, Refused, allows, by_words, let_go, locked_for, pending_ids
from searches.services.events import append, candidate_of

ALONE = {Candidate.Kind.PRETRAIN: "the pretraining", Candidate.Kind.FINAL: "the final training"}
"""Kinds of which there is one, in words."""


def go_on(search: Search, by: By) -> list[int]:
    """Let what is open be trained with this engine version, with any number of threads, on any numeric path.

    What has ended keeps its rows and files. What was interrupted goes on from its checkpoint if this version can read
    it, else begins again from its parent. What another version trains at this moment is let go, as a pause does.
    Returns the candidates to be sent to the queue. Raises Refused.
    """
    with transaction.atomic():
        locked = locked_for("go_on", search, by)
        before, unfit = locked.engine_version, why_refused(locked)
        if before == ENGINE_VERSION and not (unfit and unfit.can_go_on):
            raise Refused(
                f"“{locked.name}” is of engine version {ENGINE_VERSION}, as this site is, and no training of it is "
                "refused for its threads or its numeric path by every worker: it goes on by itself."
            )
        changed = _let_open(locked)
        open_rows = list(locked.candidates.exclude(status__in=ENDED).defer("architecture", "correct"))
        mark = {
            "before": before,
            "after": ENGINE_VERSION,
            "where": _where(locked, open_rows),
            "at": timezone.now().isoformat(),
            "seconds_refused": _seconds_refused(locked) if unfit else 0.0,
        }
        Search.objects.filter(pk=locked.pk, engine_version=before).update(
            engine_version=ENGINE_VERSION, went_on=[*locked.went_on, mark]
        )
        locked.refresh_from_db(fields=["engine_version", "went_on"])
        append(
            locked,
            "search_went_on",
            f"Told to go on{by_words(by)}, {_how(before)} from {mark['where']} on: results are no longer those that "
            "the search would have found as it began",
            level=Event.Level.WARNING,
            search_part={**search_fields(locked), **progress_fields(locked), **fit_fields(locked)},
            candidates=[candidate_state(candidate_of(locked, pk)) for pk in changed],
        )
        return pending_ids(locked) if allows("train", locked.status) else []


def _seconds_refused(search: Search) -> float:
    """For how long nothing has happened to a search that every worker refuses: that is not spent of its budget."""
    if search.started is None:
        return 0.0
    newest = search.events.exclude(kind="warning").latest("seq")  # each worker's first refusal is one
    return round((timezone.now() - newest.at).total_seconds(), 1)


def _let_open(search: Search) -> list[int]:
    """Nothing of it is trained any more, and nothing that waits is bound to threads or path; what of it changed."""
    let_go(search, Candidate.Status.PENDING, [Candidate.Status.RUNNING])
    waiting = search.candidates.filter(status=Candidate.Status.PENDING)
    Refusal.objects.filter(candidate__in=waiting).delete()
    bound = waiting.filter(~Q(threads=None) | ~Q(numeric_path=""))
    ids = list(bound.values_list("pk", flat=True))
    bound.update(threads=None, numeric_path="")
    return ids


def _where(search: Search, open_rows: Sequence[Candidate]) -> str:
    """Step 3 where nothing of it has ended, else the trainings that are open; and what of them was trained before.

    All that is open at a time is of one step, or comparisons.
    """
    first, *others = in_order(open_rows)
    ended = search.candidates.filter(kind=first.kind, step=first.step, status__in=ENDED)
    if first.kind in ALONE:
        names = ALONE[Candidate.Kind(first.kind)]
    elif first.kind == Candidate.Kind.NEIGHBOUR and not ended.exists():
        names = f"step {first.step}"
    else:
        names = ", ".join(c.code for c in (first, *others))
    begun = [f"{c.code} after its epoch {int(c.epoch)}" for c in (first, *others) if c.checkpoint]
    return f"{names} ({', '.join(begun)})" if begun else names


def _how(before: int) -> str:
    if before != ENGINE_VERSION:
        return f"with engine version {ENGINE_VERSION} in place of {before}"
    return "with any number of threads on any numeric path"
