"""Trainings that did not end well, once more: while their step is open, and where the search failed for them.

Comparisons, too, whether they failed or a stop cancelled them: nothing is decided by them.
"""

from django.db import transaction
from django.db.models import Q, QuerySet

from searches.models import Candidate, Event, Point, Refusal, Search
from searches.nash.hillclimb import COMPARISON_KINDS
from searches.selectors import is_superseded, progress_fields, search_fields
from searches.selectors.snapshot import candidate_state
from searches.services.control import By, Refused, by_words, locked_for, pending_ids
from searches.services.events import append, candidate_of

Status = Candidate.Status
ENDED_BADLY = (Status.TOO_BIG, Status.DIVERGED, Status.FAILED)
IN_STEPS = (Candidate.Kind.PRETRAIN, Candidate.Kind.NEIGHBOUR)


def retry(search: Search, by: By, code: str | None = None) -> list[int]:
    """Train again what failed, diverged or was too big: the one of this code, or all whose step is still open.

    Of a finished search also the comparisons that a stop cancelled. A search that failed for them runs again. Returns
    the candidates to be sent to the queue. Raises Refused.
    """
    with transaction.atomic():
        locked = locked_for("retry", search, by)
        chosen = [_of_code(locked, code)] if code else _all(locked)
        ids = [candidate.pk for candidate in chosen]
        begin_again(locked.candidates.filter(pk__in=ids))
        if locked.status in (Search.Status.FAILED, Search.Status.FINISHED):
            Search.objects.filter(pk=locked.pk).update(status=Search.Status.RUNNING, reason="", ended=None)
            locked.refresh_from_db(fields=["status", "reason", "ended"])
        codes = ", ".join(candidate.code for candidate in chosen)
        append(
            locked,
            "search_retried",
            f"Tried again{by_words(by)}: {codes}",
            level=Event.Level.DECISION,
            search_part={**search_fields(locked), **progress_fields(locked)},
            candidates=[candidate_state(candidate_of(locked, pk)) for pk in ids],
        )
        return pending_ids(locked) if locked.status == Search.Status.RUNNING else []


def begin_again(rows: QuerySet[Candidate]) -> None:
    """Let trainings that have ended wait again. They begin anew, on whatever device takes them.

    One that was interrupted goes on from its checkpoint, on the device that it began on, if that is there still.
    """
    afresh = rows.filter(Q(status__in=(Status.TOO_BIG, Status.DIVERGED)) | Q(checkpoint=""))
    Point.objects.filter(candidate__in=afresh).delete()
    Refusal.objects.filter(candidate__in=afresh).delete()
    afresh.update(epoch=0.0, checkpoint="", seconds=None, accumulate=1, threads=None, numeric_path="", seal=None)
    rows.update(status=Status.PENDING, failures=0, reason="", ended=None, lease_expires=None, worker="")


def can_be_retried(search: Search) -> list[Candidate]:
    """What a retry without a code trains again."""
    rows = search.candidates.filter(status__in=(*ENDED_BADLY, Status.CANCELLED)).order_by("step", "index")
    return [candidate for candidate in rows.defer("architecture", "correct") if not _why_not(search, candidate)]


def _all(search: Search) -> list[Candidate]:
    found = can_be_retried(search)
    if not found:
        raise Refused(
            f"“{search.name}” has nothing to try again: no training of its open step failed, diverged or was too "
            "big, and no comparison was stopped."
        )
    return found


def _of_code(search: Search, code: str) -> Candidate:
    candidates = {candidate.code: candidate for candidate in search.candidates.defer("architecture", "correct")}
    if code not in candidates:
        raise Refused(f"“{search.name}” has no training {code!r}; write it as its page does, such as 2.1 or final.")
    if why := _why_not(search, candidates[code]):
        raise Refused(why)
    return candidates[code]


def _why_not(search: Search, candidate: Candidate) -> str:
    """Why the training cannot be tried again, else ""."""
    is_cut_off = candidate.status == Status.CANCELLED and candidate.kind in COMPARISON_KINDS
    if candidate.status not in ENDED_BADLY and not is_cut_off:
        return (
            f"{candidate.code} of “{search.name}” is {candidate.get_status_display().lower()}: "
            "only what failed, diverged or was too big, and a comparison that was stopped, can be tried again."
        )
    if is_superseded(candidate.kind, candidate.step, int(search.config["n_steps"])):
        return f"{candidate.code} of “{search.name}” cannot be tried again: the search does without it now."
    in_steps = candidate.kind in IN_STEPS
    if in_steps and search.candidates.filter(kind=candidate.kind, step=candidate.step, is_winner=True).exists():
        where = f"step {candidate.step}" if candidate.step else "the pretraining"
        return f"{candidate.code} of “{search.name}” cannot be tried again: {where} is decided, and stays as it was."
    return ""
