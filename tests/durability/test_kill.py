"""A worker killed in the middle of an epoch: the search goes on by itself and ends with the same bits."""

import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.durability.killing import kill_at_random
from tests.durability.running import CANDIDATES, EVENTS, SETTINGS, N, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

MIDDLE_SECONDS = 0.1
KILLED, ASKED = signal.SIGKILL, signal.SIGTERM
FAULTS = {
    "neighbour-1-1": (0, KILLED, "Child 1.1"),
    "neighbour-1-2": (1, KILLED, "The parent, trained again as 1.2,"),
    "neighbour-2-1": (1, KILLED, "Child 2.1"),
    "neighbour-2-2": (1, ASKED, "The parent, trained again as 2.2,"),
}
"""What happens to whose worker in one search: the epochs that are done by then, in the middle of the
next, and what the log calls it. Not in the last epoch: it may have ended before the signal is there."""


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


def test_a_worker_killed_or_told_to_end_in_the_middle_of_an_epoch_costs_that_epoch(site, undisturbed):
    site.rest(len(FAULTS))
    uuid = site.launch(**SETTINGS)
    with ThreadPoolExecutor(len(FAULTS)) as pool:  # two train side by side: neither's moment waits for the other's
        signals = [pool.submit(signal_worker, site, uuid, slot, *fault[:2]) for slot, fault in FAULTS.items()]
    for sent in signals:
        sent.result()
    assert site.finished(uuid) == "finished"
    assert_only_those_epochs_were_repeated(site, uuid)
    assert site.results(uuid) == undisturbed
    site.is_whole()


def assert_only_those_epochs_were_repeated(site: Site, uuid: str) -> None:
    """Those candidates had two attempts; the second began where the first had its last checkpoint."""
    rows = {row[0]: row for row in site.rows(CANDIDATES, uuid)}
    assert {row[1] for row in rows.values()} == {"done"}
    assert {slot: row[2] for slot, row in rows.items()} == {slot: 2 if slot in FAULTS else 1 for slot in rows}
    events = site.rows(EVENTS, uuid)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    resumed = [words for _, kind, words in events if kind == "epoch" and " goes on from " in words]
    assert sorted(resumed) == sorted(
        f"{subject} goes on from {f'epoch {epochs_done} of 3' if epochs_done else 'its beginning'}"
        for epochs_done, _, subject in FAULTS.values()
    )
    # A worker that is told to end gives its child back itself.
    released = [words for _, kind, words in events if kind == "candidate_released"]
    assert len(released) == len(FAULTS)
    assert [words for words in released if words.endswith(": the worker stops")] == [
        "The parent, trained again as 2.2, waits for a worker again: the worker stops"
    ]


def test_sigkill_of_workers_at_random_times(site, undisturbed):
    kill_at_random(site, undisturbed, N)


def test_a_search_from_a_given_network_is_killed_before_and_after_its_first_checkpoint(site, undisturbed):
    """What begins anew begins with the given weights again, and not with fresh ones."""
    given = site.folder / site.rows("SELECT file FROM searches_artifact WHERE format = 'model_zip' ORDER BY id")[0][0]
    settings = {**SETTINGS, "n_steps": 1, "n_neigh": 1, "epoch_pretrain": 3, "epoch_neigh": 1, "batch_size": 4}
    left_alone = site.launch(given, **settings)
    assert site.finished(left_alone) == "finished"
    site.rest(2)
    with ThreadPoolExecutor(1) as pool:  # the whole training may be over before the command is
        launching = pool.submit(site.launch, given, **settings)
        killed = site.wait(lambda: newest(site, but=left_alone), "the second search")
        signal_worker(site, killed, "pretrain-0-0", 0, KILLED)
        signal_worker(site, killed, "pretrain-0-0", 1, KILLED)
    assert launching.result() == killed
    assert site.finished(killed) == "finished"
    attempts = {row[0]: row[2] for row in site.rows(CANDIDATES, killed)}
    assert attempts == {"pretrain-0-0": 3, "neighbour-1-1": 1, "final-1-0": 1}
    assert site.results(killed) == site.results(left_alone)
    site.is_whole()


def newest(site: Site, *, but: str) -> str:
    """The uuid of the search that was launched last; "" while it is that one."""
    ((uuid,),) = site.rows("SELECT uuid FROM searches_search ORDER BY id DESC LIMIT 1")
    return "" if uuid == but else str(uuid)
