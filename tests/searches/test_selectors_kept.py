"""The trainings that are kept between requests are those that the rows say, after whatever is written."""

import json
import re
from importlib import import_module

import pytest

from searches import selectors, services
from searches.models import ENGINE_VERSION, Candidate, Point, Search
from searches.selectors.listing import listing
from tests.searches.rows import ACCURACIES, TEST_ACCURACIES, leased, make_search, pending, result, run_to, run_to_end

BY = "a test"
pytestmark = pytest.mark.django_db
kept = import_module("searches.selectors.kept")


def forget() -> None:
    kept._kept.clear()
    import_module("searches.selectors.listed_trainings")._known.clear()


def lasting(state: dict) -> dict:
    return {name: value for name, value in state.items() if name not in ("seconds_spent", "seconds_left")}


def check(search: Search) -> None:
    """What is kept from before against what is read of the rows."""
    with_kept, lines = selectors.snapshot(search), listing(Search.objects.all())
    forget()
    assert lasting(with_kept) == lasting(selectors.snapshot(search))
    assert lines == listing(Search.objects.all())


def look(search: Search) -> None:
    selectors.snapshot(search)
    listing(Search.objects.all())


def run_and_look(search: Search) -> None:
    """Train all that waits, with curves; after each write somebody looks, so that something is kept."""
    while waiting := pending(search):
        for candidate in waiting:
            lease = leased(candidate)
            look(search)
            for k in range(1, 2 * candidate.epochs + 1):
                accuracy = k / 20 if k % 2 == 0 else None
                point = Point(optimiser_step=k, epoch=k / 2, loss=1 / k, lr=0.05, val_accuracy=accuracy)
                services.record_epoch(lease, [point], epoch=k / 2, seconds=1.0 * k, checkpoint="")
                look(search)
            if candidate.kind in TEST_ACCURACIES:
                services.finish(lease, result(None, test_accuracy=TEST_ACCURACIES[candidate.kind], correct=None))
            else:
                services.finish(lease, result(ACCURACIES.get(candidate.code, 0.4)))
            look(search)


def written(search: Search) -> list:
    """One writer after another, each a function of no arguments."""
    first = pending(search)[0]
    return [
        lambda: services.rename(search, "Another name", BY),
        lambda: services.set_note(search, "A note.", BY),
        lambda: services.set_note(first, "Odd.", BY),
        lambda: services.set_tags(search, ["night"], BY),
        lambda: services.set_tags(first, ["odd", "b <i>"], BY),
        lambda: services.set_tags(first, ["odd"], BY),
        lambda: services.pause(search, BY),
        lambda: services.resume(search, BY),
        lambda: services.run_next(search, BY),
        lambda: Search.objects.filter(pk=search.pk).update(engine_version=ENGINE_VERSION - 1),
        lambda: services.go_on(search, BY),
    ]


def test_after_each_thing_that_people_write(kept_before):
    for write in written(kept_before):
        look(kept_before)
        write()
        check(kept_before)


@pytest.fixture
def kept_before() -> Search:
    run_to_end(make_search(name="Another one"))
    return run_to(make_search(n_steps=2), "1.1").search


def test_after_beats_which_make_no_event(kept_before):
    lease = leased(pending(kept_before)[0])
    for epoch in (0.25, 0.75):
        look(kept_before)
        services.beat(lease, epoch=epoch, images_per_second=1000 * epoch, seconds=1.0)
        assert selectors.snapshot(kept_before)["epochs_done"] % 1 == epoch % 1
        check(kept_before)


def test_after_everything_to_the_end_compared_extended_and_stopped():
    search = make_search(n_steps=1)
    run_and_look(search)
    check(search)
    services.compare(search, ["scratch"], BY)
    run_and_look(search)
    check(search)
    services.extend(search, 2, BY)
    check(search)
    look(search)
    services.stop(search, BY)
    check(search)
    services.delete(search, BY)
    check(search)


def test_curves_of_earlier_steps_are_thinned_as_steps_go_by(monkeypatch):
    monkeypatch.setattr(kept, "MANY_EPOCHS", 8)
    search = make_search(n_steps=3)
    run_and_look(search)
    check(search)
    points = selectors.snapshot(search)["points"]
    early, late = (search.candidates.get(kind="neighbour", step=step, index=1) for step in (1, 3))
    assert [len(points[str(c.pk)]) for c in (early, late)] == [2, 4]


def test_of_a_search_in_which_nothing_has_happened_no_training_is_read_again(django_assert_max_num_queries):
    search = run_to_end(make_search())
    selectors.snapshot(search)
    with django_assert_max_num_queries(15) as asked:
        selectors.snapshot(search)
    assert not any('"searches_point"' in query["sql"] for query in asked)


def test_the_one_that_was_asked_for_longest_ago_is_forgotten_first(monkeypatch):
    one, two = make_search(), make_search()
    forget()
    selectors.snapshot(one)
    monkeypatch.setattr(kept, "KEPT_CHARACTERS", 1)
    selectors.snapshot(two)
    assert list(kept._kept) == [two.uuid]
    check(one)


def test_the_text_can_stand_in_a_page():
    search = make_search(name="</script><b>")
    text = selectors.search_state(search).text
    assert not re.search("[<>&]", text)
    assert json.loads(text)["name"] == "</script><b>"


def test_the_page_of_one_training_has_the_trainings_of_its_row_and_their_curves():
    search = make_search(n_steps=3)
    run_and_look(search)
    child = search.candidates.get(kind="neighbour", step=2, index=1)
    whole, state = selectors.snapshot(search), json.loads(selectors.training_state(search, child).text)
    apart = ("neighbour", 1), ("neighbour", 3)
    near = [c for c in whole["candidates"] if (c["kind"], c["step"]) not in apart or c["id"] == child.parent_id]
    assert state["candidates"] == near
    row = {str(c["id"]) for c in near if (c["kind"], c["step"]) == ("neighbour", 2)}
    assert state["points"] == {pk: rows for pk, rows in whole["points"].items() if pk in row}
    assert {name: whole[name] for name in ("config", "dataset", "seq")} == {
        name: state[name] for name in ("config", "dataset", "seq")
    }


def test_the_page_of_one_training_asks_no_more_for_a_longer_search(django_assert_max_num_queries):
    search = run_to_end(make_search(n_steps=3, n_neigh=5))
    child = search.candidates.get(kind="neighbour", step=2, index=1)
    with django_assert_max_num_queries(8):
        selectors.training_state(search, child)
    assert Candidate.objects.count() > 15
