"""A study: many trainings, one JSON line per finished one, so that an interrupted study goes on where it was."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.images import BUILD, ROOT, cifar10_or_leave
from benchmarks.processes import Row, results_of, settle
from searches.slots import usable_cores

ENGINE = ROOT / "searches" / "nash"


class Results:
    """The lines of a study's file: what was asked (a job) and what came of it. Order means nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        if path.exists():
            self.rows = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]

    def of(self, job: Row) -> Row | None:
        """The newest line whose job this is; keys that the job has not are what came of it."""
        return next((row for row in reversed(self.rows) if row.items() >= job.items()), None)

    def missing(self, jobs: Sequence[Row]) -> list[Row]:
        return [job for job in jobs if self.of(job) is None]

    def append(self, row: Row) -> None:
        """Put a line on disk before it counts; a line that a kill cut short is left alone."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cut_short = self.path.exists() and not self.path.read_bytes().endswith(b"\n") and self.path.stat().st_size
        with self.path.open("a") as file:
            file.write(("\n" if cut_short else "") + json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(row)


def engine_digest() -> str:
    """8 hex digits over the engine's source: rows of another engine are marked in the table."""
    content = b"".join(path.read_bytes() for path in sorted(ENGINE.rglob("*.py")))
    return hashlib.sha256(content).hexdigest()[:8]


def run_missing(module: str, jobs: Sequence[Row], results: Results, chosen: argparse.Namespace) -> None:
    """Train what the file does not hold yet, telling as each ends."""
    missing, engine = results.missing(jobs), engine_digest()
    print(f"{len(jobs)} trainings, {len(jobs) - len(missing)} of them in {results.path}", flush=True)
    for n, row in enumerate(results_of(module, missing, chosen.jobs, ["--data", chosen.data]), start=1):
        results.append({**row, "engine": engine})
        print(f"{n} of {len(missing)}: {json.dumps(row)}", flush=True)


def rows_of(jobs: Sequence[Row], results: Results) -> Iterator[Row]:
    """The lines of these jobs. Raises KeyError for one that is missing."""
    for job in jobs:
        row = results.of(job)
        if row is None:
            raise KeyError(f"{job} is not in {results.path}")
        yield row


def engines_line(rows: Sequence[Row]) -> str:
    """A warning in words where rows of several engines stand in one table, else nothing."""
    engines = sorted({row["engine"] for row in rows})
    return "" if len(engines) == 1 else f"\nRows of {len(engines)} states of the engine: {', '.join(engines)}.\n"


def arguments_of(description: str | None, results: str) -> argparse.Namespace:
    """The command line that studies share: --jobs, --quick, --data, --results, --docs; --job and --core inside."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--jobs", type=int, default=len(usable_cores()), help="trainings side by side (all cores)")
    parser.add_argument("--quick", action="store_true", help="a smoke run: the numbers mean nothing")
    parser.add_argument("--data", default="", help="another data set: digits, or a path")
    parser.add_argument("--results", type=Path, default=BUILD / results, help="the file of finished trainings")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/results.md too")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.job is None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        chosen.data = chosen.data or cifar10_or_leave()
    return chosen


def named(data: str) -> str:
    """A data set's short name for the lines: digits, cifar10."""
    return Path(data).name


def print_result(core: int, result: Any) -> None:
    """What the process of one training does: settle on its core, train, print."""
    settle([core])
    print(json.dumps(result()), flush=True)
