"""A worker killed at each named place of the code, one after another in one search: each costs nothing but time."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from searches.crash_points import POINTS, VARIABLE
from tests.durability.checker import still_broken
from tests.durability.running import (
    CANDIDATES,
    LEASE_SECONDS,
    N_CANDIDATES,
    OVER,
    ROOT,
    SETTINGS,
    database_rows,
    launch,
    results,
    site_environment,
)

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

WAIT_SECONDS = 90
LIVE_LEASES = "SELECT id FROM searches_candidate WHERE status = 'running' AND lease_expires >= CURRENT_TIMESTAMP"
# Where each worker of the chain ends: the place, and at which time that it comes there. The pretraining is over
# with the first; the messages of step 1 are what the second does not send.
CRASHES = {
    "claimed": ("claimed:2", "neighbour-1-1"),
    "checkpoint-half-written": ("checkpoint-half-written:2", "neighbour-1-1"),
    "finish-before-commit": ("finish-before-commit", "neighbour-1-1"),
    "finish-after-commit": ("finish-after-commit:2", "neighbour-1-2"),
    "message-not-sent": ("message-not-sent", ""),
}


class Crew:
    """Worker processes one at a time, without `up`: nobody but the reaper of the next one sees the death of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = site_environment(folder, NASH_LEASE_SECONDS=LEASE_SECONDS, NASH_WORKER="test:cpu-0")
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=self.environment, check=True)
        self.process: subprocess.Popen[bytes] | None = None

    def rows(self, query: str, *values: Any) -> list[Any]:
        return database_rows(self.environment, query, *values)

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        arguments = ["run_huey", "--worker-type", "thread", "--delay", "0.05", "--max-delay", "0.25", "--simple"]
        with (self.folder.parent / "worker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
            )
        return self.process

    def wait_for_dead_leases(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while self.rows(LIVE_LEASES):
            assert time.monotonic() < deadline, self.story()
            time.sleep(0.1)

    def story(self) -> str:
        return (self.folder.parent / "worker.log").read_text(errors="replace")[-5000:]

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def crew(tmp_path) -> Iterator[Crew]:
    folder = tmp_path / "data"
    made = Crew(folder)
    yield made
    made.end()


def test_each_point_is_crashed_at():
    assert set(CRASHES) == set(POINTS)


def test_a_worker_killed_at_each_crash_point(crew, undisturbed):
    uuid = launch(crew.environment, **SETTINGS)
    for where, slot in CRASHES.values():
        before = {row[0]: row for row in crew.rows(CANDIDATES, uuid)}
        assert crew.start(**{VARIABLE: where}).wait(WAIT_SECONDS) == -signal.SIGKILL, (where, crew.story())
        after = {row[0]: row for row in crew.rows(CANDIDATES, uuid)}
        assert len(after) <= N_CANDIDATES
        if slot:
            assert after[slot] != before.get(slot), (where, before, after)
        crew.wait_for_dead_leases()  # so that the next worker takes what this one held, and not another
    last = crew.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while not crew.rows(OVER, uuid) and time.monotonic() < deadline and last.poll() is None:
        time.sleep(0.05)
    assert crew.rows(OVER, uuid) == [("finished",)], crew.story()
    rows = {row[0]: row for row in crew.rows(CANDIDATES, uuid)}
    assert {row[1] for row in rows.values()} == {"done"}
    assert {row[3] for row in rows.values()} == {0}
    assert results(crew.rows, uuid) == undisturbed
    assert still_broken(crew.rows, crew.folder) == {}, crew.story()
    # Each crash cost one more attempt of one candidate, but the last two: they came after the end of one.
    assert sum(row[2] for row in rows.values()) == N_CANDIDATES + len(CRASHES) - 2
