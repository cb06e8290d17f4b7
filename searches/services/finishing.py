"""A search that ends before its last step, on somebody's or its budget's word: its best so far is made final."""

from django.db import transaction

from searches.models import Search
from searches.selectors.refusals import refused_by_all, workers_answering
from searches.selectors.waiting import TRAINS_IN
from searches.services.control import By, Refused, by_words, may_happen, refuse_unless_allowed
from searches.services.events import lock_search
from searches.services.following import Next, cut_short, over_budget
from searches.services.history import rows_ended
from searches.services.moving import crown, move_on


def finish_now(search: Search, by: By) -> list[int]:
    """Skip to the final training of the best so far, model_0 where no child is done; what is open is cancelled.

    Returns the candidates to be sent to the queue. Raises Refused.
    """
    while True:
        found = Search.objects.get(pk=search.pk)
        refuse_unless_allowed("finish_now", found, by)
        following = cut_short(found, f"Told to finish now{by_words(by)}", with_model_0=True)
        if following is None:
            raise Refused(_why_not(found))
        with transaction.atomic():
            locked = lock_search(search.pk)
            refuse_unless_allowed("finish_now", locked, by)
            if _is_as_planned(locked, found, following):
                return _apply(locked, following)


def heed_budgets() -> list[int]:
    """Cut short what has been trained for the hours that it was given; others are left alone.

    Returns the candidates to be sent to the queue. Before a first child is done there is nothing to finish with: the
    search is then cut short as that child ends. While every worker refuses a search its hours are not spent.
    """
    ids: list[int] = []
    under_way = Search.objects.filter(status__in=TRAINS_IN, deleted=None)
    limited = under_way.exclude(hours_limit=None).exclude(started=None)
    refused = refused_by_all(workers_answering(), dict(limited.values_list("pk", "engine_version")))
    for search in limited.exclude(pk__in=refused):
        why = over_budget(search)
        following = cut_short(search, why) if why else None
        if following is None:
            continue
        with transaction.atomic():
            locked = lock_search(search.pk)
            if may_happen("train", locked) and _is_as_planned(locked, search, following):
                ids += _apply(locked, following)
    return ids


def _is_as_planned(locked: Search, found: Search, following: Next) -> bool:
    return locked.config == found.config and rows_ended(locked) == following.history


def _apply(search: Search, following: Next) -> list[int]:
    return move_on(search, following, is_crowned=crown(search, following.winner))


def _why_not(search: Search) -> str:
    if search.candidates.filter(kind="neighbour", is_winner=True, step=search.config["n_steps"]).exists():
        return f"“{search.name}” is past its steps already: what is left of it is trained now."
    return f"“{search.name}” has nothing to finish with yet: wait until model_0 is pretrained, or stop it."
