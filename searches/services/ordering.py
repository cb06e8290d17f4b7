"""In which order searches are trained: as they were launched, unless one is put first."""

from django.db import transaction
from django.db.models import Max

from searches.models import Search
from searches.selectors import search_fields
from searches.services.control import By, allows, by_words, locked_for, pending_ids
from searches.services.events import append


def run_next(search: Search, by: By) -> list[int]:
    """Train this search before all others, as soon as a worker is free. Raises Refused.

    What trains now is trained to its end. Returns the candidates to be sent to the queue.
    """
    with transaction.atomic():
        locked = locked_for("run_next", search, by)
        highest = Search.objects.aggregate(Max("priority"))["priority__max"]
        Search.objects.filter(pk=locked.pk).update(priority=highest + 1)
        locked.refresh_from_db(fields=["priority"])
        append(
            locked,
            "search_put_first",
            f"Put first{by_words(by)}: of all that waits, what belongs to this search is trained next",
            search_part=search_fields(locked),
        )
        return pending_ids(locked) if allows("train", locked.status) else []
