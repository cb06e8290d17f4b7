"""SIGKILL of a worker in the middle of an epoch: the search goes on by itself and ends with the same bits."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.durability.running import Site

pytestmark = [pytest.mark.durability, pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")]

# Three epochs of about half a second each: long enough for a kill to fall into the middle of one.
SETTINGS: dict[str, Any] = {
    "channels": "16,16,16",
    "n_steps": 2,
    "n_neigh": 3,
    "n_NM": 2,
    "epoch_pretrain": 1,
    "epoch_neigh": 3,
    "epoch_final": 2,
    "batch_size": 8,
    "max_channels": 32,
    "seed": 5,
}
CANDIDATES = """
    SELECT c.kind || c.step || '.' || c."index" AS code, c.id, c.status, c.attempt, c.worker, c.checkpoint
    FROM searches_candidate c JOIN searches_search s ON s.id = c.search_id WHERE s.uuid = ?
"""
WEIGHTS = """
    SELECT c.kind || c.step || '.' || c."index", a.sha256
    FROM searches_artifact a JOIN searches_candidate c ON c.id = a.candidate_id
    JOIN searches_search s ON s.id = c.search_id WHERE s.uuid = ? AND a.format = 'weights' ORDER BY 1
"""
CURVES = """
    SELECT c.kind || c.step || '.' || c."index", p.optimiser_step, p.loss, p.lr, p.val_accuracy
    FROM searches_point p JOIN searches_candidate c ON c.id = p.candidate_id
    JOIN searches_search s ON s.id = c.search_id WHERE s.uuid = ? ORDER BY 1, 2
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
    assert {row[3] for row in site.rows(CANDIDATES, uuid)} == {1}
    return results(site, uuid)


def results(site: Site, uuid: str) -> dict[str, list[Any]]:
    return {"weights": site.rows(WEIGHTS, uuid), "curves": site.rows(CURVES, uuid)}


@pytest.mark.parametrize(
    ("child", "epochs_done"),
    [("neighbour2.1", 0), ("neighbour2.2", 1), ("neighbour2.3", 2)],
    ids=["in the first epoch of a child", "in the second epoch of a child", "in the last epoch of the parent's slot"],
)
def test_a_kill_in_the_middle_of_an_epoch_leaves_no_trace_in_the_result(site, undisturbed, child, epochs_done):
    uuid = site.launch(**SETTINGS)

    def in_that_epoch() -> Any:
        found = [row for row in site.rows(CANDIDATES, uuid) if row[0] == child and row[2] == "running"]
        return found and found[0][5].endswith(f"-{epochs_done}.pt" if epochs_done else "") and found[0]

    _, candidate, _, _, worker, _ = site.wait(in_that_epoch, f"{child} in epoch {epochs_done + 1}")
    time.sleep(0.15)
    ((pid,),) = site.rows("SELECT pid FROM searches_worker WHERE name = ?", worker)
    os.kill(pid, signal.SIGKILL)
    events = site.rows(
        "SELECT e.kind FROM searches_event e JOIN searches_search s ON s.id = e.search_id "
        "WHERE s.uuid = ? AND e.kind = 'epoch' AND e.payload LIKE ?",
        uuid,
        f'%"id": {candidate},%',
    )
    assert len(events) == epochs_done, "the kill came outside the epoch: the test's children train too fast"

    assert site.finished(uuid) == "finished"
    rows = {row[0]: row for row in site.rows(CANDIDATES, uuid)}
    assert rows[child][3] == 2, "one attempt was killed, the second ended it"
    assert len(rows) == 1 + 2 * 3 + 1
    assert {row[2] for row in rows.values()} == {"done"}
    assert results(site, uuid) == undisturbed
    numbers = site.rows(
        "SELECT e.seq FROM searches_event e JOIN searches_search s ON s.id = e.search_id WHERE s.uuid = ? ORDER BY e.seq",
        uuid,
    )
    assert [n for (n,) in numbers] == list(range(1, len(numbers) + 1))


def test_nothing_is_left_in_memory_or_on_disk_that_nobody_owns(site, undisturbed):
    assert site.rows("SELECT count(*) FROM searches_candidate WHERE status IN ('pending', 'running')") == [(0,)]
    named = {file for (file,) in site.rows("SELECT file FROM searches_artifact")}
    there = {p.relative_to(site.folder).as_posix() for p in (site.folder / "searches").rglob("*") if p.is_file()}
    assert {file for file in there - named if not file.endswith("/statistics.safetensors")} == set()
    assert named <= there
