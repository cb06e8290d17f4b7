"""Retry: what failed, diverged or was too big waits again, as long as its step is not decided."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from searches import selectors, services
from searches.models import Candidate, Event, Point, Search
from searches.services import Refused
from tests.searches.rows import expire, kinds, leased, make_search, pending, run_to, run_to_end, train

pytestmark = pytest.mark.django_db
BY = "the command line"
STATES = list(Search.Status.values)


def end(candidate: Candidate, status: str = "failed") -> None:
    services.end_candidate(leased(candidate), status, "a test")


def child(search: Search, code: str) -> Candidate:
    return next(c for c in search.candidates.all() if c.code == code)


def with_a_failed_child(status: str = "failed", **settings) -> Search:
    search = make_search(**{"name": "Night run", **settings})
    end(run_to(search, "1.1"), status)
    search.refresh_from_db()
    return search


@pytest.mark.parametrize("status", ["failed", "too_big", "diverged"])
def test_a_child_of_the_open_step_waits_again_and_can_win(status):
    search = with_a_failed_child(status)
    ids = services.retry(search, BY, "1.1")
    tried = child(search, "1.1")
    assert (tried.status, tried.failures, tried.reason, tried.ended) == ("pending", 0, "", None)
    assert tried.pk in ids
    services.finish(leased(tried), services.Result(0.99, None, b"\x01", 1.0, None, None, None))
    run_to_end(search)
    assert child(search, "2.1").parent == tried
    assert search.status == "finished"


def test_without_a_code_all_of_the_step_are_tried_and_the_log_names_them():
    search = with_a_failed_child()
    end(child(search, "1.3"), "diverged")
    assert [c.code for c in services.can_be_retried(search)] == ["1.1", "1.3"]
    services.retry(search, BY)
    event = search.events.last()
    assert (event.kind, event.words) == ("search_retried", "Tried again by the command line: 1.1, 1.3")
    assert {c["status"] for c in event.payload["candidates"]} == {"pending"}
    assert services.can_be_retried(search) == []


def test_what_diverged_or_did_not_fit_begins_anew_on_whatever_device_takes_it():
    search = make_search()
    candidate = run_to(search, "1.1")
    lease = leased(candidate, threads=2, numeric_path="cpu-float32-2")
    points = [Point(optimiser_step=1, epoch=1.0, loss=1.0, lr=0.1)]
    services.record_epoch(lease, points, epoch=1.0, seconds=5.0, checkpoint="checkpoint-1-1.pt")
    services.split_batch(lease, 2, why="out of memory")
    services.end_candidate(leased(candidate, threads=2, numeric_path="cpu-float32-2"), "too_big", "out of memory")
    services.retry(search, BY)
    candidate.refresh_from_db()
    assert (candidate.epoch, candidate.checkpoint, candidate.accumulate, candidate.seconds) == (0.0, "", 1, None)
    assert not candidate.points.exists()
    lease = leased(candidate, threads=1, numeric_path="cuda-bfloat16-9.0")
    candidate.refresh_from_db()
    assert (lease.attempt, candidate.threads, candidate.numeric_path) == (3, 1, "cuda-bfloat16-9.0")


def test_what_has_no_checkpoint_any_more_begins_anew_too():
    search = make_search()
    candidate = run_to(search, "1.1")
    lease = leased(candidate, threads=2)
    services.beat(lease, epoch=1.5, seconds=3.0)
    services.end_candidate(lease, "failed", "a test")
    services.retry(search, BY)
    candidate.refresh_from_db()
    assert (candidate.epoch, candidate.seconds, candidate.threads, candidate.numeric_path) == (0.0, None, None, "")


def test_what_was_interrupted_too_often_goes_on_from_its_checkpoint():
    search = make_search()
    candidate = run_to(search, "1.1")
    services.record_epoch(leased(candidate), [], epoch=1.0, seconds=5.0, checkpoint="checkpoint-1-1.pt")
    for _ in range(5):
        expire(candidate)
        services.reap(queue_is_empty=False)
        if Candidate.objects.get(pk=candidate.pk).status == "pending":
            leased(candidate)
    candidate.refresh_from_db()
    assert candidate.status == "failed"
    services.retry(search, BY)
    candidate.refresh_from_db()
    assert (candidate.status, candidate.epoch, candidate.checkpoint) == ("pending", 1.0, "checkpoint-1-1.pt")
    with pytest.raises(services.UnfitWorker, match="number of threads"):
        leased(candidate, threads=7)


def test_a_step_that_is_decided_stays_as_it_was():
    search = with_a_failed_child()
    run_to(search, "2.1")
    seq = Search.objects.get().seq
    with pytest.raises(Refused, match=r"1\.1 of “Night run” cannot be tried again: step 1 is decided"):
        services.retry(search, BY, "1.1")
    with pytest.raises(Refused, match="“Night run” has nothing to try again"):
        services.retry(search, BY)
    assert (Search.objects.get().seq, child(search, "1.1").status) == (seq, "failed")


def test_what_belongs_to_a_step_that_the_search_does_without_stays_as_it_is():
    search = make_search(name="Night run", n_steps=4)
    end(run_to(search, "2.1"))
    services.finish_now(search, BY)
    with pytest.raises(Refused, match=r"2\.1 of “Night run” cannot be tried again: the search does without it now"):
        services.retry(search, BY, "2.1")


def test_a_search_that_failed_for_its_children_runs_again():
    search = make_search()
    run_to(search, "1.1")
    for candidate in pending(search):
        end(candidate)
    search.refresh_from_db()
    assert search.status == "failed"
    assert len(services.retry(search, BY)) == 3
    search.refresh_from_db()
    assert (search.status, search.reason, search.ended) == ("running", "", None)
    assert run_to_end(search).status == "finished"


def test_one_of_them_is_enough_the_others_stay_failed():
    search = make_search()
    run_to(search, "1.1")
    for candidate in pending(search):
        end(candidate)
    services.retry(search, BY, "1.2")
    train(child(search, "1.2"))
    assert child(search, "1.1").status == "failed"
    assert child(search, "2.1").parent.code == "1.2"


@pytest.mark.parametrize("code", ["model_0", "final"])
def test_a_search_that_failed_for_its_first_or_its_last_training_runs_again(code):
    search = make_search()
    end(run_to(search, code), "diverged")
    search.refresh_from_db()
    assert search.status == "failed"
    services.retry(search, BY)
    assert run_to_end(search).status == "finished"


def test_a_comparison_is_tried_again_after_the_end_and_nothing_else_changes():
    search = make_search(comparisons=["scratch", "model_0-final"])
    train(run_to(search, "final"))
    end(search.candidates.get(kind="scratch"), "too_big")
    run_to_end(search)
    before = list(search.candidates.exclude(kind="scratch").values_list("pk", "status", "test_accuracy"))
    assert search.status == "finished"
    services.retry(search, BY)
    assert run_to_end(search).status == "finished"
    assert search.candidates.get(kind="scratch").status == "done"
    assert list(search.candidates.exclude(kind="scratch").values_list("pk", "status", "test_accuracy")) == before


def test_comparisons_that_a_stop_cancelled_are_tried_again_together_or_one_by_one():
    search = make_search(name="Night run", comparisons=["scratch", "model_0-final", "model_0-total"])
    train(run_to(search, "final"))
    running = leased(search.candidates.get(kind="scratch"))
    services.record_epoch(running, [], epoch=1.0, seconds=5.0, checkpoint="checkpoint-1-1.pt")
    services.stop(search, BY)
    search.refresh_from_db()
    assert search.status == "finished"
    codes = {"from scratch", "model_0, final budget", "model_0, total budget"}
    assert {c.code for c in services.can_be_retried(search)} == codes
    services.retry(search, BY, "model_0, final budget")
    assert [c.code for c in pending(search)] == ["model_0, final budget"]
    assert run_to_end(search).status == "finished"
    services.retry(search, BY)
    scratch = search.candidates.get(kind="scratch")
    assert (scratch.status, scratch.epoch, scratch.checkpoint) == ("pending", 1.0, "checkpoint-1-1.pt")
    assert run_to_end(search).status == "finished"
    assert set(search.candidates.values_list("status", flat=True)) == {"done"}


def test_children_that_finish_now_cancelled_are_not_tried_again():
    search = make_search(name="Night run", n_steps=1)
    train(run_to(search, "1.1"))
    services.finish_now(search, BY)
    with pytest.raises(Refused, match=r"1\.2 of “Night run” is cancelled: only what failed"):
        services.retry(search, BY, "1.2")


def test_in_a_paused_search_it_waits_for_the_resume():
    search = with_a_failed_child()
    services.pause(search, BY)
    assert services.retry(search, BY) == []
    search.refresh_from_db()
    assert (search.status, child(search, "1.1").status) == ("paused", "pending")
    now = timezone.now()
    Search.objects.update(started=now - timedelta(seconds=1000))
    Event.objects.filter(kind="search_paused").update(at=now - timedelta(seconds=900))
    search.refresh_from_db()
    assert selectors.seconds_spent(search) == pytest.approx(100, abs=5)
    assert child(search, "1.1").pk in services.resume(search, BY)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("9.9", "“Night run” has no training '9.9'; write it as its page does, such as 2.1 or final"),
        ("model_0", "model_0 of “Night run” is done: only what failed, diverged or was too big"),
        ("1.2", "1.2 of “Night run” is pending: only what failed"),
    ],
)
def test_what_did_not_end_badly_is_refused_by_name(code, words):
    search = with_a_failed_child()
    with pytest.raises(Refused) as caught:
        services.retry(search, BY, code)
    assert words in str(caught.value)
    assert "search_retried" not in kinds(search)


@pytest.mark.parametrize("status", ["waiting", "stopped"])
def test_what_waits_or_was_stopped_has_nothing_to_try_again(status):
    search = with_a_failed_child()
    Search.objects.update(status=status)
    with pytest.raises(Refused, match="only a search that is running or paused or has finished or has failed can be"):
        services.retry(search, BY)


def test_a_stranger_is_refused():
    alice, charlie = (get_user_model().objects.create_user(n) for n in ("alice", "charlie"))
    search = with_a_failed_child(owner=alice)
    with pytest.raises(Refused, match="only its owner and staff can try its trainings again"):
        services.retry(search, charlie)
    services.retry(search, alice)
