"""Everything of a search that is not training or evaluating, as a share of the core time that it took.

    python -m benchmarks.overhead --search DATA_DIR/UUID    reads a finished search from its rows
    python -m benchmarks.overhead                           estimates preset small's in minutes (short_search.py)

A candidate's row says when it was created, claimed and ended, and how many seconds it trained and validated
(`seconds`). What lies between claim and end besides is overhead: loading, morphing, calibration, seal, setting up,
checkpoints, database, events, files; of a final training the test pass too, which no row tells apart. So are cores
that stood idle while a training that they could have taken waited: planning, the queue, a worker's way to the next.
`search_overhead` is the share of that in all core time between claim and end and in such waiting. Cores that are idle
because nothing can be trained yet, at the end of a step, are in neither: `search_idle_share` is what they are of wall
time x cores, so that overhead is search_overhead x (1 - search_idle_share) of wall time x cores, which is less.
The estimate trains one candidate after another, so that nothing waits and no core is idle in it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measures import Measure, Measures, printed

if TYPE_CHECKING:
    from searches.models import Search

KINDS = ("pretrain", "neighbour", "final")
"""What Algorithm 1 trains."""


@dataclass(frozen=True)
class Span:
    """A training in a finished search, in seconds from any common zero; `seconds` of it trained and validated."""

    kind: str
    created: float
    started: float
    ended: float
    seconds: float
    threads: int


def busy_at(spans: Sequence[Span], moment: float) -> int:
    """Cores on which a claimed training runs then."""
    return sum(s.threads for s in spans if s.started <= moment < s.ended)


def cores_of(spans: Sequence[Span]) -> int:
    """Cores that the search had: the most that were ever busy at once."""
    return max(busy_at(spans, s.started) for s in spans)


def idle_while_waiting(spans: Sequence[Span]) -> float:
    """Core-seconds that cores stood idle although a training that fits on them waited."""
    moments = sorted({moment for s in spans for moment in (s.created, s.started, s.ended)})
    cores, idle = cores_of(spans), 0.0
    for begin, end in pairwise(moments):
        free = cores - busy_at(spans, begin)
        wanted = sum(s.threads for s in spans if s.created <= begin < s.started and s.threads <= free)
        idle += min(free, wanted) * (end - begin)
    return idle


def measures_of_spans(spans: Sequence[Span]) -> Measures:
    """Shares of a whole search; the first training's wait for a worker to be started is not the search's.

    search_overhead: of claimed and waited core time; search_idle_share: of wall time x cores; search_steps_share: of
    wall time.
    """
    began, ended = min(s.started for s in spans), max(s.ended for s in spans)
    waiting = idle_while_waiting([replace(s, created=max(s.created, began)) for s in spans])
    claimed = sum(s.threads * (s.ended - s.started) for s in spans)
    worked = sum(s.threads * s.seconds for s in spans)
    in_steps = [s for s in spans if s.kind == "neighbour"]
    wall = ended - began
    return {
        "search_overhead": Measure(1 - worked / (claimed + waiting), "share"),
        "search_idle_share": Measure(1 - (claimed + waiting) / (cores_of(spans) * wall), "share"),
        "search_wall_seconds": Measure(wall, "s"),
        "search_steps_share": Measure(_wall_of(in_steps) / wall, "share"),
    }


def _wall_of(spans: Sequence[Span]) -> float:
    return max(s.ended for s in spans) - min(s.created for s in spans) if spans else 0.0


def read_search(place: Path) -> list[Span]:
    """Spans of the finished search DATA_DIR/UUID. Leaves with words where it is none."""
    os.environ.update({"NASH_DATA_DIR": str(place.parent), "DJANGO_SETTINGS_MODULE": "nashweb.settings"})
    import django

    django.setup()
    from django.core.management import CommandError

    from searches.management.launching import find

    try:
        return spans_of(find(place.name))
    except (CommandError, ValueError) as error:
        sys.exit(f"{place}: {error}")


def spans_of(search: Search) -> list[Span]:
    """Its trainings that were done, comparisons left out. Raises ValueError unless it finished in one go."""
    if search.status != "finished":
        raise ValueError(f"the search is {search.status}; take one that is finished")
    candidates = list(search.candidates.filter(status="done", kind__in=KINDS))
    if again := [c.code for c in candidates if c.attempt > 1]:
        raise ValueError(f"{', '.join(again)} was interrupted; take a search that ran in one go")
    return [
        Span(c.kind, c.created.timestamp(), c.started.timestamp(), c.ended.timestamp(), c.seconds, c.threads)
        for c in candidates
        if c.started and c.ended and c.seconds is not None and c.threads is not None
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search", type=Path, metavar="DATA_DIR/UUID")
    parser.add_argument("--quick", action="store_true", help="a smoke run on the digits: the numbers mean nothing")
    chosen = parser.parse_args()
    print(printed(measures_of(chosen.search, quick=chosen.quick)))


def measures_of(search: Path | None, *, quick: bool = False) -> Measures:
    """Of that search, or estimated for preset small."""
    if search is not None:
        return measures_of_spans(read_search(search))
    from benchmarks.short_search import estimated

    return estimated(quick=quick)


if __name__ == "__main__":
    main()
