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
from searches.selectors.waiting import LARGEST_FIRST, TRAINS_IN
from searches.services.events import append, candidate_of, lock_search
from searches.services.keeping import keep_best_model

Status = Search.Status
By: TypeAlias = AbstractBaseUser | str
"""Who wants it: an account, or in words who needs none ("the command line")."""

VERBS: dict[str, tuple[Search.Status, ...]] = {
    "train": TRAINS_IN,  # what workers do
    "pause": (Status.WAITING, Status.RUNNING),
    "resume": (Status.PAUSED,),
    "stop": (Status.WAITING, Status.RUNNING, Status.PAUSED),
    "finish_now": (Status.RUNNING, Status.PAUSED),
    "extend": (Status.STOPPED, Status.FINISHED),
    "compare": (Status.FINISHED,),
    "retry": (Status.RUNNING, Status.PAUSED, Status.FINISHED, Status.FAILED),
    "clone": tuple(Status),  # changes nothing of the search
    "run_next": (Status.WAITING, Status.RUNNING, Status.PAUSED),
    "go_on": (Status.WAITING, Status.RUNNING, Status.PAUSED),
    "delete": tuple(Status),
    "undelete": tuple(Status),  # of those that are deleted; nothing else happens to them
}
DONE_TO = {
    "train": ("train it", "trained"),
    "pause": ("pause it", "paused"),
    "resume": ("resume it", "resumed"),
    "stop": ("stop it", "stopped"),
    "finish_now": ("finish it now", "finished now"),
    "extend": ("extend it", "extended"),
    "compare": ("compare it", "compared"),
    "retry": ("try its trainings again", "tried again"),
    "clone": ("clone it", "cloned"),
    "run_next": ("put it first", "put first"),
    "go_on": ("let it go on", "told to go on"),
    "delete": ("delete it", "deleted"),
    "undelete": ("bring it back", "brought back"),
}
"""How each verb reads: what somebody can do to a search, and what it then is."""
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


def lock_to_write(of: Search | Candidate, by: By, doing: str) -> Search:
    """Lock the search of what is written about, in a transaction. Raises Refused to strangers, and if deleted."""
    search = lock_search(of.pk if isinstance(of, Search) else of.search_id)
    refuse_strangers(search, by, doing)
    if search.deleted is not None:
        raise Refused(f"“{search.name}” was deleted: bring it back first, then you can {doing}.")
    return search


def allows(verb: str, status: str) -> bool:
    """Whether the table lets `verb` happen to a search in that state."""
    return status in VERBS[verb]


def may_happen(verb: str, search: Search) -> bool:
    """Whether the verb is possible now: the table, and that nothing but undoing happens to a deleted search."""
    return (search.deleted is not None) == (verb == "undelete") and allows(verb, search.status)


def refuse_unless_allowed(verb: str, search: Search, by: By) -> None:
    """Raises Refused. Who has no account is at the machine's own command line and may do everything."""
    doing, done = DONE_TO[verb]
    refuse_strangers(search, by, doing)
    if may_happen(verb, search):
        return
    if search.deleted is not None:
        raise Refused(f"“{search.name}” was deleted: bring it back first, then it can be {done}.")
    if verb == "undelete":
        raise Refused(f"“{search.name}” is not deleted: only a deleted search can be brought back.")
    first, *others = (STATES[s] for s in VERBS[verb])
    states = " or ".join([first, *(state.removeprefix("is ") for state in others)])
    raise Refused(f"“{search.name}” {STATES[Status(search.status)]}: only a search that {states} can be {done}.")


def refuse_strangers(search: Search, by: By, doing: str) -> None:
    """Raises Refused where `by` is an account that may not change the search; `doing`: "rename it"."""
    if not isinstance(by, str) and not may_change(by, search):
        owner = search.owner.get_username() if search.owner else "nobody"
        raise Refused(f"“{search.name}” belongs to {owner}: only its owner and staff can {doing}.")


def pause(search: Search, by: By) -> None:
    """Stop training until `resume`; checkpoints are kept. Running trainings learn of it at their next beat.

    Raises Refused.
    """
    with transaction.atomic():
        locked = locked_for("pause", search, by)
        changed = let_go(locked, Candidate.Status.PENDING, [Candidate.Status.RUNNING])
        become(locked, Status.PAUSED, f"paused{by_words(by)}")
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
        locked = locked_for("resume", search, by)
        become(locked, Status.RUNNING if locked.started else Status.WAITING, "")
        append(
            locked,
            "search_resumed",
            f"Resumed{by_words(by)}",
            search_part={**search_fields(locked), **progress_fields(locked)},
        )
        return pending_ids(locked)


def stop(search: Search, by: By) -> None:
    """End the search for good; what was trained so far stays, its best network can be downloaded. Raises Refused.

    Where its final model is there already, only comparisons are left to stop: the search is then finished.
    """
    with transaction.atomic():
        locked = locked_for("stop", search, by)
        open_states = [Candidate.Status.PENDING, Candidate.Status.RUNNING]
        changed = let_go(locked, Candidate.Status.CANCELLED, open_states, reason="the search was stopped")
        Search.objects.filter(pk=locked.pk).update(ended=Now())
        finals = locked.candidates.filter(kind=Candidate.Kind.FINAL, step=locked.config["n_steps"])
        is_over = finals.filter(status=Candidate.Status.DONE).exists()
        become(locked, Status.FINISHED if is_over else Status.STOPPED, "" if is_over else f"stopped{by_words(by)}")
        kept = "the search itself has finished" if is_over else "what was trained so far stays"
        append(
            locked,
            "search_stopped",
            f"{'Comparisons stopped' if is_over else 'Stopped'}{by_words(by)}; {kept}",
            level=Event.Level.WARNING,
            search_part={**search_fields(locked), **progress_fields(locked)},
            candidates=changed,
        )
    keep_best_model(locked)


def pending_ids(search: Search) -> list[int]:
    """Candidates that wait for a worker, in the order in which they are trained."""
    pending = search.candidates.filter(status=Candidate.Status.PENDING)
    return list(pending.order_by(*LARGEST_FIRST).values_list("pk", flat=True))


def locked_for(verb: str, search: Search, by: By) -> Search:
    """The search's row, locked, if the verb may happen to it. Raises Refused."""
    locked = lock_search(search.pk)
    refuse_unless_allowed(verb, locked, by)
    return locked


def become(search: Search, status: Search.Status, reason: str) -> None:
    """Write the state of a locked search."""
    Search.objects.filter(pk=search.pk).update(status=status, reason=reason)
    search.refresh_from_db(fields=["status", "reason", "ended"])


def let_go(
    search: Search, status: Candidate.Status, of: list[Candidate.Status], *, reason: str = ""
) -> list[dict[str, object]]:
    """Take candidates from their workers, who find out at their next beat; what of them changed."""
    ids = list(search.candidates.filter(status__in=of).values_list("pk", flat=True))
    Candidate.objects.filter(pk__in=ids).update(status=status, lease_expires=None, worker="", images_per_second=None)
    if status == Candidate.Status.CANCELLED:
        Candidate.objects.filter(pk__in=ids).update(ended=Now(), reason=reason)
    return [candidate_state(candidate_of(search, pk)) for pk in ids]


def by_words(by: By) -> str:
    """" by ada", as it stands at the end of a sentence."""
    return f" by {by if isinstance(by, str) else by.get_username()}"
