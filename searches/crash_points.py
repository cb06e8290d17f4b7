"""Places where a test has the process killed as `kill -9` would (tests/durability/test_crash_points.py)."""

import os
import signal
from collections import Counter

POINTS = ("claimed", "checkpoint-half-written", "finish-before-commit", "finish-after-commit", "message-not-sent")
VARIABLE = "NASH_CRASH_AT"
"""Names one of POINTS and which time that it is reached, the first unless told: claimed, message-not-sent:3."""

_reached: Counter[str] = Counter()


def reached(name: str) -> None:
    """Kill this process if NASH_CRASH_AT names this point, else do nothing."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    _reached[name] += 1
    point, _, time = wanted.partition(":")
    if point == name and _reached[name] == int(time or 1):
        os.kill(os.getpid(), signal.SIGKILL)
