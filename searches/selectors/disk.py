"""What a search takes of the disk: its files as they are now, whoever wrote them."""

import os
from pathlib import Path

from searches.models import Search
from searches.selectors.files import searches_folder


def disk_use(search: Search) -> int:
    """Bytes below the search's folder: checkpoints, weights, models; 0 where there is no folder yet."""
    return _bytes_below(searches_folder() / str(search.uuid))


def _bytes_below(folder: Path) -> int:
    """Files that go while they are counted are left out."""
    total = 0
    try:
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                total += _bytes_below(Path(entry.path))
            else:
                total += entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return total
    return total
