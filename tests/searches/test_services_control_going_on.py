"""Going on, marked: with another engine version, or on other threads and another numeric path."""

from datetime import timedelta

import pytest
from django.utils import timezone

from searches import selectors, services
from searches.models import ENGINE_VERSION, Candidate, Event, Refusal, Search
from searches.services import Refused
from tests.searches.rows import (
    claim,
    kinds,
    leased,
    make_search,
    pending,
    result,
    run_to,
    run_to_end,
    statuses,
    train,
)

pytestmark = pytest.mark.django_db
OLD = ENGINE_VERSION - 1
BY = "a test"
DECIDED = ("code", "digest", "status", "val_accuracy", "threads", "numeric_path", "attempt", "is_winner", "ended")


def of_old(search: Search) -> Search:
    """The search as one that was launched before this engine version."""
    Search.objects.filter(pk=search.pk).update(engine_version=OLD)
    search.refresh_from_db()
    return search


def refused_by(worker: str, candidate: Candidate, thing: str = "numeric path") -> None:
    """A worker that answers and that would not take this training."""
    identity = services.WorkerIdentity(worker, "alpha", 1, "CPU", {"engine": ENGINE_VERSION})
    services.worker_beat(identity, None)
    services.record_refusal(worker, candidate.pk, thing, f"Tiny, {candidate.code}: another {thing}")


def decided(search: Search) -> list[tuple]:
    ended = search.candidates.filter(status="done").order_by("pk")
    return [tuple(getattr(candidate, name) for name in DECIDED) for candidate in ended]


@pytest.mark.parametrize("status", list(Search.Status.values))
def test_the_table_decides_in_which_states_a_search_is_told_to_go_on(status):
    search = of_old(make_search())
    Search.objects.update(status=status)
    if status in services.VERBS["go_on"]:
        services.go_on(search, BY)
        search.refresh_from_db()
        assert (search.status, search.engine_version) == (status, ENGINE_VERSION)
    else:
        with pytest.raises(Refused, match="only a search that is waiting or running or paused can be told to go on"):
            services.go_on(search, BY)
        search.refresh_from_db()
        assert (search.engine_version, search.seq) == (OLD, 1)


def test_a_search_of_this_version_that_nobody_refuses_is_refused_by_name():
    search = make_search(name="Night run")
    with pytest.raises(Refused, match=f"“Night run” is of engine version {ENGINE_VERSION}, as this site is"):
        services.go_on(search, BY)
    search.refresh_from_db()
    assert (search.seq, search.went_on) == (1, [])


def test_a_stranger_is_refused_and_a_deleted_search_too(alice, charlie):
    search = of_old(make_search(owner=alice, name="Hers"))
    with pytest.raises(Refused, match="“Hers” belongs to alice: only its owner and staff can let it go on"):
        services.go_on(search, charlie)
    services.delete(search, alice)
    with pytest.raises(Refused, match="bring it back first"):
        services.go_on(search, alice)


def test_version_mark_and_event_are_written_together_and_what_is_decided_stays(alice):
    search = of_old(run_to(make_search(owner=alice), "1.1").search)
    for candidate in pending(search):
        Search.objects.filter(pk=search.pk).update(engine_version=ENGINE_VERSION)
        train(candidate)
    of_old(search)
    before, waiting = decided(search), [candidate.pk for candidate in pending(search)]
    assert sorted(services.go_on(search, alice)) == sorted(waiting)
    search.refresh_from_db()
    assert (search.engine_version, search.status) == (ENGINE_VERSION, "running")
    (mark,) = search.went_on
    assert (mark["before"], mark["after"], mark["where"]) == (OLD, ENGINE_VERSION, "step 2")
    assert mark["seconds_refused"] == 0.0  # no worker answered: it waited, and was not refused
    event = search.events.last()
    assert (event.kind, event.level) == ("search_went_on", Event.Level.WARNING)
    assert event.words.startswith(
        f"Told to go on by alice, with engine version {ENGINE_VERSION} in place of {OLD} from step 2 on: "
    )
    assert event.payload["search"]["engine"] == f"{OLD}, from step 2 on {ENGINE_VERSION}"
    assert (event.payload["search"]["can_go_on"], event.payload["search"]["refused"]) == (False, "")
    assert decided(search) == before
    run_to_end(search)
    assert search.status == "finished"
    assert decided(search)[: len(before)] == before
    with pytest.raises(Refused):
        services.go_on(search, alice)


def test_where_the_event_cannot_be_written_nothing_is_changed(monkeypatch):
    search = of_old(make_search())

    def broken(*_args, **_more):
        raise RuntimeError("no room for an event")

    monkeypatch.setattr("searches.services.going_on.append", broken)
    with pytest.raises(RuntimeError):
        services.go_on(search, BY)
    search.refresh_from_db()
    assert (search.engine_version, search.went_on, kinds(search)) == (OLD, [], ["search_created"])


def test_the_mark_names_what_is_open_of_a_step_and_what_of_it_was_trained_before():
    search = make_search()
    run_to(search, "1.1")
    first, second, third = pending(search)
    train(first)
    lease = leased(second)
    services.record_epoch(lease, [], epoch=1.0, seconds=1.0, checkpoint="x/checkpoint-1-1.pt")
    of_old(search)
    services.go_on(search, BY)
    search.refresh_from_db()
    assert selectors.engine_words(search) == f"{OLD}, from 1.2, 1.3 (1.2 after its epoch 1) on {ENGINE_VERSION}"
    assert third.code == "1.3"


@pytest.mark.parametrize(("code", "where"), [("model_0", "the pretraining"), ("final", "the final training")])
def test_the_mark_names_pretraining_and_final_training(code, where):
    search = make_search(n_steps=1)
    of_old(run_to(search, code).search)
    services.go_on(search, BY)
    search.refresh_from_db()
    assert search.went_on[0]["where"] == where


def test_what_another_version_trains_at_this_moment_is_let_go_and_can_write_no_more():
    search = make_search()
    run_to(search, "1.1")
    lease = leased(pending(search)[0])
    of_old(search)
    ids = services.go_on(search, BY)
    assert lease.candidate_id in ids
    with pytest.raises(services.LeaseLost):
        services.finish(lease, result())
    candidate = search.candidates.get(pk=lease.candidate_id)
    assert (candidate.status, candidate.failures, candidate.threads, candidate.numeric_path) == (
        "pending",
        0,
        None,
        "",
    )
    assert statuses(search, 1) == {"1.1": "pending", "1.2": "pending", "1.3": "pending"}
    assert leased(candidate, threads=2, numeric_path="cuda-bfloat16-sm90").attempt == 2


def test_a_paused_search_stays_paused_and_sends_nothing():
    search = of_old(make_search())
    services.pause(search, BY)
    assert services.go_on(search, BY) == []
    search.refresh_from_db()
    assert (search.status, search.engine_version) == ("paused", ENGINE_VERSION)
    assert claim(pending(search)[0]) is None
    assert services.resume(search, BY) == [pending(search)[0].pk]


@pytest.mark.parametrize("thing", ["numeric path", "number of threads"])
def test_threads_and_path_that_every_worker_refuses_are_let_go_of_and_marked(thing):
    search = make_search()
    run_to(search, "1.1")
    first, *others = pending(search)
    services.release(leased(first))
    for candidate in others:
        train(candidate)
    refused_by("alpha:cpu-0", first, thing)
    before = decided(search)
    assert services.go_on(search, BY) == [first.pk]
    search.refresh_from_db()
    assert search.engine_version == ENGINE_VERSION
    assert selectors.engine_words(search) == f"{ENGINE_VERSION}, from 1.1 on another numeric path"
    assert not Refusal.objects.exists()
    assert decided(search) == before
    event = search.events.last()
    assert "with any number of threads on any numeric path from 1.1 on" in event.words
    assert event.payload["candidates"][0]["threads"] is None
    assert leased(first, threads=4, numeric_path="cpu-bfloat16-amx-4").threads == 4
    with pytest.raises(Refused):
        services.go_on(search, BY)


@pytest.mark.parametrize("thing", ["digest of the data set", "settings", "data set"])
def test_what_cannot_be_let_go_of_is_not(thing):
    search = make_search()
    refused_by("alpha:cpu-0", pending(search)[0], thing)
    with pytest.raises(Refused):
        services.go_on(search, BY)


def test_each_time_it_goes_on_is_a_mark_of_its_own():
    search = of_old(make_search(n_steps=1))
    services.go_on(search, BY)
    run_to(search, "1.1")
    services.go_on(of_old(search), BY)
    search.refresh_from_db()
    words = f"{OLD}, from the pretraining on {ENGINE_VERSION}, from step 1 on {ENGINE_VERSION}"
    assert selectors.engine_words(search) == words


def test_the_hours_in_which_every_worker_refused_it_are_not_spent_of_its_budget():
    search = make_search(hours_limit=12.0)
    run_to(search, "1.3")
    days_ago = timezone.now() - timedelta(days=3)
    Search.objects.filter(pk=search.pk).update(started=days_ago - timedelta(hours=1))
    Event.objects.filter(search=search).update(at=days_ago)
    of_old(search)
    identity = services.WorkerIdentity("alpha:cpu-0", "alpha", 1, "CPU", {"engine": ENGINE_VERSION})
    services.worker_beat(identity, None)
    services.warn_once(search.pk, "Tiny, 1.3: its engine version is another one")
    assert services.heed_budgets() == []
    services.go_on(search, BY)
    search.refresh_from_db()
    assert 3600 <= selectors.seconds_spent(search) < 3660
    assert selectors.seconds_spent(search, until=days_ago) == 3600  # as of then it had not stood yet
    assert services.heed_budgets() == []
    assert search.search_config.n_steps == 2
