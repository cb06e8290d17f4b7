"""A search whose disk is full waits until there is room again, and says so: no error, no attempt that failed."""

from pathlib import Path

from django.conf import settings
from django.db import transaction

from searches import disk, model_store
from searches.models import Candidate, Event, Search
from searches.selectors import progress_fields, search_fields
from searches.services.control import become, let_go, may_happen, pending_ids
from searches.services.events import append, lock_search

DISK_IS_FULL = "the disk is full"
"""How the reason of a search begins that waits for room."""


def fullest_folder() -> Path:
    """Of the data folder and that of the models, which may be on a disk of its own, the one with least room."""
    models = model_store.folder()
    return min([Path(settings.NASH_DATA_DIR), *([models] if models else [])], key=disk.free_bytes)


def pause_for_room(search_id: int, where: str) -> None:
    """Pause a search whose disk is full; `where` names the disk and what is free. Its trainings are given back."""
    least = f"{settings.NASH_MIN_FREE_BYTES / 1e6:,.0f} MB"
    reason = f"{DISK_IS_FULL} ({where}); it goes on by itself once {least} are free"
    with transaction.atomic():
        search = lock_search(search_id)
        if not may_happen("pause", search):
            return
        changed = let_go(search, Candidate.Status.PENDING, [Candidate.Status.RUNNING])
        become(search, Search.Status.PAUSED, reason)
        append(
            search,
            "search_paused",
            f"Paused: {reason}",
            level=Event.Level.WARNING,
            search_part={**search_fields(search), **progress_fields(search)},
            candidates=changed,
        )


def go_on_with_room() -> list[int]:
    """Resume what was paused for want of room alone, once there is some. Returns what is to be sent to the queue."""
    if disk.free_bytes(fullest_folder()) < settings.NASH_MIN_FREE_BYTES:
        return []
    disk.keep_ballast(settings.NASH_DATA_DIR)
    waiting = Search.objects.filter(status=Search.Status.PAUSED, reason__startswith=DISK_IS_FULL, deleted=None)
    return [candidate_id for pk in waiting.values_list("pk", flat=True) for candidate_id in _go_on(pk)]


def _go_on(search_id: int) -> list[int]:
    with transaction.atomic():
        search = lock_search(search_id)
        if not may_happen("resume", search) or not search.reason.startswith(DISK_IS_FULL):
            return []
        become(search, Search.Status.RUNNING if search.started else Search.Status.WAITING, "")
        append(
            search,
            "search_resumed",
            f"Goes on: the disk has room again ({disk.in_words(fullest_folder())})",
            search_part={**search_fields(search), **progress_fields(search)},
        )
        return pending_ids(search)
