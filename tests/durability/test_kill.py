"""A worker killed in the middle of an epoch: the search goes on by itself and ends with the same bits."""

import signal
import sys
import time
from typing import Any

import pytest

from tests.durability.killing import kill_at_random
from tests.durability.running import CANDIDATES, EVENTS, SETTINGS, N, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

MIDDLE_SECONDS = 0.15


def signal_worker(site: Site, uuid: str, slot: str, epochs_done: int, number: signal.Signals) -> None:
    """Send a signal to the worker that trains this candidate, in the middle of the epoch after `epochs_done`."""

    def epoch_now() -> Any:
        rows = {row[0]: row for row in site.rows(CANDIDATES, uuid)}
        _, status, _, _, worker, checkpoint = rows.get(slot, (slot, "pending", 0, 0, "", ""))
        is_there = checkpoint.endswith(f"-{epochs_done}.pt") if epochs_done else not checkpoint
        return worker if status == "running" and is_there else None

    worker = site.wait(epoch_now, f"{slot} in epoch {epochs_done + 1}")
    time.sleep(MIDDLE_SECONDS)
    site.signal_worker(worker, number)


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
    assert site.results(uuid) == undisturbed
    site.is_whole()


def test_sigterm_gives_the_child_back_and_counts_as_nothing(site, undisturbed):
    uuid = site.launch(**SETTINGS)
    signal_worker(site, uuid, "neighbour-2-1", 1, signal.SIGTERM)
    assert site.finished(uuid) == "finished"
    released = [words for _, kind, words in site.rows(EVENTS, uuid) if kind == "candidate_released"]
    assert released == ["Child 2.1 waits for a worker again: the worker stops"]
    assert_only_that_epoch_was_repeated(site, uuid, "neighbour-2-1", 1)
    assert site.results(uuid) == undisturbed
    site.is_whole()


def test_sigkill_of_workers_at_random_times(site, undisturbed):
    kill_at_random(site, undisturbed, N)
