"""Following a search in the terminal: sentences of its event log, and one line of progress."""

import shutil
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from searches import selectors
from searches.management.launching import UNDER_WAY, duration
from searches.models import Candidate, Search
from searches.nash.hillclimb import COMPARISON_KINDS, ENDED

FOLLOW_SECONDS = 0.5
PLAIN_SECONDS = 10.0
"""How often a progress line is written where it cannot be overwritten (a file, a pipe)."""
QUIET_KINDS = {"epoch", "seal", "candidate_started"}
"""Events that the progress line shows better."""


class Progress:
    """Writes sentences line by line, and below them a progress line that is overwritten in a terminal."""

    def __init__(self, out: TextIO, *, is_terminal: bool) -> None:
        self._out = out
        self._is_terminal = is_terminal
        self._shown = ""
        self._last_plain = float("-inf")

    def say(self, line: str) -> None:
        self._clear()
        self._out.write(f"{line}\n")
        self._out.flush()

    def show(self, line: str) -> None:
        if self._is_terminal:
            self._clear()
            self._shown = line[: shutil.get_terminal_size().columns - 1]
            self._out.write(self._shown)
        elif line != self._shown and time.monotonic() >= self._last_plain + PLAIN_SECONDS:
            self._last_plain = time.monotonic()
            self._shown = line
            self._out.write(f"{line}\n")
        self._out.flush()

    def _clear(self) -> None:
        if self._is_terminal and self._shown:
            self._out.write("\r\x1b[K")
            self._shown = ""


def follow(search: Search, progress: Progress, *, told_to_end: Callable[[], bool]) -> Iterator[None]:
    """Show how `search` goes, until it ends, is paused or deleted, or `told_to_end`; yields between two looks."""
    seq = 0
    while True:
        search.refresh_from_db()
        has_ended = search.status not in UNDER_WAY or search.deleted is not None
        while events := selectors.events_after(search, seq):
            seq = events[-1].seq
            for event in events:
                if event.words and (event.kind not in QUIET_KINDS or event.level != "info"):
                    progress.say(f"  {event.words}")
        if has_ended or told_to_end():
            return
        progress.show(f"  {progress_line(search)}")
        yield
        time.sleep(FOLLOW_SECONDS)


def progress_line(search: Search) -> str:
    """'step 1 of 2 · child 1.2 epoch 3 of 6, child 1.3 epoch 2 of 6 · best 95.23 % · 1 min 20 s left'."""
    rows = list(search.candidates.order_by("step", "index").defer("architecture", "correct"))
    running = [row for row in rows if row.status == Candidate.Status.RUNNING]
    accuracies = [row.val_accuracy for row in rows if row.val_accuracy is not None]
    parts = [_stage(search, rows)]
    if running:
        parts.append(", ".join(_training(row) for row in running))
    elif unfit := selectors.why_refused(search):
        parts.append(f"refused {unfit.brief}")
    else:
        parts.append("waiting for a worker" if not selectors.workers_alive().exists() else "about to train")
    if accuracies:
        parts.append(f"best {100 * max(accuracies):.2f} %")
    left = selectors.progress_fields(search, simulate_seconds=0.1)["seconds_left"]
    if left is not None:
        parts.append(f"{duration(left)} left")
    return " · ".join(parts)


def _stage(search: Search, rows: list[Candidate]) -> str:
    n_steps = search.search_config.n_steps
    of_now = [row for row in rows if not selectors.is_superseded(row.kind, row.step, n_steps)]
    is_open = [row for row in of_now if row.status not in ENDED]  # an extended search has comparisons that ended
    newest = max(is_open or of_now, key=lambda row: (row.kind in COMPARISON_KINDS, row.kind == "final", row.step))
    if newest.kind in COMPARISON_KINDS:
        return "comparisons"
    if newest.kind == "final":
        return "final training"
    return f"step {newest.step} of {n_steps}" if newest.step else "pretraining"


def _training(row: Candidate) -> str:
    name = f"child {row.code}" if row.kind == "neighbour" else row.code
    return f"{name} epoch {min(int(row.epoch) + 1, row.epochs)} of {row.epochs}"
