"""What a background job's function is given, whichever it is (worker_jobs.py has the table)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from searches import services
from searches.models import BackgroundJob
from searches.services import JobLease

TELL_SECONDS = 0.5


class Work:
    """What a job's function is given: its row, and the way to say how far it is."""

    def __init__(self, job: BackgroundJob, lease: JobLease) -> None:
        self.job = job
        self.payload: Mapping[str, Any] = job.payload
        self._lease = lease
        self._next = 0.0
        self._words = ""

    def tell(self, done: int, total: int, words: str = "") -> None:
        """Say how far it is, as often as you like. Raises LeaseLost once it was cancelled: tidy up, let it pass."""
        is_news = words != self._words
        if is_news or done == total or time.monotonic() >= self._next:
            services.tell_job(self._lease, done=done, total=total, words=words)
            self._words = words
            self._next = time.monotonic() + TELL_SECONDS

    def beat(self) -> None:
        """Say that it goes on, where nothing can be counted, as often as you like. Raises LeaseLost as tell does."""
        if time.monotonic() >= self._next:
            services.beat_job(self._lease)
            self._next = time.monotonic() + TELL_SECONDS


Function = Callable[[Work], Mapping[str, Any]]
"""Does a job and returns its result as plain JSON, with the sentence for the log as "said"; what it raises is the
reason that is shown."""
