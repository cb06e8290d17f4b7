"""Claims and ends that come at once, or one after the other's: one of them counts."""

import threading

import pytest
from django.db import connection

from searches import services
from tests.searches.rows import claim, kinds, leased, make_search, pending, result, run_to, train

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_of_sixteen_claims_at_once_one_succeeds():
    candidate = make_search().candidates.get()
    taken: list[services.Lease | None] = []
    barrier = threading.Barrier(16)

    def try_it(n: int) -> None:
        barrier.wait()
        taken.append(claim(candidate, worker=f"w{n}"))
        connection.close()

    threads = [threading.Thread(target=try_it, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([lease for lease in taken if lease]) == 1
    assert len(taken) == 16
    assert kinds(candidate.search) == ["search_created", "candidate_started"]


@pytest.mark.django_db(transaction=True)
def test_children_that_end_at_once_decide_their_step_once():
    search = make_search(n_neigh=6)
    run_to(search, "1.1")
    leases = [leased(c) for c in pending(search)]
    barrier = threading.Barrier(len(leases))

    def end_it(n: int) -> None:
        barrier.wait()
        services.finish(leases[n], result(0.5 + n / 100))
        connection.close()

    threads = [threading.Thread(target=end_it, args=(n,)) for n in range(len(leases))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kinds(search).count("step_decided") == 1
    assert search.candidates.get(step=1, is_winner=True).code == "1.6"
    assert search.candidates.filter(step=2).count() == 6
    numbers = list(search.events.order_by("seq").values_list("seq", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_search_that_was_finished_by_one_is_not_trained_by_another():
    search = make_search()
    final = run_to(search, "final")
    train(final)
    assert claim(final) is None
