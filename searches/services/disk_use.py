"""What each search takes of the disk, kept in its row: pages read a column, nobody walks folders to show a list."""

from searches.models import Search
from searches.selectors.disk import disk_use


def note_disk_use(search_id: int) -> None:
    """Walk the search's folder and write down what lies there; nothing where the search is gone.

    Call it after files were written or removed. No event: the live channel tells the column once a second.
    """
    search = Search.objects.only("pk", "uuid").filter(pk=search_id).first()
    if search is not None:
        n_bytes = disk_use(search)
        Search.objects.filter(pk=search_id).exclude(disk_bytes=n_bytes).update(disk_bytes=n_bytes)


def note_disk_use_of_unknown() -> None:
    """Of searches that began and were never looked at: those of a version that did not count. `up` calls it once."""
    for search_id in Search.objects.filter(disk_bytes=0, started__isnull=False).values_list("pk", flat=True):
        note_disk_use(search_id)
