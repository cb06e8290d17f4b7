"""A worker and its messages: what it takes, gives back and refuses, and what waits for it."""

import html
import threading

import pytest

from searches import services, tasks, worker
from searches.models import ENGINE_VERSION, Search, Worker
from tests.searches.rows import kinds
from tests.searches.working import launch, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_core")]


def test_a_late_message_changes_nothing(search, post):
    work(search, post)
    before = kinds(search)
    for candidate in search.candidates.all():
        assert worker.train(candidate.pk, post) == []
    assert worker.train(987654, post) == []
    assert kinds(search) == before


def test_a_worker_that_stops_gives_its_message_back(search, post):
    post.stop.set()
    pk = search.candidates.get().pk
    assert worker.train(pk, post) == [pk]
    assert search.candidates.get().attempt == 0


def test_a_worker_with_too_few_cores_refuses_and_says_so_once(search, post):
    search.candidates.update(threads=64)
    for _ in range(2):
        assert worker.train(search.candidates.get().pk, post) == []
    (warning,) = search.events.filter(kind="warning")
    assert "trained with 64 threads, this worker has 1 cores" in warning.words


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("dataset_digest", "e" * 64, "digest of the data set"),
        ("engine_version", ENGINE_VERSION + 1, f"its engine version is {ENGINE_VERSION + 1}, this worker's is"),
    ],
)
def test_a_worker_of_another_kind_refuses_and_the_workers_page_says_so_until_it_trains_again(
    search, post, client, alice, column, value, words
):
    identity = services.WorkerIdentity(post.name, "alpha", 7, "CPU", {})
    services.worker_beat(identity, None)
    before = getattr(search, column)
    Search.objects.update(**{column: value})
    assert worker.train(search.candidates.get().pk, post) == []
    assert words in search.events.get(kind="warning").words
    assert search.candidates.get().status == "pending"
    services.worker_beat(identity, None)
    assert words in Worker.objects.get().refusal
    assert words in html.unescape(client.get("/workers/").content.decode())
    Search.objects.update(**{column: before})
    worker.train(search.candidates.get().pk, post)
    assert Worker.objects.get().refusal == ""
    assert words not in html.unescape(client.get("/workers/").content.decode())


def test_a_worker_of_an_older_version_refuses_settings_that_it_does_not_know_and_trains_another_search(search, post):
    services.worker_beat(services.WorkerIdentity(post.name, "alpha", 7, "CPU", {}), None)
    newer = launch(seed=2)
    Search.objects.filter(pk=newer.pk).update(config={**newer.config, "warp": 9}, priority=1)
    assert worker.train_next(newer.candidates.get().pk, post) != []
    assert search.candidates.get(kind="pretrain").status == "done"
    assert newer.candidates.get().status == "pending"
    (warning,) = newer.events.filter(kind="warning")
    assert "does not understand its settings" in warning.words
    assert "warp" in warning.words
    services.forget_refusal(post.name)
    assert worker.train(newer.candidates.get().pk, post) == []
    assert "warp" in Worker.objects.get().refusal


def test_enqueued_candidates_reach_the_queue_in_order(settings):
    tasks.HUEY.storage.flush_all()
    tasks.enqueue([5, 3])
    assert [tasks.HUEY.dequeue().args for _ in range(2)] == [(5,), (3,)]


def test_a_queue_that_does_not_answer_is_no_error_of_the_page(monkeypatch, caplog):
    def broken(candidate_id):
        raise OSError("nobody listens")

    monkeypatch.setattr(tasks, "train_candidate", broken)
    tasks.enqueue([1])
    assert "the reaper will send it" in caplog.text


def test_a_worker_process_beats_and_leaves(monkeypatch):
    monkeypatch.setattr(tasks, "post", worker.Post("alpha:cpu-9", stop=threading.Event()))
    tasks.beat()
    row = Worker.objects.get()
    assert (row.name, row.device, row.versions["engine"]) == ("alpha:cpu-9", "CPU", ENGINE_VERSION)
    tasks.leave()
    assert not Worker.objects.exists()
    assert tasks.post.stop.is_set()


def test_the_reaper_sends_what_waits_while_the_queue_is_empty(search):
    tasks.HUEY.storage.flush_all()
    tasks.reap()
    assert tasks.HUEY.pending_count() == 1
    tasks.reap()
    assert tasks.HUEY.pending_count() == 1
    tasks.HUEY.storage.flush_all()


ACTS = ("heed_budgets", "sweep_deleted", "go_on_with_room", "keep_missing_models", "settle_waiting", "measure_older")


@pytest.mark.parametrize("broken", [ACTS, ("reap", "heed_budgets")], ids=["all but the first", "the first two"])
def test_what_goes_wrong_with_one_act_of_the_reaper_keeps_it_from_no_other(search, monkeypatch, caplog, broken):
    done = []

    def break_down(act: str):
        def fails(**told):
            raise LookupError(f"no OSError: {act}")

        return fails

    for act in ACTS:
        monkeypatch.setattr(services, act, lambda act=act: done.append(act) or [])
    for act in broken:
        monkeypatch.setattr(services, act, break_down(act))
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)  # the test's own transaction is on it
    tasks.HUEY.storage.flush_all()
    tasks.reap()
    assert tasks.HUEY.pending_count() == (0 if "reap" in broken else 1)
    assert done == [act for act in ACTS if act not in broken]
    for act in broken:
        assert f"no OSError: {act}" in caplog.text
    tasks.HUEY.storage.flush_all()
