"""Whether anything else works on this machine: two threads beside a busy process collapse."""

from __future__ import annotations

import sys
from pathlib import Path
from time import sleep

STAT = Path("/proc/stat")
SECONDS = 1.0
MUCH = 0.05
IDLE = slice(3, 5)
"""idle and iowait among the numbers of the line `cpu`."""


def busy_share(before: str, after: str) -> float:
    """Share of all cores' time between two readings of /proc/stat that was not idle, 0..1."""
    first, last = ([int(number) for number in text.splitlines()[0].split()[1:9]] for text in (before, after))
    passed = [b - a for a, b in zip(first, last, strict=True)]
    return 1 - sum(passed[IDLE]) / max(sum(passed), 1)


def others() -> float | None:
    """Share of the cores' time that others take now, while this process and its own sleep; None where unknown."""
    if not STAT.exists():
        return None
    before = STAT.read_text()
    sleep(SECONDS)
    return busy_share(before, STAT.read_text())


def is_much(share: float | None) -> bool:
    """Whether others take so much that ratios mean nothing; what is unknown is not."""
    return share is not None and share > MUCH


def warn_if_busy() -> float | None:
    """As `others`, with words on stderr where it is much."""
    share = others()
    if share is not None and is_much(share):
        print(
            f"Other work takes {100 * share:.0f} % of this machine: two threads beside it collapse, "
            "and these ratios mean nothing. Measure again when it has ended.",
            file=sys.stderr,
            flush=True,
        )
    return share
