"""Each verb takes effect within 5 s on a training that is under way: a real one, in a thread of its own."""

import threading
import time

import pytest
from django.db import connection

from searches import services, worker
from searches.models import Candidate, Search
from tests.searches.working import launch, work

pytestmark = pytest.mark.django_db(transaction=True)
BY = "a test"
LONG = 100_000
"""Epochs: hours, even of the digits."""


class Working(threading.Thread):
    """A worker that trains one candidate and then ends."""

    def __init__(self, candidate: Candidate, post: worker.Post) -> None:
        super().__init__(daemon=True)
        self.candidate, self.post = candidate, post
        self.start()

    def run(self) -> None:
        try:
            worker.train(self.candidate.pk, self.post)
        finally:
            connection.close()


@pytest.fixture
def post(monkeypatch, data_folder) -> worker.Post:
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0,))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)
    return worker.Post("alpha:cpu-0", device="cpu")


@pytest.mark.parametrize(
    ("verb", "status"),
    [("pause", "pending"), ("delete", "pending"), ("stop", "cancelled"), ("finish_now", "cancelled")],
)
def test_a_training_under_way_ends_within_five_seconds(post, verb, status):
    search = launch(n_steps=2, n_neigh=3)
    work(search, post, until="1.1")
    worker.train(search.candidates.get(step=1, index=1).pk, post)
    candidate = search.candidates.get(step=1, index=2)
    Candidate.objects.filter(pk=candidate.pk).update(epochs=LONG)
    working = Working(candidate, post)
    try:
        wait_for(lambda: Candidate.objects.get(pk=candidate.pk).epoch >= 1)
        began = time.monotonic()
        getattr(services, verb)(Search.objects.get(pk=search.pk), BY)
        working.join(5)
        assert not working.is_alive(), f"after {time.monotonic() - began:.1f} s it still trains"
    finally:
        post.stop.set()
        working.join(20)
    candidate.refresh_from_db()
    assert (candidate.status, candidate.failures, candidate.worker) == (status, 0, "")
    newest = search.events.order_by("-seq").first()
    assert newest.kind not in ("epoch", "candidate_ended")


def wait_for(what, seconds: float = 30.0) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.05)
