"""Names of searches where several stand beside each other."""

from collections.abc import Sequence

from searches.models import Search

SHOWN = 8


def told_apart(searches: Sequence[Search]) -> list[str]:
    """The name of each, with the first digits of its uuid where another search here is called the same."""
    called: dict[str, set[int]] = {}
    for search in searches:
        called.setdefault(search.name, set()).add(search.pk)
    return [
        f"{search.name} ({str(search.uuid)[:SHOWN]})" if len(called[search.name]) > 1 else search.name
        for search in searches
    ]
