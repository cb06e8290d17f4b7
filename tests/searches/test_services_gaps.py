"""Why this one won: gaps on the same images, kept when a training ends, and the sums of the morphisms drawn."""

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from searches import selectors, services
from searches.models import Candidate, Search
from searches.services.gaps import gap_between, measure_gaps, measure_older
from tests.searches.rows import kinds, leased, make_search, pending, result, run_to, run_to_end

pytestmark = pytest.mark.django_db
N = 299  # validation images of the data set that tests use


def bits(n_right: int, *, first: int = 0) -> bytes:
    """Right for `n_right` images from `first` on, else wrong."""
    right = np.zeros(N, dtype=bool)
    right[first : first + n_right] = True
    return np.packbits(right).tobytes()


def end(candidate: Candidate, n_right: int, *, first: int = 0) -> None:
    services.finish(leased(candidate), result(n_right / N, correct=bits(n_right, first=first)))


def child(search: Search, code: str) -> Candidate:
    return next(c for c in search.candidates.select_related("search") if c.code == code)


@pytest.fixture
def step() -> Search:
    """A search whose first step is open: 1.1, 1.2 and the parent 1.3 wait."""
    search = make_search()
    run_to(search, "1.1")
    return search


def test_a_gap_counts_the_images_that_only_one_of_the_two_gets_right():
    gap = gap_between(bits(200), bits(210, first=20), N)
    assert (gap["ahead"], gap["behind"]) == (20, 30)
    assert gap["low"] < -10 / N < gap["high"]
    assert gap["p"] == pytest.approx(0.2026, abs=1e-3)


def test_while_a_step_is_open_each_child_is_held_against_the_leader(step: Search):
    one, two, parent = pending(step)
    end(one, 200)
    end(two, 190)
    assert child(step, "1.2").gap["to"] == one.pk
    assert child(step, "1.2").gap["behind"] == 10
    end(parent, 230)
    gaps = {code: child(step, code).gap for code in ("1.1", "1.2", "1.3")}
    assert {gap["to"] for gap in gaps.values()} == {parent.pk}
    assert gaps["1.1"]["behind"] == 30
    assert (gaps["1.3"]["ahead"], gaps["1.3"]["behind"]) == (0, 0)


def test_the_event_of_an_end_carries_every_gap_that_it_changes(step: Search):
    one, two, _ = pending(step)
    end(one, 200)
    end(two, 210)
    event = step.events.filter(kind="candidate_ended").last()
    assert event is not None
    carried = {part["id"]: part["gap"] for part in event.payload["candidates"]}
    assert set(carried) == {one.pk, two.pk}
    assert carried[one.pk]["to"] == two.pk
    assert carried[one.pk] == child(step, "1.1").gap


def test_a_tie_is_held_against_the_parent_as_the_winner_is_chosen(step: Search):
    for candidate in pending(step):
        end(candidate, 200)
    winner = step.candidates.get(step=1, is_winner=True)
    assert winner.code == "1.3"
    assert {c.gap["to"] for c in step.candidates.filter(step=1)} == {winner.pk}


def test_the_log_says_whether_a_lead_is_within_noise(step: Search):
    one, two, parent = pending(step)
    end(one, 200)
    end(two, 202)
    end(parent, 150)
    words = step.events.get(kind="step_decided").words
    assert words == "Step 1 decided: 1.2 wins with 67.56 %, 0.67 points before 1.1, within noise"


def test_the_gaps_of_a_long_step_are_told_in_two_events():
    search = make_search(n_neigh=100, n_steps=1)
    run_to(search, "1.1")
    *children, parent = pending(search)
    for candidate in children:
        Candidate.objects.filter(pk=candidate.pk).update(status="done", val_accuracy=0.5, correct=bits(150))
    end(parent, 200)
    seq = search.events.get(kind="candidate_ended", payload__candidates__0__id=parent.pk).seq
    events = [e for e in selectors.events_after(search, seq - 1) if e.kind in ("candidate_ended", "more")]
    parts = [part for event in events for part in event.payload["candidates"]]
    assert {part["id"] for part in parts} == {c.pk for c in children} | {parent.pk}
    assert len(parts) == 100
    assert [event.kind for event in events] == ["candidate_ended", "more"]


def test_measuring_takes_as_many_queries_for_many_neighbours_as_for_few():
    counts = []
    for n_neigh in (3, 40):
        search = make_search(n_neigh=n_neigh, n_steps=1)
        run_to(search, "1.1")
        rows = pending(search)
        Candidate.objects.filter(pk__in=[c.pk for c in rows]).update(
            status="done", val_accuracy=0.5, correct=bits(150)
        )
        with CaptureQueriesContext(connection) as queries:
            assert len(measure_gaps(search, 1)) == n_neigh
        counts.append(len(queries))
        assert measure_gaps(search, 1) == []
    assert counts[0] == counts[1]


def test_a_step_that_is_cut_short_has_its_gaps(step: Search):
    one, two, _ = pending(step)
    end(one, 200)
    end(two, 190)
    services.finish_now(step, "the command line")
    assert child(step, "1.2").gap["to"] == one.pk
    sums = Search.objects.get(pk=step.pk).operators
    assert [row["children"] for row in sums.values()] == [0] * 4  # the parent’s slot has no accuracy


# ---------------------------------------------------------------------- operators


def test_operators_are_summed_over_the_decided_steps(step: Search):
    one, two, parent = pending(step)
    drawn = [{m["kind"] for m in c.morphisms} for c in (one, two)]
    for candidate, n_right in ((one, 200), (two, 180), (parent, 190)):
        end(candidate, n_right)
    rows = {row["kind"]: row for row in selectors.snapshot(step)["operators"]}
    assert sum(row["drawn"] for row in rows.values()) == len(one.morphisms) + len(two.morphisms)
    assert {kind for kind, row in rows.items() if row["won"]} == drawn[0]
    for kind, row in rows.items():
        gains = [g for g, kinds_ in zip((10 / N, -10 / N), drawn, strict=True) if kind in kinds_]
        assert row["children"] == len(gains)
        assert row["mean"] == (pytest.approx(sum(gains) / len(gains), abs=1e-6) if gains else None)
    event = step.events.get(kind="step_decided")
    assert event.payload["search"]["operators"] == list(rows.values())


def test_the_table_over_all_searches_is_one_query(alice, django_assert_num_queries):
    for name in ("One", "Two"):
        run_to_end(make_search(name=name))
    with django_assert_num_queries(1):
        found = selectors.operators_of(selectors.visible_to(alice))
    assert found["n_searches"] == 2
    one = selectors.operator_table([Search.objects.first().operators])
    assert [row["drawn"] for row in found["operators"]] == [2 * row["drawn"] for row in one]


# ---------------------------------------------------------------------- searches from before


def test_searches_from_before_are_measured_once(step: Search):
    run_to_end(step)
    Search.objects.update(operators=None)
    Candidate.objects.update(gap=None)
    before = kinds(step)
    measure_older()
    measure_older()
    assert kinds(step) == [*before, "gaps"]
    assert all(c.gap for c in step.candidates.filter(kind="neighbour"))
    assert Search.objects.get(pk=step.pk).operators["deepen"]["drawn"] >= 0
