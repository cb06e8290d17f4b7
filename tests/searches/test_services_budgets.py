"""Budgets: once the hours are spent or the accuracy is reached, the best so far gets its final training."""

from datetime import timedelta

import pytest
from django.utils import timezone

from searches import services, tasks, worker
from searches.models import Event, Search
from searches.nash.config import SearchConfig
from searches.services import finishing
from tests.searches.rows import (
    TINY,
    finals,
    kinds,
    leased,
    make_dataset,
    pending,
    result,
    run_to,
    run_to_end,
    statuses,
    train,
)

pytestmark = pytest.mark.django_db
BY = "the command line"


def budgeted(selection: str = "accuracy", **budget) -> Search:
    config = SearchConfig(**{**TINY, "n_steps": 4, "selection": selection})
    launched = services.create_search(config, dataset=make_dataset(), name="Night run", **budget)
    return Search.objects.get(pk=launched.search_id)


def spend(search: Search, hours: float) -> None:
    """As if its first training had begun so long ago."""
    Search.objects.filter(pk=search.pk).update(started=timezone.now() - timedelta(hours=hours))


def test_a_budget_of_hours_ends_the_step_that_is_open_when_it_is_spent():
    search = budgeted(hours_limit=2)
    train(run_to(search, "2.1"))
    lease = leased(search.candidates.get(step=2, index=2))
    spend(search, 1.9)
    assert services.heed_budgets() == []
    spend(search, 2.1)
    ids = services.heed_budgets()
    assert search.candidates.get(kind="final").pk in ids
    assert statuses(search, 2) == {"2.1": "done", "2.2": "cancelled", "2.3": "cancelled"}
    assert search.events.get(kind="search_cut_short").words.startswith("Its budget of 2 h is spent: 2 steps it is")
    with pytest.raises(services.LeaseLost):
        services.beat(lease)
    assert services.heed_budgets() == []
    assert run_to_end(search).status == "finished"


def test_spent_before_a_first_child_is_done_it_ends_with_that_child():
    search = budgeted(hours_limit=2)
    run_to(search, "1.1")
    spend(search, 3)
    assert services.heed_budgets() == []
    train(search.candidates.get(step=1, index=1))
    assert statuses(search, 1) == {"1.1": "done", "1.2": "cancelled", "1.3": "cancelled"}
    assert search.candidates.get(kind="final").parent.code == "1.1"


def test_a_first_child_that_fails_is_nothing_to_finish_with():
    search = budgeted(hours_limit=2)
    run_to(search, "1.1")
    spend(search, 3)
    services.end_candidate(leased(search.candidates.get(step=1, index=1)), "diverged", "the loss is nan")
    assert statuses(search, 1) == {"1.1": "diverged", "1.2": "pending", "1.3": "pending"}


def test_spent_as_a_step_would_begin_the_step_does_not_begin():
    search = budgeted(hours_limit=2)
    last = run_to(search, "1.3")
    spend(search, 3)
    train(last)
    assert not search.candidates.filter(step=2).exists()
    assert finals(search) == [(1, search.candidates.get(step=1, is_winner=True).index)]


def test_pauses_are_not_spent():
    search = budgeted(hours_limit=2)
    train(run_to(search, "1.1"))
    services.pause(search, BY)
    services.resume(search, BY)
    now = timezone.now()
    spend(search, 5)
    Event.objects.filter(kind="search_paused").update(at=now - timedelta(hours=4.5))
    Event.objects.filter(kind="search_resumed").update(at=now - timedelta(hours=1))
    assert services.heed_budgets() == []


@pytest.mark.parametrize("verb", ["pause", "delete", "stop"])
def test_a_search_that_rests_is_left_alone(verb):
    search = budgeted(hours_limit=2)
    train(run_to(search, "1.1"))
    spend(search, 9)
    getattr(services, verb)(search, BY)
    assert services.heed_budgets() == []


@pytest.mark.parametrize("verb", ["pause", "delete", "stop"])
def test_one_that_is_told_to_rest_while_it_is_planned_is_left_alone(monkeypatch, verb):
    search = budgeted(hours_limit=2)
    train(run_to(search, "1.1"))
    spend(search, 3)
    planned = finishing.cut_short

    def cut_short(*of, **said):
        following = planned(*of, **said)
        getattr(services, verb)(search, BY)
        return following

    monkeypatch.setattr(finishing, "cut_short", cut_short)
    assert services.heed_budgets() == []
    search.refresh_from_db()
    assert kinds(search)[-1] != "search_cut_short"
    assert (search.status == "paused") == (verb == "pause")


def test_an_accuracy_that_is_reached_ends_it_where_a_step_would_begin():
    search = budgeted(accuracy_goal=0.7)  # 1.2 reaches it
    run_to_end(search)
    assert set(statuses(search, 1).values()) == {"done"}  # all of the step, however many workers there were
    assert finals(search) == [(1, 2)]
    words = "70.00 % validation accuracy are reached: 1 step it is, the best so far gets its final training"
    assert search.events.get(kind="search_cut_short").words == words
    assert (search.status, search.config["n_steps"]) == ("finished", 1)


@pytest.mark.parametrize(("selection", "n_steps"), [("balanced", 1), ("accuracy", 4)])
def test_the_accuracy_that_counts_is_the_one_that_decides_the_steps(selection, n_steps):
    search = budgeted(accuracy_goal=0.7, selection=selection)
    while waiting := pending(search):
        for candidate in waiting:
            if candidate.kind == "neighbour":
                services.finish(leased(candidate), result(0.5, val_balanced=0.8))
            else:
                train(candidate)
    search.refresh_from_db()
    assert search.config["n_steps"] == n_steps
    if selection == "balanced":
        words = search.events.get(kind="search_cut_short").words
        assert words.startswith("70.00 % balanced validation accuracy are reached")
        assert "until 70.00 % balanced validation accuracy" in search.events.get(kind="search_created").words


def test_an_accuracy_that_is_not_reached_changes_nothing():
    search = run_to_end(budgeted(accuracy_goal=0.99))
    assert finals(search)[0][0] == 4
    assert "search_cut_short" not in kinds(search)


def test_model_0_that_reaches_it_has_its_first_step_all_the_same():
    search = run_to_end(budgeted(accuracy_goal=0.4))
    assert finals(search) == [(1, 2)]


def test_workers_heed_budgets_while_they_reap(monkeypatch):
    monkeypatch.setattr(tasks, "post", worker.Post("alpha:cpu-9"))
    search = budgeted(hours_limit=2)
    train(run_to(search, "1.1"))
    spend(search, 3)
    tasks.reap()
    assert search.candidates.filter(kind="final").exists()
