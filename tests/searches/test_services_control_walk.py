"""Verbs and trainings in random order: whatever was done to a search, it is never one that runs for ever."""

import random

import pytest

from searches import services
from searches.models import ENGINE_VERSION, Candidate, Search
from searches.nash.config import COMPARISONS
from searches.nash.hillclimb import ENDED, plan
from searches.services import Refused, may_happen
from tests.searches.rows import expire, leased, make_search, result, run_to_end

pytestmark = pytest.mark.django_db
BY = "a test"
ENDED_SEARCH = ("stopped", "finished", "failed")
RARE = ("stop", "delete")


def end_one(search: Search, rng: random.Random) -> None:
    """A training that is to be had ends: mostly well, or its worker dies."""
    waiting = list(search.candidates.filter(status="pending").order_by("pk"))
    if not waiting or search.deleted or search.status not in ("waiting", "running"):
        return
    candidate = rng.choice(waiting)
    lease = leased(candidate)
    how = rng.random()
    if how < 0.1:
        expire(candidate)
        services.reap(queue_is_empty=True)
    elif how < 0.25:
        services.end_candidate(lease, rng.choice(["failed", "too_big", "diverged"]), "a test")
    elif candidate.kind in ("pretrain", "neighbour"):
        services.finish(lease, result(rng.random()))
    else:
        services.finish(lease, result(None, test_accuracy=rng.random(), correct=None))


def do_one(search: Search, rng: random.Random) -> None:
    """One verb; that it is refused is an answer, too."""
    verb = rng.choice(sorted(set(services.VERBS) - {"train", "clone"}))
    if verb in RARE and rng.random() < 0.7:
        return
    act = getattr(services, verb)
    try:
        if verb == "extend":
            act(search, search.config["n_steps"] + rng.randint(0, 1), BY)
        elif verb == "compare":
            act(search, [rng.choice(COMPARISONS)], BY)
        elif verb == "go_on" and may_happen(verb, search):
            Search.objects.filter(pk=search.pk).update(engine_version=ENGINE_VERSION - 1)
            act(search, BY)
        else:
            act(search, BY)
    except Refused:
        return


def check(search: Search) -> None:
    search.refresh_from_db()
    rows = list(search.candidates.all())
    is_open = [c for c in rows if c.status not in ENDED]
    assert bool(is_open) == (search.status not in ENDED_SEARCH), f"{search.status} with {len(is_open)} to train"
    assert (search.ended is not None) == (search.status in ENDED_SEARCH)
    assert list(search.events.values_list("seq", flat=True)) == list(range(1, search.seq + 1))
    winners = [(c.kind, c.step) for c in rows if c.is_winner]
    assert len(winners) == len(set(winners))
    assert all(c.status == "done" for c in rows if c.is_winner)
    if search.deleted:
        assert not [c for c in rows if c.status == Candidate.Status.RUNNING]
    if search.status == "finished":
        final = search.candidates.get(kind="final", step=search.config["n_steps"])
        assert final.status == "done"
        assert final.parent.is_winner
        history = [c.outcome(c.parent.key if c.parent else None) for c in rows]
        assert plan(search.search_config, history) == []


@pytest.mark.parametrize("seed", range(6))
def test_after_any_sequence_of_verbs_a_search_has_something_to_train_or_has_ended(seed):
    rng = random.Random(seed)
    search = make_search(n_steps=3, n_neigh=2, seed=seed)
    for _ in range(60):
        (end_one if rng.random() < 0.7 else do_one)(search, rng)
        check(search)
    if search.deleted:
        services.undelete(search, BY)
    if search.status == "paused":
        services.resume(search, BY)
    run_to_end(search)
    check(search)
    assert search.status in ENDED_SEARCH
