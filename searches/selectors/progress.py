"""How far a search is: epochs, seconds so far, seconds to go."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from searches.models import Candidate, Event, Search
from searches.nash.config import SearchConfig
from searches.nash.hillclimb import ENDED
from searches.selectors.estimate import Site, Work, time_left
from searches.selectors.machine import machine_of
from searches.selectors.workers import workers_alive

UNDER_WAY = (Search.Status.WAITING, Search.Status.RUNNING)
AT_REST = ("search_ended", "search_stopped")
GOES_ON = {
    "search_resumed": ("search_paused",),
    "search_cut_short": ("search_paused",),
    "search_extended": AT_REST,
    "search_compared": AT_REST,
    "search_retried": AT_REST,
    "search_undeleted": ("search_deleted",),
}
"""Kinds of events that end a time in which nothing was trained, and the kinds that such a time begins with."""
COLUMNS = (
    "kind", "step", "index", "n_macs", "epochs", "epoch", "seconds", "status", "threads", "is_winner", "val_accuracy",
    "started", "ended",
)  # fmt: skip
"""Of a candidate: what the estimate is made from."""
SIMULATE_SECONDS = 0.1
STANDS_STILL = tuple(dict.fromkeys(kind for kinds in GOES_ON.values() for kind in kinds))


def progress_fields(
    search: Search, *, simulate_seconds: float | None = None, works: Iterable[Work] | None = None
) -> dict[str, Any]:
    """epochs_done, seconds_spent and seconds_left (None where nothing is left or nothing was measured yet).

    `works`: those of all its trainings, where they are known already.

    seconds_left of a search that is under way takes simulations, for so many seconds at most; without any, as in a
    transaction, it is left out: frames without a number bring it.
    """
    known = map(work_of, search.candidates.values(*COLUMNS)) if works is None else works
    works = [work for work in known if _counts(work, search)]
    stopped = search.status == Search.Status.STOPPED
    fields: dict[str, Any] = {
        "epochs_done": round(sum(_epochs_of(work, stopped=stopped) for work in works), 3),
        "seconds_spent": round(spent := seconds_spent(search), 1),
    }
    if search.status not in UNDER_WAY:
        return {**fields, "seconds_left": None}
    if simulate_seconds is None:
        return fields
    config = search.search_config
    left = time_left(config, works, _site(search, config, spent), simulate_seconds=simulate_seconds)
    return {**fields, "seconds_left": None if left is None else round(left, 1)}


def _epochs_of(work: Work, *, stopped: bool) -> float:
    """What has ended counts whole; what a stop cut off as far as it got."""
    return work.epoch if work.is_open or (stopped and work.is_cut_off) else work.epochs


def _counts(work: Work, search: Search) -> bool:
    return not is_superseded(work.kind, work.step, int(search.config["n_steps"]))


def work_of(row: dict[str, Any]) -> Work:
    """Of the values of COLUMNS."""
    row = dict(row)
    status, started, ended = row.pop("status"), row.pop("started"), row.pop("ended")
    seconds = row.pop("seconds") or 0.0
    timed = status == Candidate.Status.DONE and started and ended
    around = max(0.0, (ended - started).total_seconds() - seconds) if timed else None
    is_cut_off = status == Candidate.Status.CANCELLED
    return Work(**row, seconds=seconds, is_open=status not in ENDED, is_cut_off=is_cut_off, around=around)


def _site(search: Search, config: SearchConfig, spent: float) -> Site:
    n_validation = n_validation_images(config, search.dataset.n_train)
    n_workers, device = crew()
    return Site(
        n_train=n_training_images(config, search.dataset.n_train),
        n_validation=n_validation,
        n_workers=n_workers,
        machine=machine_of(device, config.precision),
        hours_left=None if search.hours_limit is None else search.hours_limit - spent / 3600,
    )


def crew() -> tuple[int, str]:
    """How many workers answer, and what most of them train on: "cpu" or "cuda"; the CPU where none does."""
    devices = list(workers_alive().values_list("device", flat=True))
    on_cuda = sum(device.startswith("CUDA") for device in devices)
    return len(devices), "cuda" if on_cuda > len(devices) / 2 else "cpu"


def progress_frame(search: Search) -> dict[str, Any]:
    """The frame without a number: how far the running trainings and the search are at this moment."""
    running = search.candidates.filter(status=Candidate.Status.RUNNING)
    return {
        "kind": "progress",
        "search": {**progress_fields(search, simulate_seconds=SIMULATE_SECONDS), "disk_bytes": search.disk_bytes},
        "candidates": [
            {"id": pk, "epoch": round(epoch, 4), "images_per_second": images_per_second}
            for pk, epoch, images_per_second in running.values_list("pk", "epoch", "images_per_second")
        ],
    }


def seconds_spent(search: Search, *, until: datetime | None = None) -> float:
    """Wall time since the first training began, to its end, to now or `until`.

    Pauses are left out, and how long every worker refused it before it was told to go on.
    """
    if search.started is None:
        return 0.0
    end = until or search.ended or timezone.now()
    turns = search.events.filter(kind__in=(*STANDS_STILL, *GOES_ON), at__lte=end).order_by("seq")
    marks = [mark for mark in search.went_on if datetime.fromisoformat(mark["at"]) <= end]
    stood = sum(float(mark["seconds_refused"]) for mark in marks)
    return max(0.0, (end - search.started).total_seconds() - _pauses(list(turns), search.started, end) - stood)


def _pauses(turns: list[Event], started: datetime, end: datetime) -> float:
    seconds, paused_at, by = 0.0, None, ""
    for event in turns:
        if event.kind in STANDS_STILL:
            if paused_at is None:
                paused_at, by = max(event.at, started), event.kind
        elif paused_at is not None and by in GOES_ON[event.kind]:
            seconds += max(0.0, (event.at - paused_at).total_seconds())
            paused_at = None
    return seconds + (max(0.0, (end - paused_at).total_seconds()) if paused_at else 0.0)


def is_superseded(kind: str, step: int, n_steps: int) -> bool:
    """Whether a training belongs to another number of steps than the search has by now.

    Extended, or cut short: an earlier final training, the network from scratch of that time, children of a step that
    the search does without.
    """
    if kind in (Candidate.Kind.FINAL, Candidate.Kind.SCRATCH):
        return step != n_steps
    return step > n_steps or (kind == Candidate.Kind.SNAPSHOT and step == n_steps)


def n_validation_images(config: SearchConfig, n_images: int) -> int:
    """Images held back from training: as the settings say, else a fifth."""
    return n_images // 5 if config.n_validation is None else config.n_validation


def n_training_images(config: SearchConfig, n_images: int) -> int:
    """Images that are trained on in a step: as the settings say, else all that are not held back."""
    return n_images - n_validation_images(config, n_images) if config.n_training is None else config.n_training
