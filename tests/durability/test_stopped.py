"""A worker that stands still for longer than its lease, and then wants to go on: it is fenced off, and says so."""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from searches.crash_points import STOP_VARIABLE
from tests.durability.checker import still_broken
from tests.durability.running import CANDIDATES, N_CANDIDATES, OVER, SETTINGS, Site, launch, results, scaled

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

FENCED_OFF = "attempt {}: paused, stopped or taken over"
FENCED_OFF_AT_THE_END = "paused, stopped or taken over before its end"
LOG_SECONDS = 20


def test_sigstop_longer_than_the_lease_then_sigcont(site, undisturbed):
    rng = random.Random(1)
    for _ in range(scaled(10)):
        uuid = site.launch(**SETTINGS)
        slot = f"neighbour-{rng.randint(1, 2)}-{rng.randint(1, 2)}"
        worker = site.wait(lambda slot=slot, uuid=uuid: trains(site, uuid, slot), f"{slot} is trained")
        log = site.folder / "logs" / f"{worker.rpartition(':')[2]}.log"
        said = log.stat().st_size
        pid = site.worker_pids()[worker]
        time.sleep(rng.uniform(0.1, 0.6))
        os.kill(pid, signal.SIGSTOP)
        try:
            site.wait(lambda slot=slot, uuid=uuid: row_of(site, uuid, slot)[2] == 2, f"{slot} is taken over")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert site.finished(uuid) == "finished"
        rows = site.rows(CANDIDATES, uuid)
        assert {row[1] for row in rows} == {"done"}
        assert sum(row[2] for row in rows) == N_CANDIDATES + 1
        site.wait(lambda log=log, said=said: FENCED_OFF.format(1) in log.read_text()[said:], "the log", LOG_SECONDS)
        assert site.results(uuid) == undisturbed
        site.is_whole()


def test_a_finished_training_that_comes_too_late_is_fenced_off(crew, undisturbed):
    uuid = launch(crew.environment, **SETTINGS)
    late = crew.start(NASH_WORKER="test:cpu-1", **{STOP_VARIABLE: "finish-begins:2"})
    crew.wait(lambda: is_stopped(late.pid), "the worker has trained a child and stands still before its end")
    slot = next(row[0] for row in crew.rows(CANDIDATES, uuid) if row[1] == "running")
    crew.wait_for_dead_leases()
    crew.start(NASH_WORKER="test:cpu-2")
    crew.wait(lambda: crew.rows(OVER, uuid), "another worker ends the search")
    os.kill(late.pid, signal.SIGCONT)
    crew.wait(lambda: FENCED_OFF_AT_THE_END in crew.story(), "the late result is refused, and the log says so")
    rows = {row[0]: row for row in crew.rows(CANDIDATES, uuid)}
    assert {row[1] for row in rows.values()} == {"done"}
    assert {name: row[2] for name, row in rows.items() if row[2] != 1} == {slot: 2}
    assert results(crew.rows, uuid) == undisturbed
    assert still_broken(crew.rows, crew.folder) == {}, crew.story()
    assert late.poll() is None, "the worker itself lives on"


def is_stopped(pid: int) -> bool:
    """Whether SIGSTOP has halted a process."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"


def row_of(site: Site, uuid: str, slot: str) -> Any:
    return next((row for row in site.rows(CANDIDATES, uuid) if row[0] == slot), None)


def trains(site: Site, uuid: str, slot: str) -> str | None:
    """The worker that trains this candidate now."""
    row = row_of(site, uuid, slot)
    return row[4] if row is not None and row[1] == "running" else None
