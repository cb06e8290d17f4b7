"""What may be done to a search, and doing it: pause, resume, stop; comparing is in comparing.py.

One table of verbs and states; one function refuses by it, with words that say what is possible.
"""

from typing import TypeAlias

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models.functions import Now

from searches.models import Candidate, Event, Search
from searches.selectors import may_change, progress_fields, search_fields
from searches.selectors.snapshot import candidate_state
from searches.services.events import append, candidate_of, lock_search

Status = Search.Status
By: TypeAlias = AbstractBaseUser | str
"""Who wants it: an account, or in words who needs none ("the command line")."""

VERBS: dict[str, tuple[Search.Status, ...]] = {
    "train": (Status.WAITING, Status.RUNNING),  # what workers do
    "pause": (Status.WAITING, Status.RUNNING),
    "resume": (Status.PAUSED,),
    "stop": (Status.WAITING, Status.RUNNING, Status.PAUSED),
    "compare": (Status.FINISHED,),
}
PARTICIPLES = {
    "train": "trained", "pause": "paused", "resume": "resumed", "stop": "stopped", "compare": "compared",
}  # fmt: skip
STATES = {
    Status.WAITING: "is waiting",
    Status.RUNNING: "is running",
    Status.PAUSED: "is paused",
    Status.STOPPED: "was stopped",
    Status.FINISHED: "has finished",
    Status.FAILED: "has failed",
}


class Refused(Exception):
    """A verb that the search's state or its owner does not allow; the message says what is possible."""


def allows(verb: str, status: str) -> bool:
    """Whether the table lets `verb` happen to a search in that state."""
    return status in VERBS[verb]


def refuse_unless_allowed(verb: str, search: Search, by: By) -> None:
    """Raises Refused. Who has no account is at the machine's own command line and may do everything."""
    if not isinstance(by, str) and not may_change(by, search):
        owner = search.owner.get_username() if search.owner else "nobody"
        raise Refused(f"“{search.name}” belongs to {owner}: only its owner and staff can {verb} it.")
    if not allows(verb, search.status):
        first, *others = (STATES[s] for s in VERBS[verb])
        states = " or ".join([first, *(state.removeprefix("is ") for state in others)])
        raise Refused(
            f"“{search.name}” {STATES[Status(search.status)]}: only a search that {states} "
            f"can be {PARTICIPLES[verb]}."
        )


def pause(search: Search, by: By) -> None:
    """Stop training until `resume`; checkpoints are kept. Running trainings learn of it at their next beat.

    Raises Refused.
    """
    with transaction.atomic():
        locked = _locked("pause", search, by)
        changed = _let_go(locked, Candidate.Status.PENDING, [Candidate.Status.RUNNING])
        _become(locked, Status.PAUSED, f"paused{by_words(by)}")
        append(
            locked,
            "search_paused",
            f"Paused{by_words(by)}; what was trained so far is kept",
            search_part={**search_fields(locked), **progress_fields(locked)},
            candidates=changed,
        )


def resume(search: Search, by: By) -> list[int]:
    """Go on after a pause. Returns the candidates to be sent to the queue. Raises Refused."""
    with transaction.atomic():
        locked = _locked("resume", search, by)
        _become(locked, Status.RUNNING if locked.started else Status.WAITING, "")
        append(
            locked,
            "search_resumed",
            f"Resumed{by_words(by)}",
            search_part={**search_fields(locked), **progress_fields(locked)},
        )
        return pending_ids(locked)


def stop(search: Search, by: By) -> None:
    """End the search for good; what was trained so far stays. Raises Refused.

    Where its final model is there already, only comparisons are left to stop: the search is then finished.
    """
    with transaction.atomic():
        locked = _locked("stop", search, by)
        open_states = [Candidate.Status.PENDING, Candidate.Status.RUNNING]
        changed = _let_go(locked, Candidate.Status.CANCELLED, open_states)
        Search.objects.filter(pk=locked.pk).update(ended=Now())
        finals = locked.candidates.filter(kind=Candidate.Kind.FINAL, step=locked.config["n_steps"])
        is_over = finals.filter(status=Candidate.Status.DONE).exists()
        _become(locked, Status.FINISHED if is_over else Status.STOPPED, "" if is_over else f"stopped{by_words(by)}")
        kept = "the search itself has finished" if is_over else "what was trained so far stays"
        append(
            locked,
            "search_stopped",
            f"{'Comparisons stopped' if is_over else 'Stopped'}{by_words(by)}; {kept}",
            level=Event.Level.WARNING,
            search_part={**search_fields(locked), **progress_fields(locked)},
            candidates=changed,
        )


def pending_ids(search: Search) -> list[int]:
    """Candidates that wait for a worker, the largest network first: it would else be the last to end."""
    pending = search.candidates.filter(status=Candidate.Status.PENDING)
    return list(pending.order_by("-n_macs", "step", "index").values_list("pk", flat=True))


def _locked(verb: str, search: Search, by: By) -> Search:
    locked = lock_search(search.pk)
    refuse_unless_allowed(verb, locked, by)
    return locked


def _become(search: Search, status: Search.Status, reason: str) -> None:
    Search.objects.filter(pk=search.pk).update(status=status, reason=reason)
    search.refresh_from_db(fields=["status", "reason", "ended"])


def _let_go(search: Search, status: Candidate.Status, of: list[Candidate.Status]) -> list[dict[str, object]]:
    """Take candidates from their workers, who find out at their next beat; what of them changed."""
    ids = list(search.candidates.filter(status__in=of).values_list("pk", flat=True))
    Candidate.objects.filter(pk__in=ids).update(status=status, lease_expires=None, worker="", images_per_second=None)
    if status == Candidate.Status.CANCELLED:
        Candidate.objects.filter(pk__in=ids).update(ended=Now(), reason="the search was stopped")
    return [candidate_state(candidate_of(search, pk)) for pk in ids]


def by_words(by: By) -> str:
    """" by ada", as it stands at the end of a sentence."""
    return f" by {by if isinstance(by, str) else by.get_username()}"
