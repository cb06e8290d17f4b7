"""Whether the workers that run still get on: one that lives but neither beats nor loses its training is stuck."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError

from searches.selectors import WorkerSign, worker_signs

LOOK_SECONDS = 5.0
START_PATIENCE = 5.0
"""A process that only just starts has so many times as long for its first beat."""


@dataclass
class _Seen:
    """What was seen of a process, and until when it was well, in seconds of the watch's clock; beat "": none yet."""

    pid: int
    beat: str
    beat_at: float
    right_at: float


class Watch:
    """Looks at the rows of the workers every few seconds.

    A worker is stuck if for NASH_STUCK_SECONDS it has not beaten, or has held on to a training that is no longer
    its own: a training that gets on notices that at its next batch. Or if it does not come to its first beat.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._patience = settings.NASH_STUCK_SECONDS
        self._next_look = 0.0
        self._seen: dict[str, _Seen] = {}

    def stuck(self, pids: Mapping[str, int]) -> dict[str, str]:
        """Of the processes of these names those that are stuck, and in words why."""
        now = self._clock()
        if now < self._next_look:
            return {}
        self._next_look = now + min(LOOK_SECONDS, self._patience / 4)
        try:
            signs = worker_signs(list(pids))
        except DatabaseError:  # who cannot look cannot judge, and the workers wait for the same database
            self._seen.clear()
            return {}
        found = {}
        for name, pid in pids.items():
            if why := self._judge(name, pid, signs.get(name), now):
                found[name] = why
                del self._seen[name]
        return found

    def _judge(self, name: str, pid: int, sign: WorkerSign | None, now: float) -> str:
        seen = self._seen.get(name)
        if seen is None or seen.pid != pid:
            seen = self._seen[name] = _Seen(pid, "", now, now)
        if sign is None or sign.pid != pid:  # it is only just starting
            waited = now - seen.beat_at
            return f"no beat in {waited:.0f} s" if waited > START_PATIENCE * self._patience else ""
        is_first = not seen.beat
        if sign.last_beat != seen.beat:
            seen.beat, seen.beat_at = sign.last_beat, now
        if sign.is_in_its_right or is_first:
            seen.right_at = now
        if now - seen.beat_at > self._patience:
            return f"it has not beaten for {now - seen.beat_at:.0f} s"
        if now - seen.right_at > self._patience:
            return f"for {now - seen.right_at:.0f} s it has not let go of a training that it lost"
        return ""
