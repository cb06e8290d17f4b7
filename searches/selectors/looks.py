"""How often a search's test set was looked at."""

from collections.abc import Iterable

from django.db.models import Count

from searches.models import Candidate, Event, Search

LOOK = "test_look"
"""Kind of the events that say so of looks after a training's own."""


def looks_at_test_set(search: Search) -> int:
    """Once for each final training and each comparison, and each time that files were held against each other."""
    return looks_by_search([search.pk])[search.pk]


def looks_by_search(searches: Iterable[int]) -> dict[int, int]:
    """The looks of each of these searches by its key, with as many queries for many as for one."""
    found = dict.fromkeys(searches, 0)
    tested = Candidate.objects.exclude(test_accuracy=None)
    for rows in (tested, Event.objects.filter(kind=LOOK)):
        counts = rows.filter(search__in=found).order_by().values_list("search").annotate(Count("pk"))
        for search, n in counts:
            found[search] += n
    return found
