"""A worker killed in the middle of an epoch: the search goes on by itself and ends with the same bits."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.durability.running import CANDIDATES, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

# Three epochs a child, each of about half a second: long enough for a kill to fall into the middle of one.
SETTINGS: dict[str, Any] = {
    "channels": "16,16,16",
    "n_steps": 2,
    "n_neigh": 2,
    "n_NM": 2,
    "epoch_pretrain": 1,
    "epoch_neigh": 3,
    "epoch_final": 1,
    "batch_size": 8,
    "max_channels": 32,
    "seed": 5,
}
N_CANDIDATES = 1 + 2 * 2 + 1
MIDDLE_SECONDS = 0.15
EVENTS = """
    SELECT e.seq, e.kind, e.words FROM searches_event e JOIN searches_search s ON s.id = e.search_id
    WHERE s.uuid = ? ORDER BY e.seq
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    running = Site(tmp_path_factory.mktemp("kill") / "data")
    yield running
    running.end()


@pytest.fixture(scope="module")
def undisturbed(site) -> dict[str, list[Any]]:
    """Weights and curves of the search that nothing happens to."""
    uuid = site.launch(**SETTINGS)
    assert site.finished(uuid) == "finished"
    assert [attempt for _, _, attempt, *_ in site.rows(CANDIDATES, uuid)] == [1] * N_CANDIDATES
    return results(site, uuid)


def results(site: Site, uuid: str) -> dict[str, list[Any]]:
    found = site.results(uuid)
    assert len(found["weights"]) == N_CANDIDATES
    return found


def signal_worker(site: Site, uuid: str, slot: str, epochs_done: int, number: signal.Signals) -> None:
    """Send a signal to the worker that trains this candidate, in the middle of the epoch after `epochs_done`."""

    def epoch_now() -> Any:
        rows = {row[0]: row for row in site.rows(CANDIDATES, uuid)}
        _, status, _, _, worker, checkpoint = rows.get(slot, (slot, "pending", 0, 0, "", ""))
        is_there = checkpoint.endswith(f"-{epochs_done}.pt") if epochs_done else not checkpoint
        return worker if status == "running" and is_there else None

    worker = site.wait(epoch_now, f"{slot} in epoch {epochs_done + 1}")
    ((pid,),) = site.rows("SELECT pid FROM searches_worker WHERE name = ?", worker)
    time.sleep(MIDDLE_SECONDS)
    os.kill(pid, number)


def assert_only_that_epoch_was_repeated(site: Site, uuid: str, slot: str, epochs_done: int) -> None:
    """The candidate had two attempts, and the second began where the first had its last checkpoint."""
    rows = {row[0]: row for row in site.rows(CANDIDATES, uuid)}
    assert {row[1] for row in rows.values()} == {"done"}
    assert {name: row[2] for name, row in rows.items()} == {name: 2 if name == slot else 1 for name in rows}
    events = site.rows(EVENTS, uuid)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    resumed = [words for _, kind, words in events if kind == "epoch" and " goes on from " in words]
    assert len(resumed) == 1
    where = f"from epoch {epochs_done} of 3" if epochs_done else "from its beginning"
    assert resumed[0].endswith(where)


@pytest.mark.parametrize(
    ("slot", "epochs_done"),
    [("neighbour-2-1", 0), ("neighbour-2-1", 1), ("neighbour-2-2", 2)],
    ids=["the first epoch of a child", "the second epoch of a child", "the last epoch of the parent's own slot"],
)
def test_sigkill_in_the_middle_of(site, undisturbed, slot, epochs_done):
    uuid = site.launch(**SETTINGS)
    signal_worker(site, uuid, slot, epochs_done, signal.SIGKILL)
    assert site.finished(uuid) == "finished"
    assert_only_that_epoch_was_repeated(site, uuid, slot, epochs_done)
    assert results(site, uuid) == undisturbed


def test_sigterm_gives_the_child_back_and_counts_as_nothing(site, undisturbed):
    uuid = site.launch(**SETTINGS)
    signal_worker(site, uuid, "neighbour-2-1", 1, signal.SIGTERM)
    assert site.finished(uuid) == "finished"
    released = [words for _, kind, words in site.rows(EVENTS, uuid) if kind == "candidate_released"]
    assert released == ["Child 2.1 waits for a worker again: the worker stops"]
    assert_only_that_epoch_was_repeated(site, uuid, "neighbour-2-1", 1)
    assert results(site, uuid) == undisturbed


def test_no_file_is_without_its_row_and_no_row_without_its_file(site, undisturbed):
    named = {file for (file,) in site.rows("SELECT file FROM searches_artifact")}
    there = {p.relative_to(site.folder).as_posix() for p in (site.folder / "searches").rglob("*") if p.is_file()}
    assert named == {file for file in there if not file.endswith("/statistics.safetensors")}
