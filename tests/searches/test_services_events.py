"""The event log as it is sent: small frames, whatever happens to how many trainings."""

import pytest

from searches import selectors, services
from searches.live import encode
from searches.models import Event, Search
from tests.searches.rows import kinds, make_search, pending, run_to, run_to_end

pytestmark = pytest.mark.django_db
WIDE = {"n_steps": 1, "n_neigh": 20, "n_NM": 5, "channels": (4, 4, 4), "max_channels": 64, "comparisons": ["scratch"]}


def long_events(search: Search) -> list[tuple[str, int]]:
    """Kind and bytes of each event whose frame is not below 8 kB."""
    sizes = [(event, len(encode(selectors.event_frame(event)).encode())) for event in search.events.all()]
    return [(event.kind, n_bytes) for event, n_bytes in sizes if n_bytes >= 8000]


def carried(event: Event, others: list[Event]) -> list[int]:
    return [part["id"] for each in (event, *others) for part in each.payload.get("candidates", [])]


def test_every_frame_of_a_search_of_many_children_is_below_8_kb():
    search = make_search(**WIDE)
    run_to(search, "1.1")
    services.pause(search, "ada")
    services.resume(search, "ada")
    services.stop(search, "ada")
    services.extend(search, 1, "ada")
    run_to_end(search)
    assert search.status == Search.Status.FINISHED
    assert len(pending(search)) == 0
    assert long_events(search) == []
    assert kinds(search).count("more") > 4


def test_what_an_event_has_no_room_for_follows_it_without_words_and_in_order():
    search = make_search(**WIDE)
    run_to(search, "1.1")
    planned = search.events.get(kind="step_planned")
    others = list(search.events.filter(seq__gt=planned.seq))
    assert planned.words == "Step 1 planned: 20 neighbours, 2 epochs each"
    assert {(event.kind, event.words) for event in others} == {("more", "")}
    assert carried(planned, others) == [c.pk for c in pending(search)]
    assert [event.seq for event in others] == list(range(planned.seq + 1, planned.seq + 1 + len(others)))
