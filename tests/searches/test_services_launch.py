"""The beginning of a search, and what follows from each training's end."""

import pytest

from searches import selectors, services
from searches.models import Candidate, Search
from searches.nash.config import InvalidConfig, SearchConfig
from searches.nash.hillclimb import plan
from searches.services.following import after
from tests.searches.rows import (
    ACCURACIES,
    TINY,
    kinds,
    leased,
    make_dataset,
    make_search,
    pending,
    result,
    run_to,
    run_to_end,
    train,
)

pytestmark = pytest.mark.django_db


def test_a_new_search_waits_with_its_pretraining_and_event_one():
    launched = services.create_search(SearchConfig(**TINY), dataset=make_dataset(), name="Tiny")
    search = Search.objects.get(uuid=launched.uuid)
    assert (search.status, search.seq, kinds(search)) == ("waiting", 1, ["search_created"])
    assert [c.code for c in search.candidates.all()] == ["model_0"]
    assert launched.candidate_ids == [search.candidates.get().pk]
    assert search.dataset_digest == search.dataset.digest


def test_settings_for_other_images_are_refused_by_field():
    config = SearchConfig(**{**TINY, "input_shape": (3, 32, 32)})
    with pytest.raises(InvalidConfig) as caught:
        services.create_search(config, dataset=make_dataset(), name="Tiny")
    assert set(caught.value.errors) == {"input_shape"}
    assert not Search.objects.exists()


def test_a_validation_set_larger_than_the_images_is_refused():
    with pytest.raises(InvalidConfig) as caught:
        services.create_search(SearchConfig(**TINY, n_validation=1497), dataset=make_dataset(), name="Tiny")
    assert "n_validation" in caught.value.errors


def test_a_search_is_tested_on_as_many_images_as_it_was_launched_with():
    with pytest.raises(InvalidConfig) as caught:
        make_search(n_test=301)
    assert set(caught.value.errors) == {"n_test"}
    search = run_to_end(make_search(n_test=100))
    assert search.n_test == selectors.snapshot(search)["dataset"]["n_test"] == 100
    final = search.events.filter(kind="candidate_ended", payload__candidates__0__test_accuracy=0.9).get()
    assert "look 1 at the test set, 100 images" in final.words
    assert make_search().n_test == 300


def test_a_search_runs_through_algorithm_1():
    search = run_to_end(make_search())
    assert search.status == "finished"
    assert [c.code for c in search.candidates.order_by("pk")] == [
        "model_0", "1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "final",
    ]  # fmt: skip
    assert [c.code for c in search.candidates.filter(is_winner=True).order_by("pk")] == ["model_0", "1.2", "2.1"]
    final = search.candidates.get(kind="final")
    assert (final.parent.code, final.test_accuracy, final.digest) == ("2.1", 0.9, final.parent.digest)


def test_the_rows_are_those_that_plan_gives_for_the_history():
    search = run_to_end(make_search())
    rows = {c.key: c for c in search.candidates.select_related("parent")}
    history = []
    while jobs := plan(search.search_config, history):
        for job in jobs:
            row = rows[job.key]
            assert row.job(row.parent.key if row.parent else None) == job
        history += [rows[job.key].outcome(job.parent) for job in jobs]
    assert len(history) == len(rows)


def test_events_are_numbered_without_gaps_and_the_row_has_the_last_number():
    search = run_to_end(make_search())
    numbers = list(search.events.order_by("seq").values_list("seq", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert search.seq == numbers[-1]


def test_the_log_tells_the_search_in_order():
    search = make_search(n_steps=1)
    run_to_end(search)
    wanted = ["search_created"]
    wanted += ["candidate_started", "candidate_ended", "step_planned"]
    wanted += ["candidate_started", "candidate_ended"] * 3 + ["step_decided", "step_planned"]
    wanted += ["candidate_started", "candidate_ended", "search_ended"]
    assert kinds(search) == wanted
    words = search.events.get(kind="step_decided").words
    assert words == "Step 1 decided: 1.2 wins with 70.00 %, 5.00 points before 1.3, within noise"


def test_a_tie_is_said_to_be_one():
    search = make_search()
    run_to(search, "1.1")
    for candidate in pending(search):
        services.finish(leased(candidate), result(0.75))
    words = search.events.get(kind="step_decided").words
    assert words == "Step 1 decided: 1.3 wins with 75.00 %, level with 1.1, within noise"


def test_the_next_step_begins_only_when_the_last_of_its_step_has_ended():
    search = make_search()
    run_to(search, "1.1")
    first, second, third = pending(search)
    train(first)
    leases = [leased(second), leased(third)]
    assert services.finish(leases[1], result(0.9)) == []
    assert not search.candidates.filter(step=2).exists()
    ids = services.finish(leases[0], result(0.1))
    assert [c.code for c in pending(search)] == ["2.1", "2.2", "2.3"]
    assert sorted(ids) == sorted(c.pk for c in pending(search))
    assert pending(search)[0].parent.code == "1.3"


def test_the_largest_network_of_a_step_is_sent_first():
    search = make_search(n_neigh=6, n_NM=4)
    run_to(search, "1.1")
    search.candidates.filter(step=1).update(status="cancelled")
    search.candidates.filter(step=1).update(status="pending")
    ids = services.reap(queue_is_empty=True)
    sizes = [Candidate.objects.get(pk=pk).n_macs for pk in ids]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) > 1


def test_a_history_that_changed_while_planning_is_planned_from_again(monkeypatch):
    search = make_search()
    run_to(search, "1.1")
    first, second, third = (leased(c) for c in pending(search))
    services.finish(first, result(0.6))
    looked = []

    def overtaken(*arguments):
        following = after(*arguments)
        if not looked:
            looked.append(True)
            services.finish(third, result(0.65))  # another worker ends its child in between
        return following

    monkeypatch.setattr("searches.services.results.after", overtaken)
    services.finish(second, result(0.7))
    assert [c.code for c in pending(search)] == ["2.1", "2.2", "2.3"]
    assert pending(search)[0].parent.code == "1.2"
    assert kinds(search).count("step_decided") == 1


def test_a_search_goes_on_without_those_that_failed():
    search = make_search()
    run_to(search, "1.1")
    first, second, third = (leased(c) for c in pending(search))
    services.end_candidate(first, "too_big", "2 GiB are not there")
    services.end_candidate(second, "diverged", "the loss is nan")
    services.finish(third, result(0.4))
    assert search.candidates.get(step=1, is_winner=True).code == "1.3"
    assert [c.code for c in pending(search)] == ["2.1", "2.2", "2.3"]
    ended = [e.words for e in search.events.filter(kind="candidate_ended", level="warning")]
    assert ended == [
        "Child 1.1 is too big for this device: 2 GiB are not there",
        "Child 1.2 diverged: the loss is nan",
    ]


def test_a_search_fails_only_when_no_candidate_of_a_step_survives():
    search = make_search()
    run_to(search, "1.1")
    for candidate in pending(search):
        services.end_candidate(leased(candidate), "diverged", "the loss is nan")
    search.refresh_from_db()
    assert search.status == "failed"
    assert search.reason == "no candidate of step 1 survived; its table says why each ended"
    assert search.ended is not None
    assert search.events.last().level == "error"


def test_a_final_training_that_fails_ends_the_search_as_failed():
    search = make_search()
    final = run_to(search, "final")
    services.end_candidate(leased(final), "failed", "it fell over")
    search.refresh_from_db()
    assert (search.status, "the final training" in search.reason) == ("failed", True)


def test_accuracies_are_given_for_every_candidate_of_the_tiny_search():
    assert set(ACCURACIES) | {"final"} == {c.code for c in run_to_end(make_search()).candidates.all()}
