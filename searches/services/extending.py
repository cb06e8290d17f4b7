"""More steps for a search that has ended: what it found stays, and it goes on from there."""

from django.db import transaction

from searches.models import Candidate, Event, Search
from searches.nash.config import InvalidConfig, SearchConfig
from searches.nash.hillclimb import Job, plan
from searches.selectors import progress_fields, search_fields, settings_fields
from searches.services import sentences
from searches.services.control import By, Refused, by_words, pending_ids, refuse_unless_allowed
from searches.services.events import append, candidate_of, lock_search
from searches.services.history import read_history, rows_ended
from searches.services.launch import create_candidates
from searches.services.retrying import begin_again


def extend(search: Search, n_steps: int, by: By) -> list[int]:
    """Go on to `n_steps` steps, counted from the first. Returns the candidates to be sent to the queue.

    The steps that there are keep rows and weights, the final model stays beside the one to come, and what depends on
    the number of steps (snapshots, from scratch) is compared again. A budget that it had is forgotten: it is spent.
    plan() runs outside the transaction, as after every training. Raises Refused.
    """
    while True:
        found = Search.objects.get(pk=search.pk)
        refuse_unless_allowed("extend", found, by)
        longer = _longer(found, n_steps)
        known = read_history(found)
        n_before = int(found.config["n_steps"])
        jobs = plan(longer, [o for o in known.outcomes if o.job.kind != "neighbour" or o.job.step <= n_before])
        with transaction.atomic():
            locked = lock_search(search.pk)
            refuse_unless_allowed("extend", locked, by)
            if locked.config == found.config and rows_ended(locked) == known.seen:
                return _go_on(locked, longer, jobs, by)


def _longer(search: Search, n_steps: int) -> SearchConfig:
    """Its settings with more steps. Raises Refused."""
    config = search.search_config
    if n_steps <= config.n_steps:
        raise Refused(
            f"“{search.name}” cannot be extended to {n_steps} steps: it has {config.n_steps} already; "
            f"{config.n_steps + 1} would be one more."
        )
    if not search.candidates.filter(kind="neighbour", step=config.n_steps, is_winner=True).exists():
        raise Refused(
            f"“{search.name}” was stopped before its {config.n_steps} steps were decided: only a search whose steps "
            "all were can be extended. Clone it to begin anew."
        )
    try:
        return config.replace(n_steps=n_steps)
    except InvalidConfig as error:
        raise Refused(f"“{search.name}” cannot be extended so: {error}.") from error


def _go_on(search: Search, config: SearchConfig, jobs: list[Job], by: By) -> list[int]:
    """Settings, state, rows and event together, under the search's lock."""
    n_before = int(search.config["n_steps"])
    Search.objects.filter(pk=search.pk).update(
        config=config.to_dict(),
        status=Search.Status.RUNNING,
        reason="",
        ended=None,
        hours_limit=None,
        accuracy_goal=None,
    )
    search.refresh_from_db()
    # Children of a step that was cut off without one that is done: the same ones are wanted again.
    begin_again(search.candidates.filter(kind=Candidate.Kind.NEIGHBOUR, step__gt=n_before))
    create_candidates(search, jobs)
    opened = search.candidates.filter(kind=Candidate.Kind.NEIGHBOUR, step=n_before + 1).order_by("index")
    shown = [candidate_of(search, pk) for pk in opened.values_list("pk", flat=True)]
    append(
        search,
        "search_extended",
        f"Extended{by_words(by)} from {n_before} to {config.n_steps} steps. {sentences.planned(shown)}",
        level=Event.Level.DECISION,
        search_part={**search_fields(search), **settings_fields(search), **progress_fields(search)},
        candidates=shown,
    )
    return pending_ids(search)
