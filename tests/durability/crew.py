"""Workers that a test starts one by one, without `up`."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.durability.running import LEASE_SECONDS, ROOT, database_rows, site_environment

WAIT_SECONDS = 90
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

    def wait_for_dead_leases(self) -> None:
        self.wait(lambda: not self.rows(LIVE_LEASES), "leases are dead")

    def story(self) -> str:
        return (self.folder.parent / "worker.log").read_text(errors="replace")[-5000:]

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
