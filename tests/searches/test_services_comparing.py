"""Comparisons: after the final training, or added to a search that has finished; they change nothing of it."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from searches import comparisons, selectors, services
from searches.models import Candidate, Search
from searches.nash.config import COMPARISONS, SearchConfig
from searches.nash.hillclimb import COMPARISON_KINDS, plan
from searches.selectors.listing import listing
from searches.services import Refused, comparing
from tests.searches.rows import TINY, expire, kinds, leased, make_search, pending, run_to, run_to_end, train

pytestmark = pytest.mark.django_db
BY = "the command line"


def codes(search: Search) -> list[str]:
    return [c.code for c in selectors.in_order(search.candidates.filter(kind__in=COMPARISON_KINDS))]


def finished(**settings) -> Search:
    return run_to_end(make_search(**settings))


# ------------------------------------------------------------------ what they are


@pytest.mark.parametrize("n_steps", [1, 2, 4])
def test_the_catalogue_counts_the_epochs_that_are_planned(n_steps):
    search = finished(n_steps=n_steps, comparisons=COMPARISONS)
    planned = selectors.in_order(search.candidates.filter(kind__in=COMPARISON_KINDS))
    config = search.search_config
    assert comparisons.lengths(config) == [c.epochs for c in planned]
    assert comparisons.total_epochs(config) == sum(c.epochs for c in search.candidates.all())
    assert list(comparisons.CATALOGUE) == list(COMPARISONS)


def test_intervals_are_wilsons():
    assert comparisons.interval(0.0, 300) == (0, pytest.approx(0.012643, abs=1e-6))
    assert comparisons.interval(1.0, 300)[1] == 1
    assert comparisons.interval(0.5, 100) == pytest.approx((0.403832, 0.596168), abs=1e-6)


# ------------------------------------------------------------------ launched with them


def test_they_are_planned_when_the_final_training_is_done_and_then_the_search_finishes():
    search = make_search(comparisons=["scratch", "snapshots", "wrn-16-4"])
    train(run_to(search, "final"))
    search.refresh_from_db()
    assert search.status == "running"
    assert codes(search) == ["snapshot 1", "from scratch", "WRN-16-4"]
    assert {c.status for c in pending(search)} == {"pending"}
    run_to_end(search)
    assert (search.status, search.ended is not None) == ("finished", True)
    assert kinds(search).count("comparisons_planned") == 1
    assert search.events.get(kind="comparisons_planned").words == (
        "Comparisons planned: “snapshot 1”, “from scratch”, “WRN-16-4”; 21 epochs"
    )
    assert search.candidates.get(kind="snapshot").parent.code == "1.2"
    assert search.candidates.get(kind="scratch").parent is None


def test_model_and_test_error_are_there_while_they_are_trained():
    search = make_search(comparisons=["scratch"])
    train(run_to(search, "final"))
    snapshot = selectors.snapshot(search)
    assert (snapshot["status"], snapshot["test_accuracy"]) == ("running", 0.9)
    assert snapshot["best"] == search.candidates.get(kind="final").pk
    told = search.events.filter(kind="candidate_ended").last()
    assert told.payload["search"]["test_accuracy"] == 0.9
    assert told.payload["search"]["seconds_to_final"] is not None


def test_one_that_fails_is_shown_as_failed_and_the_search_is_finished_all_the_same():
    search = make_search(comparisons=["scratch", "model_0-final"])
    train(run_to(search, "final"))
    scratch, model_0 = (search.candidates.get(kind=kind) for kind in ("scratch", "reference"))
    services.end_candidate(leased(scratch), "too_big", "8 GiB are not there")
    services.end_candidate(leased(model_0), "diverged", "the loss is nan")
    search.refresh_from_db()
    assert (search.status, search.reason) == ("finished", "")
    words = list(search.events.filter(level="warning").values_list("words", flat=True))
    assert words == [
        "Comparison “from scratch” is too big for this device: 8 GiB are not there",
        "Comparison “model_0, final budget” diverged: the loss is nan",
    ]
    assert selectors.snapshot(search)["test_accuracy"] == 0.9


def test_a_search_that_fails_is_compared_with_nothing():
    search = make_search(comparisons=COMPARISONS)
    services.end_candidate(leased(run_to(search, "final")), "diverged", "the loss is nan")
    search.refresh_from_db()
    assert search.status == "failed"
    assert codes(search) == []


def test_each_look_at_the_test_set_is_told_and_numbered():
    search = finished(comparisons=["scratch", "model_0-total"])
    looks = [e.words for e in search.events.filter(kind="candidate_ended", words__contains="test set")]
    assert looks == [
        "The final training ended: 10.00 % test error (look 1 at the test set, 300 images), 2 s",
        "Comparison “model_0, total budget” ended: 30.00 % test error (look 2 at the test set, 300 images), 2 s",
        "Comparison “from scratch” ended: 15.00 % test error (look 3 at the test set, 300 images), 2 s",
    ]


def test_a_dead_worker_gives_a_comparison_back_as_any_training():
    search = make_search(comparisons=["scratch"])
    train(run_to(search, "final"))
    lease = leased(pending(search)[0])
    expire(lease.candidate_id)
    assert services.reap(queue_is_empty=False) == [lease.candidate_id]
    assert leased(lease.candidate_id).attempt == 2


def test_a_pause_holds_them_and_a_stop_ends_them_and_leaves_the_search_finished():
    search = make_search(comparisons=["scratch", "model_0-final"])
    train(run_to(search, "final"))
    services.pause(search, BY)
    assert sorted(services.resume(search, BY)) == sorted(c.pk for c in pending(search))
    train(pending(search)[0])
    lease = leased(pending(search)[0])
    services.stop(search, BY)
    search.refresh_from_db()
    assert (search.status, search.reason) == ("finished", "")
    assert search.events.last().words == "Comparisons stopped by the command line; the search itself has finished"
    assert sorted(search.candidates.filter(kind__in=COMPARISON_KINDS).values_list("status", flat=True)) == [
        "cancelled", "done",
    ]  # fmt: skip
    with pytest.raises(services.LeaseLost):
        services.beat(lease)


# ------------------------------------------------------------------ added later


def test_a_finished_search_runs_again_until_they_have_ended():
    search = finished()
    ids = services.compare(search, ["wrn-16-4", "scratch"], BY)
    search.refresh_from_db()
    assert (search.status, search.ended) == ("running", None)
    assert search.search_config.comparisons == ("scratch", "wrn-16-4")
    assert ids == [search.candidates.get(kind=k).pk for k in ("reference", "scratch")]  # the largest first
    event = search.events.last()
    assert (event.kind, event.level) == ("search_compared", "decision")
    assert event.words == (
        "Compared by the command line. Comparisons planned: “from scratch”, “WRN-16-4”; 20 epochs"
    )
    assert event.payload["search"]["epochs_total"] == 14 + 6 + 14
    run_to_end(search)
    assert search.status == "finished"
    assert [c.test_accuracy for c in selectors.in_order(search.candidates.filter(kind__in=COMPARISON_KINDS))] == [
        0.85, 0.7,
    ]  # fmt: skip


def test_the_same_trainings_come_of_it_as_of_a_launch_with_them():
    later, at_once = finished(), finished(comparisons=COMPARISONS)
    for names in (["wrn-16-4"], ["scratch", "snapshots"], ["model_0-total", "wrn-28-10", "model_0-final"]):
        services.compare(later, names, BY)
        run_to_end(later)
    assert later.search_config == at_once.search_config

    def rows(search: Search):
        return [
            (c.key, c.parent and c.parent.key, c.digest, c.epochs, c.status)
            for c in selectors.in_order(search.candidates.select_related("parent"))
        ]

    assert rows(later) == rows(at_once)
    history = [c.outcome(c.parent.key if c.parent else None) for c in later.candidates.select_related("parent")]
    assert plan(later.search_config, history) == []


def test_time_between_its_end_and_the_comparison_is_not_spent():
    search = finished()
    before = selectors.snapshot(search)["seconds_to_final"]
    hours_ago = timezone.now() - timedelta(hours=5)
    Search.objects.update(started=hours_ago - timedelta(seconds=100), ended=hours_ago)
    search.events.update(at=hours_ago)
    Candidate.objects.update(ended=hours_ago)
    services.compare(search, ["scratch"], BY)
    search.refresh_from_db()
    assert selectors.seconds_spent(search) == pytest.approx(100, abs=5)
    run_to_end(search)
    snapshot = selectors.snapshot(search)
    assert snapshot["seconds_spent"] == pytest.approx(100, abs=5)
    assert snapshot["seconds_to_final"] == pytest.approx(100, abs=0.1)
    assert before == pytest.approx(0, abs=5)


@pytest.mark.parametrize(
    ("launched_with", "names", "words"),
    [
        ({}, ["nonsense"], "cannot be compared so: comparisons: 'nonsense' is none of snapshots, scratch, "),
        ({}, [], "is to be compared with nothing: choose from snapshots, scratch, "),
        ({"comparisons": ["scratch"]}, ["scratch", "wrn-16-4"], "has been compared with scratch already"),
        ({"n_steps": 1}, ["snapshots"], "has no snapshots"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name_and_nothing_changes(launched_with, names, words):
    search = finished(name="Night run", **launched_with)
    seq, config = search.seq, search.config
    with pytest.raises(Refused, match="“Night run”") as caught:
        services.compare(search, names, BY)
    assert words in str(caught.value)
    search.refresh_from_db()
    assert (search.status, search.seq, search.config) == ("finished", seq, config)


@pytest.mark.parametrize("status", [s for s in Search.Status.values if s != "finished"])
def test_only_a_finished_search_can_be_compared(status):
    search = make_search(name="Night run")
    Search.objects.update(status=status)
    with pytest.raises(Refused, match="only a search that has finished can be compared"):
        services.compare(search, ["scratch"], BY)


def test_a_stranger_is_refused():
    alice, charlie = (get_user_model().objects.create_user(n) for n in ("alice", "charlie"))
    search = finished(owner=alice)
    with pytest.raises(Refused, match="belongs to alice: only its owner and staff can compare it"):
        services.compare(search, ["scratch"], charlie)
    services.compare(search, ["scratch"], alice)
    assert "by alice" in search.events.last().words


@pytest.fixture
def overtaking(monkeypatch):
    """Let something happen once between the planning of a comparison and the search's lock."""

    def overtaken_by(what):
        real, waiting = comparing._jobs, [what]

        def jobs(*arguments):
            planned = real(*arguments)
            if waiting:
                waiting.pop()()
            return planned

        monkeypatch.setattr(comparing, "_jobs", jobs)

    return overtaken_by


def test_of_two_who_ask_at_once_the_second_is_refused(overtaking):
    search = finished()
    overtaking(lambda: services.compare(search, ["wrn-16-4"], "somebody else"))
    with pytest.raises(Refused, match="is running"):
        services.compare(search, ["scratch"], BY)
    assert codes(search) == ["WRN-16-4"]


def test_a_search_that_was_compared_meanwhile_is_planned_again(overtaking):
    search = finished()

    def somebody_else():
        services.compare(search, ["model_0-final"], "somebody else")
        run_to_end(search)

    overtaking(somebody_else)
    services.compare(search, ["scratch"], BY)
    search.refresh_from_db()
    assert search.search_config.comparisons == ("scratch", "model_0-final")
    assert codes(search) == ["from scratch", "model_0, final budget"]


def test_a_search_of_before_there_were_comparisons_can_be_compared():
    search = finished()
    young = ("comparisons", "network_morphism", "neighbour_rate", "deterministic")
    Search.objects.update(config={k: v for k, v in search.config.items() if k not in young})
    search.refresh_from_db()
    assert selectors.snapshot(search)["config"] == SearchConfig(**TINY).to_dict()
    services.compare(search, ["scratch"], BY)
    assert codes(search) == ["from scratch"]


# ------------------------------------------------------------------ what the list says


def test_the_list_counts_their_epochs_and_says_what_is_compared():
    search = make_search(comparisons=["scratch"])
    train(run_to(search, "final"))
    leased(pending(search)[0])
    services.worker_beat(services.WorkerIdentity("alpha:cpu-0", "alpha", 1, "CPU", {}), None)
    (line,) = listing(Search.objects.all())
    assert (line.epochs_done, line.epochs_total, line.words) == (14, 14 + 6, "comparing: from scratch")
    assert line.test_accuracy == 0.9
