"""The number of workers decides how long a search takes, and nothing else: the same bits on one and on two."""

import sys

import pytest

from tests.durability.running import CANDIDATES, N_CANDIDATES, SETTINGS, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots of Linux"),
]
WIDER = {**SETTINGS, "n_steps": 1, "n_neigh": 3}


def test_the_same_seed_is_the_same_search_bit_for_bit_on_one_and_on_two_workers(site, undisturbed, tmp_path):
    """`undisturbed` was trained by two."""
    alone = Site(tmp_path / "data", workers=1)
    try:
        uuid = alone.launch(**SETTINGS)
        assert alone.finished(uuid) == "finished", alone.story()
        assert len({worker for *_, worker, _ in alone.rows(CANDIDATES, uuid)}) == 1
        assert alone.results(uuid) == undisturbed
        # A step with two that are morphed, which two workers train at the same time.
        both, one = site.launch(**WIDER), alone.launch(**WIDER)
        assert [at.finished(u) for at, u in ((site, both), (alone, one))] == ["finished", "finished"]
        assert site.results(both) == alone.results(one)
        assert len(site.results(both)["weights"]) == 1 + WIDER["n_neigh"] + 1
    finally:
        alone.end()
    assert len({sha256 for _, sha256 in undisturbed["weights"]}) == N_CANDIDATES
