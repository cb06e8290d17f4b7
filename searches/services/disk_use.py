"""What each search takes of the disk, kept in its row: pages read a column, nobody walks folders to show a list."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from searches.models import Artifact, Search
from searches.selectors.disk import disk_use
from searches.selectors.waiting import TRAINS_IN

FRESH_SECONDS = 60.0
"""Files that were made so long ago have been counted."""


def note_disk_use(search_id: int) -> None:
    """Walk the search's folder and write down what lies there; nothing where the search is gone.

    Call it after files were written or removed. No event: the live channel tells the column once a second.
    """
    search = Search.objects.only("pk", "uuid").filter(pk=search_id).first()
    if search is not None:
        n_bytes = disk_use(search)
        Search.objects.filter(pk=search_id).exclude(disk_bytes=n_bytes).update(disk_bytes=n_bytes)


def note_disk_use_of_changing() -> None:
    """Of what is under way, of what new files were made for, and of what began and was never looked at."""
    made = Artifact.objects.filter(
        candidate__search=OuterRef("pk"), created__gt=Now() - timedelta(seconds=FRESH_SECONDS)
    )
    never_looked_at = Q(disk_bytes=0, started__isnull=False)
    changing = Search.objects.filter(Q(status__in=TRAINS_IN, started__isnull=False) | never_looked_at | Exists(made))
    for search_id in changing.values_list("pk", flat=True):
        note_disk_use(search_id)
