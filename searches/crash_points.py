"""Places where a test has the process killed as `kill -9` would, or stopped (tests/durability)."""

import os
import signal
from collections import Counter

POINTS = (
    "claimed",
    "checkpoint-half-written",
    "finish-begins",
    "finish-before-commit",
    "finish-after-commit",
    "message-not-sent",
)
VARIABLE = "NASH_CRASH_AT"
"""Names one of POINTS and which time that it is reached, the first unless told: claimed, message-not-sent:3."""
STOP_VARIABLE = "NASH_STOP_AT"
"""The same for SIGSTOP: the process stands still there until a test sends SIGCONT."""
SIGNALS = {VARIABLE: signal.SIGKILL, STOP_VARIABLE: signal.SIGSTOP}

_reached: Counter[str] = Counter()


def reached(name: str) -> None:
    """Send this process the signal of the variable that names this point, if one does."""
    wanted = {variable: os.environ[variable] for variable in SIGNALS if os.environ.get(variable)}
    if not wanted:
        return
    _reached[name] += 1
    for variable, place in wanted.items():
        point, _, time = place.partition(":")
        if point == name and _reached[name] == int(time or 1):
            os.kill(os.getpid(), SIGNALS[variable])
