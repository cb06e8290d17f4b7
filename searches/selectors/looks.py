"""How often a search's test set was looked at."""

from searches.models import Search

LOOK = "test_look"
"""Kind of the events that say so of looks after a training's own."""


def looks_at_test_set(search: Search) -> int:
    """Once for each final training and each comparison, and each time that files were held against each other."""
    return search.candidates.exclude(test_accuracy=None).count() + search.events.filter(kind=LOOK).count()
