"""How far a search is: epochs, seconds so far, seconds to go."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from searches.models import Candidate, Event, Search
from searches.nash.config import SearchConfig
from searches.nash.hillclimb import ENDED
from searches.selectors.estimate import Work, time_left
from searches.selectors.workers import workers_alive

UNDER_WAY = (Search.Status.WAITING, Search.Status.RUNNING)


def progress_fields(search: Search) -> dict[str, Any]:
    """epochs_done, seconds_spent and seconds_left (None where nothing is left or nothing was measured yet)."""
    rows = list(search.candidates.values_list("kind", "step", "n_macs", "epochs", "epoch", "seconds", "status"))
    works = [
        Work(kind, step, n_macs, epochs, epoch, seconds or 0.0, status not in ENDED)
        for kind, step, n_macs, epochs, epoch, seconds, status in rows
    ]
    left = _seconds_left(search, works) if search.status in UNDER_WAY else None
    return {
        "epochs_done": round(sum(w.epoch if w.is_open else w.epochs for w in works), 3),
        "seconds_spent": round(seconds_spent(search), 1),
        "seconds_left": None if left is None else round(left, 1),
    }


def _seconds_left(search: Search, works: list[Work]) -> float | None:
    config = search.search_config
    n_validation = n_validation_images(config, search.dataset.n_train)
    n_train = search.dataset.n_train - n_validation
    return time_left(config, works, n_train=n_train, n_validation=n_validation, n_workers=workers_alive().count())


def progress_frame(search: Search) -> dict[str, Any]:
    """The frame without a number: how far the running trainings and the search are at this moment."""
    running = search.candidates.filter(status=Candidate.Status.RUNNING)
    return {
        "kind": "progress",
        "search": progress_fields(search),
        "candidates": [
            {"id": pk, "epoch": round(epoch, 4), "images_per_second": images_per_second}
            for pk, epoch, images_per_second in running.values_list("pk", "epoch", "images_per_second")
        ],
    }


def seconds_spent(search: Search, now: datetime | None = None) -> float:
    """Wall time since the first training began, pauses left out."""
    if search.started is None:
        return 0.0
    end = search.ended or now or timezone.now()
    turns = search.events.filter(kind__in=("search_paused", "search_resumed")).order_by("seq")
    return max(0.0, (end - search.started).total_seconds() - _pauses(list(turns), search.started, end))


def _pauses(turns: list[Event], started: datetime, end: datetime) -> float:
    seconds, paused_at = 0.0, None
    for event in turns:
        if event.kind == "search_paused":
            paused_at = max(event.at, started)
        elif paused_at is not None:
            seconds += max(0.0, (event.at - paused_at).total_seconds())
            paused_at = None
    return seconds + (max(0.0, (end - paused_at).total_seconds()) if paused_at else 0.0)


def n_validation_images(config: SearchConfig, n_images: int) -> int:
    """Images held back from training: as the settings say, else a fifth."""
    return n_images // 5 if config.n_validation is None else config.n_validation
