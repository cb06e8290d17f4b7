"""search_overhead without waiting for a whole search: preset small through the worker's own path, epochs cut short.

Everything is as in a real search of preset small on all of CIFAR-10 (worker.train, leases, SQLite, files, 40,000 +
10,000 images, every epoch's validation, checkpoint, points and event) but for the number of optimiser steps: eight
an epoch, one a point. What is not training is timed; what training would have taken is the median step's time times
the steps of a real epoch. Queue and handing over between processes are not in it: overhead.py --search has them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from unittest import mock

from benchmarks.images import BUILD, cifar10
from benchmarks.measures import Measure, Measures
from benchmarks.processes import Failed, Row, start, trainer_environment

PHASES = {
    "loading": ("searches.worker_files", ("load_images", "load_parent")),
    "calibration": ("searches.worker_files", ("load_statistics",)),
    "morphing": ("searches.nash.beginnings", ("inherit_from_statistics",)),
    "seal": ("searches.nash.beginnings", ("measure_seal",)),
    "checkpoints": ("searches.worker_files", ("write_checkpoint", "prune_checkpoints")),
    "files": ("searches.worker_files", ("write_result", "tidy")),
    "planning, database, events": (
        "searches.services", ("claim", "record_seal", "record_epoch", "finish", "end_candidate"),
    ),
    "testing": ("searches.nash.execution", ("predict",)),
    "beats": ("searches.services", ("beat",)),
}  # fmt: skip
"""Functions that a worker calls by these modules' names. Testing is evaluation, so no overhead."""
SETTING_UP = "setting up"
STEPS_PER_EPOCH = 8


class Clock:
    """Seconds and calls by phase since the last `take`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            with self.of(phase):
                return function(*arguments, **named)

        return call

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += perf_counter() - began
            self.calls[phase] += 1

    def take(self) -> tuple[dict[str, float], dict[str, int]]:
        taken = dict(self.seconds), dict(self.calls)
        self.seconds.clear()
        self.calls.clear()
        return taken


def estimated(*, quick: bool) -> Measures:
    """search_overhead of preset small, and its parts in seconds of the whole search; in a process of its own."""
    environment = trainer_environment(1, len(os.sched_getaffinity(0)))
    process = start("benchmarks.short_search", ["--quick"] if quick else [], environment)
    lines = process.communicate()[0].splitlines()
    if process.returncode or not lines:
        raise Failed(f"the short search ended with exit code {process.returncode}")
    return {name: Measure(value, unit) for name, (value, unit) in json.loads(lines[-1]).items()}


def measured(rows: list[Row], beat_seconds: float) -> Measures:
    """Shares of core time from what each candidate took: `wall`, `trained` (steps and validation), `phases`,
    `real` (what steps and validation take at full length), `threads`. A beat comes once a second while training."""
    overhead = real = 0.0
    phases: dict[str, float] = defaultdict(float)
    for row in rows:
        beats = beat_seconds * row["real"]
        left = row["wall"] - row["trained"] - row["phases"].get("testing", 0.0)
        overhead += row["threads"] * (left + beats)
        real += row["threads"] * (row["real"] + row["phases"].get("testing", 0.0))
        phases["beats"] += beats
        named = {p: s for p, s in row["phases"].items() if p not in ("testing", "beats")}
        for phase, seconds in named.items():
            phases[phase] += seconds
        phases["the rest"] += left - sum(named.values())
    parts = {f"overhead_seconds, {phase}": Measure(seconds, "s") for phase, seconds in phases.items()}
    return {"search_overhead": Measure(overhead / (overhead + real), "share"), **parts}


def run(folder: Path, *, quick: bool) -> tuple[list[Row], float]:
    """Run the search in this process, its data in `folder`; a row a candidate, and the seconds of a beat."""
    clock = Clock()
    search = _launched(folder, quick=quick)
    from searches import worker

    post, rows, beats = worker.Post("benchmark:cpu-0", device="cpu"), [], []
    with _instrumented(clock) as trainings:
        while waiting := search.candidates.filter(status="pending").order_by("step", "index").first():
            began = perf_counter()
            worker.train(waiting.pk, post)
            wall = perf_counter() - began
            waiting.refresh_from_db()
            if waiting.status != "done":
                raise Failed(f"{waiting.code} ended as {waiting.status}: {waiting.reason}")
            phases, calls = clock.take()
            beats.append(phases["beats"] / calls["beats"])
            rows.append(
                {
                    "code": waiting.code,
                    "wall": wall,
                    "trained": waiting.seconds,
                    "real": trainings[-1].real_seconds(),
                    "threads": waiting.threads,
                    "phases": phases,
                }
            )
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows, median(beats)


@contextmanager
def _instrumented(clock: Clock) -> Iterator[list[Any]]:
    """Time the phases and cut epochs short; the trainings so far."""
    from searches.nash import execution
    from searches.nash.curves import Point
    from searches.nash.training import Training

    trainings: list[Any] = []

    class ShortTraining(Training):
        """A training with a few steps an epoch, which knows what its real length would take."""

        def __init__(self, *arguments: Any, **settings: Any) -> None:
            with clock.of(SETTING_UP):
                super().__init__(*arguments, **settings)
            self.real_steps = self.total_steps
            self.steps_per_epoch = min(self.steps_per_epoch, STEPS_PER_EPOCH)
            self.total_steps = self.epochs * self.steps_per_epoch
            self.readings = [(0, 0.0)]
            trainings.append(self)

        def run(self) -> Iterator[Point]:
            for point in super().run():
                self.readings.append((point.optimiser_step, self.step_seconds))
                yield point

        def real_seconds(self) -> float:
            pairs = pairwise(self.readings)
            a_step = median((s1 - s0) / (n1 - n0) for (n0, s0), (n1, s1) in pairs if n1 > n0)
            return a_step * self.real_steps + self.seconds - self.step_seconds

    with ExitStack() as patches:
        for phase, (module, names) in PHASES.items():
            home = import_module(module)
            for name in names:
                patches.enter_context(mock.patch.object(home, name, clock.timed(phase, getattr(home, name))))
        patches.enter_context(mock.patch.object(execution, "Training", ShortTraining))
        yield trainings


def _launched(folder: Path, *, quick: bool) -> Any:
    """A search of preset small on CIFAR-10 (quick: of preset demo on digits) in a fresh data folder."""
    os.environ.update({"NASH_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "nashweb.settings"})
    os.environ.update(dict.fromkeys(("DATABASE_URL", "REDIS_URL", "NASH_HTTPS"), ""))
    import django

    django.setup()
    from django.core.management import call_command

    from searches import services
    from searches.datasets import ensure_digits
    from searches.models import DataSet, Search
    from searches.nash.presets import preset_config

    for part in ("runner", "checkpoints", "export"):  # as a worker does before its first message
        import_module(f"searches.nash.{part}")
    call_command("migrate", verbosity=0)
    dataset = DataSet.objects.get(pk=ensure_digits()) if quick else _cifar10_row(folder)
    settings = {"n_steps": 1, "n_neigh": 2} if quick else {}
    config = preset_config(
        "demo" if quick else "small", input_shape=dataset.input_shape, n_classes=dataset.n_classes, **settings
    )
    launched = services.create_search(config, dataset=dataset, name="Overhead")
    return Search.objects.get(pk=launched.search_id)


def _cifar10_row(folder: Path) -> Any:
    """A data set whose arrays are those that are there already."""
    from searches.models import DataSet

    arrays = Path(cifar10())
    (folder / "datasets").mkdir(exist_ok=True)
    (folder / "datasets" / "cifar10").symlink_to(arrays)
    meta = json.loads((arrays / "meta.json").read_text())
    channels, height, width = meta["input_shape"]
    return DataSet.objects.create(
        name="cifar10", digest=meta["digest"], input_channels=channels, height=height, width=width,
        n_classes=len(meta["classes"]), n_train=meta["n_train"], n_test=meta["n_test"], flips=meta["flips"],
    )  # fmt: skip


def main() -> None:
    """The process of `estimated`: progress on stderr, measures on stdout."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="overhead-") as folder:
        measures = measured(*run(Path(folder), quick=quick))
    print(json.dumps({name: (m.value, m.unit) for name, m in measures.items()}))


if __name__ == "__main__":
    main()
