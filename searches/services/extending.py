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
from searches.services.retrying import IN_STEPS, begin_again


def extend(search: Search, n_steps: int, by: By) -> list[int]:
    """Go on to `n_steps` steps, counted from the first. Returns the candidates to be sent to the queue.

    The steps that there are keep rows and weights, the final model stays beside the one to come, and what depends on
    the number of steps (snapshots, from scratch) is compared again. What was cut off before its step was decided, by
    a stop or by finish now, begins again. A budget that it had is forgotten: it is spent.
    plan() runs outside the transaction, as after every training. Raises Refused.
    """
    while True:
        found = Search.objects.get(pk=search.pk)
        refuse_unless_allowed("extend", found, by)
        longer = _longer(found, n_steps)
        known = read_history(found)
        again = {c.key: c.pk for c in _cut_off(found, longer)}
        jobs = plan(longer, [o for o in known.outcomes if o.job.key not in again])
        with transaction.atomic():
            locked = lock_search(search.pk)
            refuse_unless_allowed("extend", locked, by)
            if locked.config == found.config and rows_ended(locked) == known.seen:
                return _go_on(locked, longer, jobs, list(again.values()), by)


def _longer(search: Search, n_steps: int) -> SearchConfig:
    """Its settings with more steps; of one that was stopped with as many, at least. Raises Refused."""
    config = search.search_config
    least = config.n_steps + (search.status != Search.Status.STOPPED)
    if n_steps < least:
        more = f"{least} would be one more" if least > config.n_steps else f"{least} would be all that were wanted"
        raise Refused(
            f"“{search.name}” cannot be extended to {n_steps} steps: it has {config.n_steps} already; {more}."
        )
    try:
        return config.replace(n_steps=n_steps)
    except InvalidConfig as error:
        raise Refused(f"“{search.name}” cannot be extended so: {error}.") from error


def _cut_off(search: Search, longer: SearchConfig) -> list[Candidate]:
    """The trainings that are wanted again: cancelled ones of a step that is not decided, and all of a step that the
    search did without, since none of it was done. A final training of as many steps as before, too."""
    rows = list(search.candidates.defer("architecture", "correct"))
    decided = {(c.kind, c.step) for c in rows if c.is_winner}
    n_before = int(search.config["n_steps"])

    def is_wanted(c: Candidate) -> bool:
        is_cancelled = c.status == Candidate.Status.CANCELLED
        if c.kind in IN_STEPS:
            in_vain = c.kind == Candidate.Kind.NEIGHBOUR and c.step > n_before
            return (is_cancelled or in_vain) and (c.kind, c.step) not in decided
        return is_cancelled and c.kind == Candidate.Kind.FINAL and c.step == longer.n_steps

    return [c for c in rows if is_wanted(c)]


def _go_on(search: Search, config: SearchConfig, jobs: list[Job], again: list[int], by: By) -> list[int]:
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
    begin_again(search.candidates.filter(pk__in=again))
    made = create_candidates(search, jobs)
    shown = [candidate_of(search, pk) for pk in (*again, *(c.pk for c in made))]
    how = f"from {n_before} to {config.n_steps} steps" if config.n_steps > n_before else f"its {n_before} steps go on"
    append(
        search,
        "search_extended",
        f"Extended{by_words(by)}{' ' if config.n_steps > n_before else ': '}{how}. {_coming(shown, again)}",
        level=Event.Level.DECISION,
        search_part={**search_fields(search), **settings_fields(search), **progress_fields(search)},
        candidates=shown,
    )
    return pending_ids(search)


def _coming(shown: list[Candidate], again: list[int]) -> str:
    """'2.1, 2.3 go on where they were cut off', or what was planned; both where both are."""
    codes = [c.code for c in shown if c.pk in again]
    new = [c for c in shown if c.pk not in again]
    goes = "goes on where it was" if len(codes) == 1 else "go on where they were"
    return ". ".join(
        ([f"{', '.join(codes)} {goes} cut off"] if codes else []) + ([sentences.planned(new)] if new else [])
    )
