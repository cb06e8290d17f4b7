"""The paper's comparisons, added to a search that has finished: it runs again until they have ended, too."""

from collections.abc import Sequence

from django.db import transaction

from searches.models import Event, Search
from searches.nash.config import COMPARISONS, InvalidConfig, SearchConfig
from searches.nash.hillclimb import Job, plan
from searches.selectors import progress_fields, search_fields, settings_fields
from searches.services import sentences
from searches.services.control import By, Refused, by_words, pending_ids, refuse_unless_allowed
from searches.services.events import append, candidate_of, lock_search
from searches.services.history import History, read_history, rows_ended
from searches.services.launch import create_candidates


def compare(search: Search, names: Sequence[str], by: By) -> list[int]:
    """Train these comparisons, too. Returns the candidates to be sent to the queue. Raises Refused.

    plan() runs outside the transaction, as after every training; where the search changed meanwhile, again.
    """
    while True:
        found = Search.objects.get(pk=search.pk)
        refuse_unless_allowed("compare", found, by)
        config = _config_with(found, names)
        known = read_history(found)
        jobs = _jobs(found, config, known)
        with transaction.atomic():
            locked = lock_search(search.pk)
            refuse_unless_allowed("compare", locked, by)
            if locked.config == found.config and rows_ended(locked) == known.seen:
                return _reopen(locked, config, jobs, by)


def _config_with(search: Search, names: Sequence[str]) -> SearchConfig:
    """The search's settings with these comparisons added, in the engine's order. Raises Refused."""
    config = search.search_config
    if not names:
        raise Refused(f"“{search.name}” is to be compared with nothing: choose from {', '.join(COMPARISONS)}.")
    if known := [name for name in names if name in config.comparisons]:
        raise Refused(f"“{search.name}” has been compared with {', '.join(known)} already.")
    wanted = (*config.comparisons, *names)
    try:
        return config.replace(comparisons=tuple(sorted(set(wanted), key=_place)))
    except InvalidConfig as error:
        raise Refused(f"“{search.name}” cannot be compared so: {error}.") from error


def _place(name: str) -> int:
    return COMPARISONS.index(name) if name in COMPARISONS else len(COMPARISONS)


def _jobs(search: Search, config: SearchConfig, known: History) -> list[Job]:
    jobs = plan(config, known.outcomes)
    if not jobs:
        raise Refused(f"“{search.name}” has no snapshots: of a search of one step they are its final model.")
    return jobs


def _reopen(search: Search, config: SearchConfig, jobs: list[Job], by: By) -> list[int]:
    """The search runs again: settings, state, rows and event together, under its lock."""
    Search.objects.filter(pk=search.pk).update(
        config=config.to_dict(), status=Search.Status.RUNNING, reason="", ended=None
    )
    search.refresh_from_db(fields=["config", "status", "reason", "ended"])
    made = create_candidates(search, jobs)
    append(
        search,
        "search_compared",
        f"Compared{by_words(by)}. {sentences.planned(made)}",
        level=Event.Level.DECISION,
        search_part={**search_fields(search), **settings_fields(search), **progress_fields(search)},
        candidates=[candidate_of(search, c.pk) for c in made],
    )
    return pending_ids(search)
