"""A worker of the tests: searches that train in moments, and one that works on them."""

from typing import Any

from searches import services, worker, worker_jobs, worker_run
from searches.datasets import ensure_digits
from searches.models import BackgroundJob, Candidate, DataSet, Search
from searches.nash.config import SearchConfig
from tests.searches.rows import TINY

QUICK: dict[str, Any] = {**TINY, "n_steps": 1, "n_neigh": 2, "batch_size": 256, "precision": "float32"}


def launch(**settings: Any) -> Search:
    dataset = DataSet.objects.get(pk=ensure_digits())
    config = SearchConfig(**{**QUICK, **settings})
    launched = services.create_search(config, dataset=dataset, name="Tiny")
    return Search.objects.get(pk=launched.search_id)


def work(search: Search, post: worker.Post, until: str = "") -> None:
    """Train what waits, in the order of the log, until the candidate of that code waits."""
    while waiting := list(search.candidates.filter(status="pending").order_by("step", "index")):
        if until and any(c.code == until for c in waiting):
            return
        worker.train(waiting[0].pk, post)
    search.refresh_from_db()


def do_job() -> BackgroundJob:
    """Do the one background job that there is."""
    job = BackgroundJob.objects.get()
    worker_jobs.do(services.claim_job(job.pk, worker="alpha"))
    job.refresh_from_db()
    return job


def weights(candidate: Candidate) -> str:
    return candidate.artifacts.get(format="weights").sha256


def break_at(monkeypatch, n: int, error: Exception, *, epochs_done: int = 0) -> None:
    """Let the n-th beat after so many epochs raise, counted from here on."""
    ended, beats = [0], iter(range(1, 10**9))
    real_beat, real_epoch = worker_run.Run._beat, worker_run.Run._on_epoch

    def epoch(self, training):
        real_epoch(self, training)
        ended[0] += 1

    def beat(self):
        if ended[0] >= epochs_done and next(beats) == n:
            raise error
        real_beat(self)

    monkeypatch.setattr(worker_run.Run, "_beat", beat)
    monkeypatch.setattr(worker_run.Run, "_on_epoch", epoch)
