"""Rows as large searches leave them, without training: for measuring pages.

    NASH_DATA_DIR=/tmp/rows python -m benchmarks.web_rows --children 2000 --epochs 17
    NASH_DATA_DIR=/tmp/rows python -m benchmarks.web_rows --searches 1000

Architectures and morphisms are real: Algorithm 1 itself draws them (`plan`), with accuracies that are made up here.
Rows are written in bulk, with the events and points that workers write. The data folder's database must be migrated.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from searches.nash.config import SearchConfig
from searches.nash.curves import cosine_lr
from searches.nash.hillclimb import Job, Outcome, plan, winner

if TYPE_CHECKING:
    from searches.models import Candidate, DataSet, Event, Point, Search

POINTS_PER_EPOCH = 8
N_TRAIN = 45_000
SECONDS_PER_EPOCH = 4.0
BATCH = 2_000
"""Rows in one INSERT."""


def many_children(
    *,
    n_steps: int = 100,
    n_neigh: int = 20,
    epochs: int = 17,
    name: str = "Many children",
    owner: Any = None,
    seed: int = 0,
    finished: bool = True,
) -> Search:
    """One search of n_steps x n_neigh children; not finished, it runs: the last step's children wait.

    Call it with Django set up.
    """
    config = SearchConfig(
        n_steps=n_steps, n_neigh=n_neigh, n_NM=2, epoch_pretrain=20, epoch_neigh=epochs, epoch_final=100,
        channels=(16, 16, 16), max_channels=64, max_macs=150_000_000, seed=seed,
    )  # fmt: skip
    return _written(config, name, owner, finished=finished, points_per_epoch=POINTS_PER_EPOCH)


def many_searches(n: int = 1_000, *, owner: Any = None, seed: int = 0) -> list[Search]:
    """n small searches of 2 steps x 3 children, in turn finished, stopped, failed and waiting, over some months."""
    from searches.models import Search

    made = []
    for i in range(n):
        config = SearchConfig(
            n_steps=2, n_neigh=3, n_NM=1, epoch_pretrain=2, epoch_neigh=2, epoch_final=4, channels=(16, 16, 16),
            max_channels=32, seed=seed + i % 8, lambda_start=round(0.02 + 0.01 * (i % 5), 3),
        )  # fmt: skip
        search = _written(config, f"Search {i:04d}", owner, finished=i % 4 != 3, points_per_epoch=1)
        if i % 4 in (1, 2):
            status = Search.Status.STOPPED if i % 4 == 1 else Search.Status.FAILED
            Search.objects.filter(pk=search.pk).update(status=status, reason="made for a measurement")
        moment = search.created - timedelta(hours=2 * (n - i))
        Search.objects.filter(pk=search.pk).update(created=moment, started=moment, ended=moment + timedelta(hours=1))
        made.append(search)
    return made


# ------------------------------------------------------------------ what a search comes to


def outcomes(config: SearchConfig, *, finished: bool) -> tuple[list[Outcome], list[Job]]:
    """The trainings that have ended, and those that wait; one child in 50 diverged."""
    rng, history, waiting = random.Random(config.seed), list[Outcome](), list[Job]()
    while jobs := plan(config, history):
        if not finished and jobs[0].step == config.n_steps:
            waiting = jobs
            break
        above = winner(history[-config.n_neigh - 1 :], jobs[0].step - 1) if jobs[0].step else None
        base = 0.7 if above is None or above.val_accuracy is None else above.val_accuracy
        for job in jobs:
            history.append(_outcome(job, base, rng))
        if jobs[0].kind == "final":
            break
    return history, waiting


def _outcome(job: Job, base: float, rng: random.Random) -> Outcome:
    if job.kind == "final":
        return Outcome(job, "done")
    if job.kind == "neighbour" and not job.is_parent and rng.random() < 0.02:
        return Outcome(job, "diverged")
    return Outcome(job, "done", min(0.97, base + rng.gauss(0.0, 0.002) + 0.02 * (0.95 - base)))


# ------------------------------------------------------------------ its rows


def _written(config: SearchConfig, name: str, owner: Any, *, finished: bool, points_per_epoch: int) -> Search:
    from django.db import transaction
    from django.utils import timezone

    from searches.models import Candidate, Event, Point, Search

    history, waiting = outcomes(config, finished=finished)
    with transaction.atomic():
        now = timezone.now()
        dataset = _dataset()
        search = Search.objects.create(
            name=name, owner=owner, dataset=dataset, dataset_digest=dataset.digest, config=config.to_dict(),
            status=Search.Status.FINISHED if finished else Search.Status.RUNNING, started=now,
            ended=now if finished else None,
        )  # fmt: skip
        rows = _candidates(search, history, waiting, now)
        points = (p for c in rows if c.status == "done" for p in _points(c, config, points_per_epoch))
        Point.objects.bulk_create(points, batch_size=BATCH)
        events = list(_events(search, rows))
        Event.objects.bulk_create(events, batch_size=BATCH)
        Search.objects.filter(pk=search.pk).update(seq=len(events))
    Candidate.objects.filter(search=search, kind="final").update(test_accuracy=0.93)
    search.refresh_from_db()
    return search


def _dataset() -> DataSet:
    from searches.models import DataSet

    facts = {
        "digest": "0" * 64, "input_channels": 3, "height": 32, "width": 32, "n_classes": 10, "n_train": 50_000,
        "n_test": 10_000,
    }  # fmt: skip
    return DataSet.objects.get_or_create(name="made-up", defaults=facts)[0]


def _candidates(search: Search, history: Sequence[Outcome], waiting: Sequence[Job], now: datetime) -> list[Candidate]:
    """Rows a step at a time, parents before children."""
    from searches.models import Candidate
    from searches.services.launch import columns_of

    ids: dict[Any, int] = {}
    made: list[Candidate] = []
    ended = {o.job.key: o for o in history}
    by_step: dict[Any, list[Job]] = {}
    for job in [*(o.job for o in history), *waiting]:
        by_step.setdefault((job.kind == "final", job.step), []).append(job)
    for jobs in by_step.values():
        best = winner([ended[j.key] for j in jobs if j.key in ended], jobs[0].step)
        rows = []
        for job in jobs:
            outcome = ended.get(job.key)
            row = Candidate(search=search, parent_id=ids[job.parent] if job.parent else None, **columns_of(job))
            if outcome is not None:
                _fill(row, outcome, is_best=best is not None and best.job.key == job.key, now=now)
            rows.append(row)
        for row in Candidate.objects.bulk_create(rows):
            ids[row.key] = row.pk
            made.append(row)
    return made


def _fill(row: Candidate, outcome: Outcome, *, is_best: bool, now: datetime) -> None:
    row.status, row.val_accuracy, row.is_winner = outcome.status, outcome.val_accuracy, is_best
    row.attempt, row.threads, row.numeric_path, row.worker = 1, 1, "cpu-float32-1", "made:cpu-0"
    row.epoch, row.started, row.ended = float(row.epochs), now, now
    row.seconds = SECONDS_PER_EPOCH * row.epochs
    row.images_per_second, row.flops_per_second = N_TRAIN / SECONDS_PER_EPOCH, 1e10
    row.peak_memory_bytes = 300_000_000
    if outcome.status == "diverged":
        row.reason = "the loss is nan at optimiser step 40 of 5,984 (learning rate 0.05)"
    if row.kind == "neighbour" and row.morphisms:
        row.seal = {
            "mode": "evaluation", "float32": 2e-6, "float64": 3e-15, "tolerance32": 1e-3, "tolerance64": 1e-10,
            "n_images32": 128, "n_images64": 32, "holds": True,
        }  # fmt: skip
    if outcome.val_accuracy is not None:
        rng = random.Random(row.digest + str(row.index))
        right = [rng.random() < outcome.val_accuracy for _ in range(1_000)]
        bits = "".join("1" if b else "0" for b in right)
        row.correct = int(bits, 2).to_bytes(len(right) // 8, "big")


def _points(row: Candidate, config: SearchConfig, per_epoch: int) -> Iterator[Point]:
    from searches.models import Point

    total, top = row.epochs * 352, row.val_accuracy or 0.9
    for k in range(row.epochs * per_epoch + 1):
        step = total * k // (row.epochs * per_epoch)
        share = step / total
        yield Point(
            candidate_id=row.pk,
            optimiser_step=step,
            epoch=share * row.epochs,
            loss=None if k == 0 else 0.2 + 0.5 * math.exp(-3 * share),
            lr=cosine_lr(step, total, lambda_start=config.lambda_start, lambda_end=config.lambda_end),
            val_accuracy=top - 0.05 * (1 - share) if k % per_epoch == 0 and row.kind != "final" else None,
        )


def _events(search: Search, rows: Sequence[Candidate]) -> Iterator[Event]:
    """The log: a start and an end for each training that ended, a line for each epoch."""
    from searches.models import Event
    from searches.services import sentences

    seq = 0

    def event(kind: str, words: str, level: str = "info") -> Event:
        nonlocal seq
        seq += 1
        return Event(search=search, seq=seq, kind=kind, level=level, words=words)

    yield event("search_created", f"{search.name} was launched")
    for row in rows:
        row.search = search
        if row.status == "pending":
            continue
        yield event("candidate_started", sentences.began(row))
        if row.status == "done":
            for epoch in range(1, row.epochs + 1):
                yield event("epoch", f"{sentences.subject(row)} ended epoch {epoch} of {row.epochs}")
        yield event("candidate_ended", sentences.ended(row))
        if row.is_winner and row.kind == "neighbour":
            yield event("step_decided", sentences.decided(row.step, row, None), "decision")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nashweb.settings")
    import django

    django.setup()
    from django.contrib.auth import get_user_model

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--children", type=int, default=0, help="one search of so many children, 20 a step")
    parser.add_argument("--neighbours", type=int, default=20, help="children a step")
    parser.add_argument("--epochs", type=int, default=17)
    parser.add_argument("--searches", type=int, default=0, help="so many small searches")
    parser.add_argument("--running", action="store_true", help="the large search runs")
    options = parser.parse_args()
    owner, begun = get_user_model().objects.first(), time.monotonic()
    if options.children:
        search = many_children(
            n_steps=options.children // options.neighbours, n_neigh=options.neighbours, epochs=options.epochs,
            owner=owner, finished=not options.running,
        )  # fmt: skip
        print(f"{search.uuid}  {options.children} children, {time.monotonic() - begun:.1f} s")
    if options.searches:
        made = many_searches(options.searches, owner=owner)
        print(f"{len(made)} searches, {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
