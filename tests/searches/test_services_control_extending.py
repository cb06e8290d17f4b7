"""Extend: more steps for a search that has ended; what it found stays as it is, bit for bit."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from searches import selectors, services, worker
from searches.models import Artifact, Candidate, Search
from searches.nash.hillclimb import plan
from searches.selectors import artifact_path
from searches.selectors.listing import listing
from searches.services import Refused, extending
from tests.searches.rows import kinds, leased, make_search, pending, run_to, run_to_end, train
from tests.searches.working import launch, weights, work

pytestmark = pytest.mark.django_db
BY = "the command line"
STATES = list(Search.Status.values)


def finished(**settings) -> Search:
    return run_to_end(make_search(**settings))


def rows(search: Search, up_to: int = 100) -> list[tuple]:
    found = search.candidates.filter(step__lte=up_to).order_by("kind", "step", "index")
    return list(found.values_list("kind", "step", "index", "digest", "status", "val_accuracy", "is_winner", "epochs"))


def test_it_goes_on_from_the_winner_of_its_last_step_and_ends_with_a_second_final_model():
    search = finished()
    before = rows(search)
    ids = services.extend(search, 4, BY)
    search.refresh_from_db()
    assert (search.status, search.ended, search.config["n_steps"]) == ("running", None, 4)
    assert sorted(ids) == sorted(c.pk for c in pending(search))
    assert {c.code for c in pending(search)} == {"3.1", "3.2", "3.3"}
    assert {c.parent.code for c in pending(search)} == {"2.1"}
    run_to_end(search)
    assert rows(search, 2) == before
    assert [c.step for c in search.candidates.filter(kind="final").order_by("step")] == [2, 4]
    assert search.status == "finished"


def test_the_same_children_come_of_it_as_of_a_launch_with_so_many_steps():
    extended, at_once = finished(n_steps=1), finished(n_steps=3)
    services.extend(extended, 2, BY)
    run_to_end(extended)
    services.extend(extended, 3, BY)
    run_to_end(extended)
    of_its_time = [row for row in rows(extended) if row[0] != "final" or row[1] == 3]
    assert of_its_time == rows(at_once)
    history = [c.outcome(c.parent.key if c.parent else None) for c in extended.candidates.select_related("parent")]
    assert plan(extended.search_config, history) == []


def test_the_log_says_who_and_what_comes():
    search = finished()
    services.extend(search, 3, BY)
    event = search.events.last()
    assert (event.kind, event.level) == ("search_extended", "decision")
    assert event.words == (
        "Extended by the command line from 2 to 3 steps. Step 3 planned: 3 neighbours, 2 epochs each"
    )
    assert event.payload["search"]["config"]["n_steps"] == 3
    assert [c["code"] for c in event.payload["candidates"]] == ["3.1", "3.2", "3.3"]


def test_the_first_final_model_is_the_searchs_until_there_is_a_second():
    search = finished()
    first = search.candidates.get(kind="final")
    Artifact.objects.create(candidate=first, format="model_zip", file="first.zip", sha256="1" * 64, bytes=1)
    services.extend(search, 3, BY)
    snapshot = selectors.snapshot(search)
    assert (snapshot["test_accuracy"], snapshot["best"]) == (None, search.candidates.get(step=2, is_winner=True).pk)
    assert snapshot["download_of"] == first.pk
    final = run_to(search, "final")
    lease = leased(final)
    services.finish(lease, services.Result(None, 0.95, None, 1.0, None, None, None))
    snapshot = selectors.snapshot(search)
    assert (snapshot["test_accuracy"], snapshot["best"]) == (0.95, final.pk)
    (line,) = listing(Search.objects.all())
    assert (line.test_accuracy, line.epochs_done) == (0.95, line.epochs_total)
    assert snapshot["epochs_total"] == snapshot["epochs_done"]


def test_comparisons_that_depend_on_the_number_of_steps_are_made_again_beside_the_old_ones():
    search = finished(comparisons=["snapshots", "scratch", "model_0-final"])
    services.extend(search, 3, BY)
    run_to_end(search)
    compared = search.candidates.exclude(kind__in=("pretrain", "neighbour", "final"))
    assert [(c.kind, c.step) for c in selectors.in_order(compared)] == [
        ("snapshot", 1), ("snapshot", 2), ("scratch", 2), ("scratch", 3), ("reference", 0),
    ]  # fmt: skip
    assert set(compared.values_list("status", flat=True)) == {"done"}
    snapshot = selectors.snapshot(search)
    assert snapshot["epochs_total"] == snapshot["epochs_done"]


def test_children_that_were_cut_off_are_wanted_again():
    search = make_search(n_steps=4)
    run_to(search, "2.1")
    cut_off = leased(search.candidates.get(step=2, index=1))
    services.record_epoch(cut_off, [], epoch=1.0, seconds=1.0, checkpoint="checkpoint-1-1.pt")
    services.finish_now(search, BY)
    run_to_end(search)
    snapshot = selectors.snapshot(search)
    assert snapshot["epochs_total"] == snapshot["epochs_done"]
    services.extend(search, 2, BY)
    assert {c.code: (c.status, c.reason, c.ended) for c in search.candidates.filter(step=2, kind="neighbour")} == {
        f"2.{j}": ("pending", "", None) for j in (1, 2, 3)
    }
    assert search.candidates.get(step=2, index=1).checkpoint == "checkpoint-1-1.pt"
    assert run_to_end(search).status == "finished"
    assert [row for row in rows(search) if row[0] == "neighbour"] == [
        row for row in rows(finished()) if row[0] == "neighbour"
    ]


def test_a_budget_is_forgotten_for_it_is_spent():
    search = finished()
    Search.objects.update(hours_limit=0.001, accuracy_goal=0.1, started=timezone.now() - timedelta(hours=1))
    services.extend(search, 3, BY)
    run_to_end(search)
    assert (search.hours_limit, search.accuracy_goal) == (None, None)
    assert "search_cut_short" not in kinds(search)


@pytest.mark.parametrize("until", ["model_0", "1.1", "1.3", "2.2", "final"])
@pytest.mark.parametrize("n_steps", [2, 3])
def test_a_search_that_was_stopped_anywhere_goes_on_and_ends_as_one_that_was_not(until, n_steps):
    search = make_search(name="Night run")
    leased(run_to(search, until))
    services.stop(search, BY)
    before = list(search.candidates.filter(status="done").values_list("pk", "digest", "val_accuracy", "attempt"))
    ids = services.extend(search, n_steps, BY)
    search.refresh_from_db()
    assert (search.status, search.reason, search.ended) == ("running", "", None)
    assert sorted(ids) == sorted(c.pk for c in pending(search))
    assert run_to_end(search).status == "finished"
    still = search.candidates.filter(pk__in=[pk for pk, *_ in before])
    assert list(still.values_list("pk", "digest", "val_accuracy", "attempt")) == before
    of_its_time = [row for row in rows(search) if row[0] != "final" or row[1] == n_steps]
    assert of_its_time == rows(finished(n_steps=n_steps))


def test_the_log_of_a_stopped_search_says_what_goes_on():
    search = make_search(name="Night run")
    train(run_to(search, "2.1"))
    services.stop(search, BY)
    with pytest.raises(Refused, match="cannot be extended to 1 steps: it has 2 already; 2 would be all that were"):
        services.extend(search, 1, BY)
    services.extend(search, 2, BY)
    words = "Extended by the command line: its 2 steps go on. 2.2, 2.3 go on where they were cut off"
    assert search.events.last().words == words


def test_a_search_that_was_finished_with_model_0_has_its_first_step_after_all():
    search = make_search()
    run_to(search, "1.1")
    services.finish_now(search, BY)
    assert run_to_end(search).status == "finished"
    services.extend(search, 2, BY)
    assert {c.code for c in pending(search)} == {"1.1", "1.2", "1.3"}
    assert run_to_end(search).status == "finished"
    assert [row for row in rows(search) if row[0] == "neighbour"] == [
        row for row in rows(finished()) if row[0] == "neighbour"
    ]
    assert [c.parent.code for c in search.candidates.filter(kind="final").order_by("step")] == ["model_0", "2.1"]


@pytest.mark.parametrize(
    ("n_steps", "words"),
    [
        (2, "cannot be extended to 2 steps: it has 2 already; 3 would be one more"),
        (0, "cannot be extended to 0 steps"),
        (1000, "cannot be extended so: n_steps"),
    ],
)
def test_what_is_no_extension_is_refused_by_name_and_nothing_changes(n_steps, words):
    search = finished(name="Night run")
    with pytest.raises(Refused, match="“Night run”") as caught:
        services.extend(search, n_steps, BY)
    assert words in str(caught.value)
    again = Search.objects.get()
    assert (again.status, again.seq, again.config) == ("finished", search.seq, search.config)


@pytest.mark.parametrize("status", [s for s in STATES if s not in ("stopped", "finished")])
def test_only_what_has_ended_is_extended(status):
    search = finished(name="Night run")
    Search.objects.update(status=status)
    with pytest.raises(Refused, match="only a search that was stopped or has finished can be extended"):
        services.extend(search, 3, BY)


def test_a_stranger_is_refused():
    alice, charlie = (get_user_model().objects.create_user(n) for n in ("alice", "charlie"))
    search = finished(owner=alice)
    with pytest.raises(Refused, match="belongs to alice: only its owner and staff can extend it"):
        services.extend(search, 3, charlie)
    services.extend(search, 3, alice)


def test_what_changes_while_it_is_planned_is_heeded(monkeypatch):
    search = finished()
    real, waiting = extending.plan, [True]

    def overtaken(*arguments):
        jobs = real(*arguments)
        if waiting:
            waiting.pop()
            services.compare(search, ["scratch"], "somebody else")
            run_to_end(search)
        return jobs

    monkeypatch.setattr(extending, "plan", overtaken)
    services.extend(search, 3, BY)
    search.refresh_from_db()
    assert search.config["comparisons"] == ["scratch"]
    assert search.config["n_steps"] == 3


def test_the_time_between_its_end_and_its_extension_is_not_spent():
    search = finished()
    hours_ago = timezone.now() - timedelta(hours=5)
    Search.objects.update(started=hours_ago - timedelta(seconds=100), ended=hours_ago)
    search.events.update(at=hours_ago)
    Candidate.objects.update(ended=hours_ago)
    services.extend(search, 3, BY)
    search.refresh_from_db()
    assert selectors.seconds_spent(search) == pytest.approx(100, abs=5)


def test_trained_for_real_the_steps_that_were_keep_their_weights_and_the_rest_is_as_launched_at_once(
    monkeypatch, data_folder, settings
):
    settings.NASH_KEEP_LOSERS = True  # for all weights to be compared
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0,))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)
    post = worker.Post("alpha:cpu-0", device="cpu")
    extended, at_once = launch(n_steps=1), launch(n_steps=2)
    work(extended, post)
    before = {c.pk: (weights(c), artifact_path(c.artifacts.get(format="weights")).read_bytes())
              for c in extended.candidates.all()}  # fmt: skip
    services.extend(extended, 2, BY)
    work(extended, post)
    work(at_once, post)
    assert extended.status == at_once.status == "finished"
    after = {c.pk: (weights(c), artifact_path(c.artifacts.get(format="weights")).read_bytes())
             for c in extended.candidates.filter(pk__in=before)}  # fmt: skip
    assert after == before
    for candidate in at_once.candidates.all():
        twin = extended.candidates.get(kind=candidate.kind, step=candidate.step, index=candidate.index)
        assert (twin.code, weights(twin)) == (candidate.code, weights(candidate))
    assert extended.candidates.filter(kind="final").count() == 2
