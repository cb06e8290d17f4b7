"""Pause, resume and stop: who may, when, and what becomes of the trainings."""

from pathlib import Path

import pytest

from searches import services
from searches.models import Search
from searches.services import Refused
from tests.searches.rows import claim, kinds, leased, make_search, pending, result, run_to

pytestmark = pytest.mark.django_db
STATES = list(Search.Status.values)
ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = ROOT / "docs" / "architecture.md"


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("verb", ["pause", "resume", "stop"])
def test_the_table_decides_each_verb_in_each_state(verb, status):
    search = make_search()
    Search.objects.update(status=status)
    act = getattr(services, verb)
    if status in services.VERBS[verb]:
        act(search, "the command line")
        search.refresh_from_db()
        assert search.status == {"pause": "paused", "resume": "waiting", "stop": "stopped"}[verb]
    else:
        with pytest.raises(Refused):
            act(search, "the command line")
        search.refresh_from_db()
        assert (search.status, search.seq) == (status, 1)


def test_a_refusal_says_what_is_possible():
    search = make_search(name="Night run")
    with pytest.raises(Refused) as caught:
        services.resume(search, "the command line")
    assert str(caught.value) == "“Night run” is waiting: only a search that is paused can be resumed."


def test_a_pause_reaches_a_running_training_at_its_next_beat():
    search = make_search()
    lease = leased(pending(search)[0])
    services.pause(search, "the command line")
    with pytest.raises(services.LeaseLost):
        services.beat(lease)
    candidate = search.candidates.get()
    assert (candidate.status, candidate.failures, candidate.worker) == ("pending", 0, "")
    assert claim(candidate) is None


def test_a_paused_search_resumes_where_it_was():
    search = make_search()
    run_to(search, "1.1")
    lease = leased(pending(search)[0])
    services.record_epoch(lease, [], epoch=1.0, seconds=1.0, checkpoint="checkpoint-1-1.pt")
    services.pause(search, "the command line")
    ids = services.resume(search, "the command line")
    search.refresh_from_db()
    assert search.status == "running"
    assert sorted(ids) == sorted(c.pk for c in pending(search))
    again = leased(lease.candidate_id)
    assert again.attempt == 2
    assert search.candidates.get(pk=lease.candidate_id).epoch == 1.0


def test_a_paused_search_that_never_began_waits_again():
    search = make_search()
    services.pause(search, "the command line")
    services.resume(search, "the command line")
    search.refresh_from_db()
    assert search.status == "waiting"


def test_a_stop_ends_what_is_open_and_keeps_what_is_done():
    search = make_search()
    run_to(search, "1.2")
    lease = leased(pending(search)[0])
    services.stop(search, "the command line")
    search.refresh_from_db()
    assert search.status == "stopped"
    assert search.ended is not None
    states = dict(search.candidates.values_list("status", "reason"))
    assert states == {"done": "", "cancelled": "the search was stopped"}
    with pytest.raises(services.LeaseLost):
        services.finish(lease, result())


def test_each_verb_is_one_event_that_names_who(alice):
    search = make_search(owner=alice)
    services.pause(search, alice)
    services.resume(search, alice)
    services.stop(search, alice)
    assert kinds(search)[1:] == ["search_paused", "search_resumed", "search_stopped"]
    assert all("by alice" in e.words for e in search.events.all()[1:])


def test_a_stranger_is_refused_by_name(alice, charlie):
    search = make_search(owner=alice, name="Hers")
    with pytest.raises(Refused, match="“Hers” belongs to alice: only its owner and staff can stop it"):
        services.stop(search, charlie)


def test_staff_may(alice, staff):
    search = make_search(owner=alice)
    services.stop(search, staff)
    search.refresh_from_db()
    assert search.status == "stopped"


def test_a_search_without_owner_is_for_staff(charlie, staff):
    search = make_search()
    with pytest.raises(Refused, match="belongs to nobody"):
        services.pause(search, charlie)
    services.pause(search, staff)


def test_the_table_in_the_architectures_description_is_the_one_that_decides():
    (head, *rows) = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in ARCHITECTURE.read_text().splitlines()
        if line.startswith(("| verb |", *(f"| {verb} |" for verb in services.VERBS)))
    ]
    assert head[1:] == STATES
    assert {row[0]: [s for s, cell in zip(STATES, row[1:], strict=True) if cell == "yes"] for row in rows} == {
        verb: [s for s in STATES if s in allowed] for verb, allowed in services.VERBS.items()
    }
