"""The order in which searches are trained: as they were launched, unless one is put first."""

import pytest
from django.contrib.auth import get_user_model

from searches import selectors, services, slots, worker
from searches.models import Search
from searches.services import Refused
from tests.searches.rows import expire, leased, make_search, pending, result, run_to

pytestmark = pytest.mark.django_db
BY = "the command line"
STATES = list(Search.Status.values)


def order() -> list[str]:
    return [f"{c.search.name} {c.code}" for c in selectors.waiting_candidates().select_related("search")]


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """What a worker takes, in its order; nothing is trained, each ends with an accuracy of its own."""
    taken: list[str] = []

    def claim_and_train(candidate, n_threads, device, post):
        lease = leased(candidate)
        taken.append(f"{candidate.search.name} {candidate.code}")
        return services.end_candidate(lease, "failed", "a test")

    monkeypatch.setattr(worker, "_claim_and_train", claim_and_train)
    monkeypatch.setattr(slots, "usable_cores", lambda: (0, 1))
    monkeypatch.setattr(slots, "pin", lambda cores: None)
    return taken


@pytest.fixture
def post() -> worker.Post:
    return worker.Post("alpha:cpu-0", device="cpu")


def test_searches_are_trained_as_they_were_launched_the_largest_child_first():
    first, second = make_search(name="First"), make_search(name="Second")
    run_to(second, "1.1")
    assert order()[0] == "First model_0"
    macs = [c.n_macs for c in selectors.waiting_candidates() if c.search_id == second.pk]
    assert macs == sorted(macs, reverse=True)
    assert [c.pk for c in selectors.waiting_candidates()] == services.reap(queue_is_empty=True)
    assert services.reap(queue_is_empty=True)[0] == first.candidates.get().pk


def test_a_search_put_first_is_trained_before_all_others_and_the_last_put_first_before_that():
    for name in ("First", "Second", "Third"):
        make_search(name=name)
    second, third = Search.objects.get(name="Second"), Search.objects.get(name="Third")
    assert services.run_next(second, BY) == [second.candidates.get().pk]
    assert order() == ["Second model_0", "First model_0", "Third model_0"]
    services.run_next(third, BY)
    assert order() == ["Third model_0", "Second model_0", "First model_0"]
    event = third.events.last()
    assert event.kind == "search_put_first"
    assert event.words.startswith("Put first by the command line")


def test_a_message_is_a_hint_the_worker_takes_what_is_first(trained, post):
    first, second = make_search(name="First"), make_search(name="Second")
    services.run_next(second, BY)
    worker.train_next(first.candidates.get().pk, post)
    assert trained == ["Second model_0"]
    worker.train_next(second.candidates.get().pk, post)
    assert trained == ["Second model_0", "First model_0"]
    assert worker.train_next(second.candidates.get().pk, post) == []


def test_what_this_worker_is_not_fit_for_holds_up_nothing_else(trained, post):
    first, _ = make_search(name="First"), make_search(name="Second")
    first.candidates.update(threads=64)
    worker.train_next(first.candidates.get().pk, post)
    assert trained == ["Second model_0"]
    assert "trained with 64 threads" in first.events.get(kind="warning").words


def test_data_that_cannot_be_read_here_hold_up_no_search_on_other_data(monkeypatch, post):
    make_search(name="First")
    monkeypatch.setattr(slots, "pin", lambda cores: None)
    candidate = make_search(name="Second").candidates.get()
    assert worker.train_next(candidate.pk, post) == []  # neither can: the folder is empty
    warnings = [e.words for s in Search.objects.all() for e in s.events.filter(kind="warning")]
    assert len(warnings) == 2
    assert all("this worker cannot read its data set" in words for words in warnings)


def test_a_search_put_first_while_a_worker_waits_for_cores_is_taken_first(trained, post, monkeypatch):
    make_search(name="First")
    second = make_search(name="Second")
    looks = iter([None])

    def try_take(folder, n_threads):
        if next(looks, "taken") is None:
            services.run_next(second, BY)
            return None
        return slots.Slots((0,), ())

    monkeypatch.setattr(slots, "try_take", try_take)
    monkeypatch.setattr(worker, "GIVE_UP_LOOK_SECONDS", 0.0)
    worker.train_next(0, post)
    assert trained == ["Second model_0"]


def test_a_step_that_opens_as_the_cores_become_free_goes_before_a_later_search(trained, post, monkeypatch):
    """Its last training ends, and its cores are taken at once by a worker that waited for the other search."""
    first, second = make_search(name="First"), make_search(name="Second")
    lease = leased(first.candidates.get())

    waited = iter([lambda: services.finish(lease, result())])

    def try_take(folder, n_threads):
        next(waited, lambda: None)()
        return slots.Slots((0,), ())

    monkeypatch.setattr(slots, "try_take", try_take)
    assert order() == ["Second model_0"]
    worker.train_next(second.candidates.get().pk, post)
    assert [name.partition(" ")[0] for name in trained] == ["First"]


def test_a_worker_that_ends_gives_the_message_back(post):
    pk = make_search().candidates.get().pk
    post.stop.set()
    assert worker.train_next(pk, post) == [pk]


def test_what_runs_under_a_dead_lease_is_to_be_had_and_under_a_live_one_is_not():
    search = make_search()
    lease = leased(pending(search)[0])
    assert order() == []
    expire(lease.candidate_id)
    assert order() == ["Tiny model_0"]


@pytest.mark.parametrize("status", STATES)
def test_only_what_has_not_ended_can_be_put_first(status):
    search = make_search(name="Night run")
    Search.objects.update(status=status)
    if status in ("waiting", "running", "paused"):
        ids = services.run_next(search, BY)
        assert bool(ids) == (status != "paused")
        return
    with pytest.raises(Refused, match="only a search that is waiting or running or paused can be put first"):
        services.run_next(search, BY)
    search.refresh_from_db()
    assert (search.priority, search.seq) == (0, 1)


def test_a_stranger_puts_nothing_first():
    alice, charlie = (get_user_model().objects.create_user(n) for n in ("alice", "charlie"))
    search = make_search(owner=alice)
    with pytest.raises(Refused, match="only its owner and staff can put it first"):
        services.run_next(search, charlie)
    services.run_next(search, alice)
    assert "by alice" in search.events.last().words
