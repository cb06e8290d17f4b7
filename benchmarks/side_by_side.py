"""two_workers_speedup and queue_overhead_seconds_per_child: one step of a search on one worker and on two.

    python -m benchmarks.side_by_side [--quick]

Real sites (`manage.py up --no-web`) on data folders of their own, the same search on each: eight children on the
digits, one thread each, ten seconds or so a child. A step's wall time is from when its children are planned until the
last has ended, planning, queue, files and events included. With one worker, what lies between a child's end and the
next one's claim is the queue's: the message, the worker's way to it, the claim.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep

from benchmarks.images import BUILD, ROOT
from benchmarks.measures import Measure, Measures, printed
from benchmarks.processes import Failed
from searches.slots import usable_cores

SETTINGS = {
    "channels": "16,16,16", "max_channels": 64, "n_steps": 1, "n_neigh": 8, "n_NM": 1, "batch_size": 8,
    "epoch_pretrain": 1, "epoch_neigh": 20, "epoch_final": 1, "seed": 1,
}  # fmt: skip
QUICK = {"n_neigh": 2, "epoch_neigh": 1}
CHILDREN = """
    SELECT created, started, ended, attempt, status FROM searches_candidate WHERE kind = 'neighbour' ORDER BY started
"""
END = "SELECT status FROM searches_search WHERE status IN ('finished', 'failed', 'stopped')"
LONGEST_SECONDS = 1800.0
START_SECONDS = 120.0
LOOK_SECONDS = 0.25
DOWN_SECONDS = 25


@dataclass(frozen=True)
class Child:
    """A neighbour of the step, in seconds from any common zero."""

    created: float
    started: float
    ended: float


def wall_of(children: Sequence[Child]) -> float:
    """Seconds of the step: from its plan to its last end."""
    return max(c.ended for c in children) - min(c.created for c in children)


def queue_overhead(children: Sequence[Child]) -> float:
    """Seconds a child, on one worker, in which nothing of the step was trained although it was there."""
    ordered = sorted(children, key=lambda c: c.started)
    gaps = [b.started - a.ended for a, b in pairwise(ordered)]
    return (ordered[0].started - ordered[0].created + sum(gaps)) / len(ordered)


def measures_of_steps(one: Sequence[Child], two: Sequence[Child]) -> Measures:
    """What the same step came to on one worker and on two."""
    return {
        "two_workers_speedup": Measure(wall_of(one) / wall_of(two), "x"),
        "queue_overhead_seconds_per_child": Measure(queue_overhead(one), "s"),
        "step_wall_seconds, one worker": Measure(wall_of(one), "s"),
        "step_wall_seconds, two workers": Measure(wall_of(two), "s"),
    }


def measures_of(*, quick: bool = False) -> Measures:
    """Measured now; nothing, with words, where there are no two cores."""
    if len(usable_cores()) < 2:
        print("Skipped: two workers need two cores.", file=sys.stderr)
        return {}
    return measures_of_steps(*(step_of(workers, quick=quick) for workers in (1, 2)))


def step_of(workers: int, *, quick: bool) -> list[Child]:
    """Run the search on a site of so many workers. Raises Failed."""
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="workers-") as name:
        folder = Path(name) / "data"
        environment = {
            **os.environ, "NASH_DATA_DIR": str(folder), "DATABASE_URL": "", "REDIS_URL": "",
            "CUDA_VISIBLE_DEVICES": "", "DJANGO_SETTINGS_MODULE": "nashweb.settings",
        }  # fmt: skip
        with _site(folder, workers, environment) as site:
            given = [f"--set={key}={value}" for key, value in {**SETTINGS, **(QUICK if quick else {})}.items()]
            launched = _manage(["search", "launch", "--preset", "demo", "--json", *given], environment)
            uuid = json.loads(launched.splitlines()[-1])["uuid"]
            _wait(lambda: bool(_rows(folder, END)), site, f"the end of {uuid}", LONGEST_SECONDS)
        return children_of(_rows(folder, CHILDREN))


def children_of(rows: Sequence[tuple[str, str, str, int, str]]) -> list[Child]:
    """Raises Failed unless each was trained in one go."""
    if not rows or any((attempt, status) != (1, "done") for _, _, _, attempt, status in rows):
        raise Failed(f"not every child was trained in one go: {rows}")
    return [Child(*(datetime.fromisoformat(text).timestamp() for text in row[:3])) for row in rows]


def _manage(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"manage.py {' '.join(arguments)}: {done.stderr}")
    return done.stdout


@contextmanager
def _site(folder: Path, workers: int, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`up` with workers that are ready: torch is loaded before the first message."""
    site = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--no-web", "--workers", str(workers)],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        logs = [folder / "logs" / f"cpu-{i}.log" for i in range(workers)]
        _wait(
            lambda: all(log.exists() and "is ready" in log.read_text() for log in logs), site, "start", START_SECONDS
        )
        yield site
    finally:
        site.send_signal(signal.SIGTERM)
        site.wait(DOWN_SECONDS)


def _rows(folder: Path, query: str) -> list[tuple[str, str, str, int, str]]:
    with closing(sqlite3.connect(f"file:{folder / 'nash.sqlite3'}?mode=ro", uri=True, timeout=20)) as database:
        return database.execute(query).fetchall()


def _wait(happened: Callable[[], bool], site: subprocess.Popen[bytes], what: str, seconds: float) -> None:
    deadline = monotonic() + seconds
    while not happened():
        if site.poll() is not None or monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        sleep(LOOK_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run: the numbers mean nothing")
    print(printed(measures_of(quick=parser.parse_args().quick)))


if __name__ == "__main__":
    main()
