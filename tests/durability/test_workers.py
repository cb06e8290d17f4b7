"""The number of workers decides how long a search takes, and nothing else: the same bits on one and on two."""

import sys

import pytest

from tests.durability.running import CANDIDATES, N_CANDIDATES, SETTINGS, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots of Linux"),
]


def test_the_same_seed_is_the_same_search_bit_for_bit_on_one_and_on_two_workers(undisturbed, tmp_path):
    """`undisturbed` was trained by two."""
    site = Site(tmp_path / "data", workers=1)
    try:
        uuid = site.launch(**SETTINGS)
        assert site.finished(uuid) == "finished", site.story()
        assert len({worker for *_, worker, _ in site.rows(CANDIDATES, uuid)}) == 1
        assert site.results(uuid) == undisturbed
    finally:
        site.end()
    assert len({sha256 for _, sha256 in undisturbed["weights"]}) == N_CANDIDATES
