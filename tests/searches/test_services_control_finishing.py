"""Finish now: no further training of a step begins, the best so far gets its final training."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from searches import selectors, services
from searches.diagrams import lineage_svg
from searches.models import Event, Search
from searches.report import report_html
from searches.services import Refused, finishing
from tests.searches.rows import (
    kinds,
    leased,
    make_search,
    result,
    run_to,
    run_to_end,
    statuses,
    train,
)

pytestmark = pytest.mark.django_db
BY = "the command line"
STATES = list(Search.Status.values)


def test_with_a_child_done_the_open_step_is_the_last_and_its_best_so_far_wins():
    search = make_search(n_steps=4)
    train(run_to(search, "2.1"))
    train(search.candidates.get(step=2, index=2))
    lease = leased(search.candidates.get(step=2, index=3))
    ids = services.finish_now(search, BY)
    search.refresh_from_db()
    assert (search.status, search.config["n_steps"]) == ("running", 2)
    assert statuses(search, 2) == {"2.1": "done", "2.2": "done", "2.3": "cancelled"}
    assert search.candidates.get(step=2, is_winner=True, kind="neighbour").code == "2.1"
    final = search.candidates.get(kind="final")
    assert (final.step, final.parent.code, ids) == (2, "2.1", [final.pk])
    with pytest.raises(services.LeaseLost):
        services.beat(lease)
    train(final)
    search.refresh_from_db()
    assert (search.status, search.reason) == ("finished", "")


def test_without_a_child_done_the_step_before_is_the_last():
    search = make_search(n_steps=4)
    run_to(search, "2.1")
    services.finish_now(search, BY)
    search.refresh_from_db()
    assert search.config["n_steps"] == 1
    assert set(statuses(search, 2).values()) == {"cancelled"}
    assert search.candidates.get(kind="final").parent.code == "1.2"
    assert kinds(search).count("step_decided") == 1


def test_the_log_says_it_once_with_who_and_what_becomes_of_it():
    search = make_search(n_steps=4)
    train(run_to(search, "2.1"))
    services.finish_now(search, BY)
    assert kinds(search)[-3:] == ["search_cut_short", "step_decided", "step_planned"]
    event = search.events.get(kind="search_cut_short")
    assert (event.level, event.words) == (
        "decision",
        "Told to finish now by the command line: 2 steps it is, the best so far gets its final training; "
        "2 trainings of the open step cancelled",
    )
    assert event.payload["search"]["config"]["n_steps"] == 2
    assert [c["status"] for c in event.payload["candidates"]] == ["cancelled", "cancelled"]
    reason = "no longer wanted: Told to finish now by the command line"
    assert search.candidates.filter(status="cancelled").first().reason == reason


def test_a_paused_search_goes_on_to_its_final_training_and_its_pause_is_not_spent():
    search = make_search(n_steps=4)
    train(run_to(search, "1.1"))
    services.pause(search, BY)
    services.finish_now(search, BY)
    search.refresh_from_db()
    assert search.status == "running"
    now = timezone.now()
    Search.objects.update(started=now - timedelta(seconds=1000))
    Event.objects.filter(kind="search_paused").update(at=now - timedelta(seconds=900))
    Event.objects.filter(kind="search_cut_short").update(at=now - timedelta(seconds=100))
    search.refresh_from_db()
    assert selectors.seconds_spent(search) == pytest.approx(200, abs=5)
    assert run_to_end(search).status == "finished"


def test_its_comparisons_follow_as_those_of_a_search_of_so_many_steps():
    search = make_search(n_steps=4, comparisons=["snapshots", "scratch"])
    train(run_to(search, "2.1"))
    services.finish_now(search, BY)
    run_to_end(search)
    compared = search.candidates.filter(kind__in=("snapshot", "scratch"))
    assert sorted(c.code for c in compared) == ["from scratch", "snapshot 1"]
    assert search.status == "finished"


@pytest.mark.parametrize("failed", [False, True])
def test_before_a_first_child_is_done_model_0_gets_the_final_training(failed):
    search = make_search(n_steps=4, comparisons=["snapshots", "scratch", "model_0-final"])
    first, others = leased(run_to(search, "1.1")), ("1.2", "1.3")
    if failed:
        services.end_candidate(first, "diverged", "a test")
    assert selectors.progress_fields(search, simulate_seconds=1)["seconds_left"] > 0
    services.finish_now(search, BY)
    search.refresh_from_db()
    assert (search.status, search.config["n_steps"]) == ("running", 1)
    assert statuses(search, 1) == {"1.1": "diverged" if failed else "cancelled", **dict.fromkeys(others, "cancelled")}
    final = search.candidates.get(kind="final")
    assert (final.step, final.parent.code, final.digest) == (1, "model_0", final.parent.digest)
    words = "Told to finish now by the command line: without a step, model_0 gets its final training; "
    assert search.events.get(kind="search_cut_short").words.startswith(words)
    assert selectors.progress_fields(search, simulate_seconds=1)["seconds_left"] > 0
    assert run_to_end(search).status == "finished"
    assert sorted(c.code for c in search.candidates.filter(kind__in=("scratch", "reference"))) == [
        "from scratch", "model_0, final budget",
    ]  # fmt: skip
    snapshot = selectors.snapshot(search)
    assert snapshot["epochs_total"] == snapshot["epochs_done"]
    assert "model_0" in report_html(search)
    assert lineage_svg(snapshot, width=896, standalone=True).startswith("<svg")


def test_before_model_0_is_pretrained_there_is_nothing_to_finish_with():
    search = make_search(name="Night run")
    leased(run_to(search, "model_0"))
    seq = Search.objects.get().seq
    with pytest.raises(Refused, match="“Night run” has nothing to finish with yet: wait until model_0 is pretrained"):
        services.finish_now(search, BY)
    assert (Search.objects.get().seq, search.candidates.filter(status="cancelled").count()) == (seq, 0)


def test_past_its_steps_there_is_nothing_to_skip():
    search = make_search(name="Night run")
    leased(run_to(search, "final"))
    with pytest.raises(Refused, match="“Night run” is past its steps already"):
        services.finish_now(search, BY)


@pytest.mark.parametrize("status", [s for s in STATES if s not in ("running", "paused")])
def test_what_does_not_run_is_not_finished(status):
    search = make_search(name="Night run")
    train(run_to(search, "1.1"))
    Search.objects.update(status=status)
    with pytest.raises(Refused, match="only a search that is running or paused can be finished now"):
        services.finish_now(search, BY)


def test_a_stranger_is_refused():
    alice, charlie = (get_user_model().objects.create_user(n) for n in ("alice", "charlie"))
    search = make_search(owner=alice)
    train(run_to(search, "1.1"))
    with pytest.raises(Refused, match="belongs to alice: only its owner and staff can finish it now"):
        services.finish_now(search, charlie)
    services.finish_now(search, alice)


def test_what_ends_while_it_is_planned_is_heeded(monkeypatch):
    search = make_search(n_steps=4)
    train(run_to(search, "1.1"))
    best = leased(search.candidates.get(step=1, index=2))
    real, waiting = finishing.cut_short, [best]

    def overtaken(*arguments, **options):
        following = real(*arguments, **options)
        if waiting:
            services.finish(waiting.pop(), result(0.7))
        return following

    monkeypatch.setattr(finishing, "cut_short", overtaken)
    services.finish_now(search, BY)
    assert search.candidates.get(kind="final").parent.code == "1.2"
