"""The number of workers decides how long a search takes, and nothing else: the same bits on one and on two."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.durability.running import CANDIDATES, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots of Linux"),
]

SETTINGS: dict[str, Any] = {
    "channels": "16,16,16",
    "n_steps": 2,
    "n_neigh": 4,
    "n_NM": 2,
    "epoch_pretrain": 1,
    "epoch_neigh": 2,
    "epoch_final": 1,
    "batch_size": 16,
    "max_channels": 32,
    "seed": 3,
}
N_CANDIDATES = 1 + 2 * 4 + 1


def searched(folder: Path, workers: int) -> tuple[dict[str, list[Any]], set[str]]:
    """Weights and curves of a search on a site of so many workers, and the workers that trained for it."""
    folder.mkdir()
    site = Site(folder / "data", workers=workers)
    try:
        uuid = site.launch(**SETTINGS)
        assert site.finished(uuid, seconds=300) == "finished", site.story()
        rows = site.rows(CANDIDATES, uuid)
        assert {status for _, status, *_ in rows} == {"done"}
        return site.results(uuid), {worker for *_, worker, _ in rows}
    finally:
        site.end()


def test_the_same_seed_is_the_same_search_bit_for_bit_on_one_and_on_two_workers(tmp_path):
    one, by_one = searched(tmp_path / "one", 1)
    two, by_two = searched(tmp_path / "two", 2)
    assert (len(by_one), len(by_two)) == (1, 2)
    assert len(one["weights"]) == N_CANDIDATES
    assert len({sha256 for _, sha256 in one["weights"]}) == N_CANDIDATES
    assert two == one
