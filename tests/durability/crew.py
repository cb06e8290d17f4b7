"""Workers that a test starts one by one, without `up`."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.durability.running import LEASE_SECONDS, PATIENCE, ROOT, database_rows, site_environment

WAIT_SECONDS = 90 * PATIENCE
LIVE_LEASES = "SELECT id FROM searches_candidate WHERE status = 'running' AND lease_expires >= CURRENT_TIMESTAMP"


class Crew:
    """Worker processes without `up`: nobody but the reaper of the next one sees the death of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = site_environment(folder, NASH_LEASE_SECONDS=LEASE_SECONDS, NASH_WORKER="test:cpu-0")
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=self.environment, check=True)
        self.processes: list[subprocess.Popen[bytes]] = []

    def rows(self, query: str, *values: Any) -> list[Any]:
        return database_rows(self.environment, query, *values)

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        arguments = ["run_huey", "--worker-type", "thread", "--delay", "0.05", "--max-delay", "0.25", "--simple"]
        with (self.folder.parent / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def wait(self, happened: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not happened():
            assert time.monotonic() < deadline, f"{what}\n{self.story()}"
            time.sleep(0.05)

    def end_leases(self) -> None:
        """As if the time had gone by that a lease lives: whoever held one is dead."""
        with closing(sqlite3.connect(self.folder / "nash.sqlite3", timeout=20)) as database, database:
            database.execute("UPDATE searches_candidate SET lease_expires = '2000-01-01' WHERE status = 'running'")

    def lose_messages(self) -> None:
        """Of the queue, which may be lost at any time."""
        with closing(sqlite3.connect(self.folder / "queue.sqlite3", timeout=20)) as queue, queue:
            queue.execute("DELETE FROM task")

    def wait_for_dead_leases(self) -> None:
        self.wait(lambda: not self.rows(LIVE_LEASES), "leases are dead")

    def story(self) -> str:
        return (self.folder.parent / "worker.log").read_text(errors="replace")[-5000:]

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
