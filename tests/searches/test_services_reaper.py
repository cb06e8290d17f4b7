"""The reaper, the death of a worker, and workers' own rows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from searches import services
from searches.models import Candidate, Worker
from searches.selectors import worker_dicts, workers_alive
from tests.searches.rows import expire, kinds, leased, make_search, pending, run_to

pytestmark = pytest.mark.django_db


def identity(name: str = "alpha:cpu-0") -> services.WorkerIdentity:
    return services.WorkerIdentity(name, "alpha", 4711, "CPU", {"engine": 1})


def test_what_runs_with_a_dead_lease_waits_again_and_is_sent():
    search = make_search()
    leased(pending(search)[0])
    expire(search.candidates.get())
    assert services.reap(queue_is_empty=False) == [search.candidates.get().pk]
    candidate = search.candidates.get()
    assert (candidate.status, candidate.failures, candidate.attempt) == ("pending", 1, 1)
    assert kinds(search)[-1] == "candidate_released"
    assert search.events.last().level == "warning"


def test_reaping_again_changes_nothing():
    search = make_search()
    leased(pending(search)[0])
    expire(search.candidates.get())
    services.reap(queue_is_empty=False)
    before = kinds(search)
    assert services.reap(queue_is_empty=False) == []
    assert kinds(search) == before
    assert search.candidates.get().failures == 1


def test_a_live_lease_is_left_alone():
    search = make_search()
    leased(pending(search)[0])
    assert services.reap(queue_is_empty=True) == []


def test_what_waits_is_sent_again_only_while_the_queue_is_empty():
    search = make_search()
    assert services.reap(queue_is_empty=False) == []
    assert services.reap(queue_is_empty=True) == [search.candidates.get().pk]


@pytest.mark.parametrize("verb", ["pause", "stop"])
def test_nothing_of_a_search_that_was_told_to_rest_is_sent(verb):
    search = make_search()
    getattr(services, verb)(search, "the command line")
    assert services.reap(queue_is_empty=True) == []


def test_a_candidate_whose_workers_die_four_times_fails_and_the_search_goes_on():
    search = make_search()
    run_to(search, "1.1")
    candidate = pending(search)[0]
    for _ in range(4):
        leased(candidate)
        expire(candidate)
        services.reap(queue_is_empty=False)
    candidate.refresh_from_db()
    assert candidate.status == "failed"
    assert candidate.reason.startswith("4 attempts died without a new checkpoint")
    run_to(search, "2.1")


def test_a_claim_of_a_dead_lease_counts_the_death():
    search = make_search()
    candidate = pending(search)[0]
    leased(candidate)
    expire(candidate)
    leased(candidate)
    candidate.refresh_from_db()
    assert (candidate.attempt, candidate.failures) == (2, 1)


def test_a_death_that_was_seen_frees_the_workers_lease_at_once():
    search = make_search()
    services.worker_beat(identity(), None)
    leased(pending(search)[0])
    assert services.release_worker("beta:cpu-0") == (False, [])
    assert services.release_worker("alpha:cpu-0") == (True, [search.candidates.get().pk])
    assert search.candidates.get().status == "pending"
    assert not Worker.objects.exists()


def test_a_worker_beats_while_idle_and_while_training():
    candidate = pending(make_search())[0]
    services.worker_beat(identity(), None)
    assert worker_dicts()[0]["candidate"] is None
    services.worker_beat(identity(), candidate.pk)
    (worker,) = worker_dicts()
    assert (worker["candidate"], worker["name"], worker["device"]) == (candidate.pk, "alpha:cpu-0", "CPU")
    assert worker["seconds_since_beat"] < 5


def test_a_worker_whose_candidate_is_gone_still_beats():
    services.worker_beat(identity(), 987654)
    assert worker_dicts()[0]["candidate"] is None


def test_a_worker_counts_as_gone_without_a_beat_for_30_seconds_and_is_forgotten_later():
    services.worker_beat(identity(), None)
    assert workers_alive().count() == 1
    Worker.objects.update(last_beat=timezone.now() - timedelta(seconds=40))
    assert workers_alive().count() == 0
    assert 39 < worker_dicts()[0]["seconds_since_beat"] < 45
    services.forget_dead_workers()
    assert Worker.objects.count() == 1
    Worker.objects.update(last_beat=timezone.now() - timedelta(seconds=400))
    services.forget_dead_workers()
    assert Worker.objects.count() == 0


def test_a_warning_is_written_once():
    search = make_search()
    services.warn_once(search.pk, "This worker is of another version")
    services.warn_once(search.pk, "This worker is of another version")
    assert kinds(search) == ["search_created", "warning"]


def test_every_row_that_runs_names_its_worker():
    search = make_search()
    leased(pending(search)[0])
    assert not Candidate.objects.filter(status="running", worker="").exists()
