"""A real `manage.py up` on a data folder of its own."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 120.0
END_SECONDS = 30.0
T = TypeVar("T")


def wait_until(found: Callable[[], T], what: str, seconds: float = 60.0) -> T:
    """The first true answer of `found`."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)
    return answer


class Site:
    """The running site: its address, what it has printed, its rows, its processes."""

    def __init__(self, folder: Path, *, workers: int = 1) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".log")
        own = {"NASH_DATA_DIR": str(folder), "DATABASE_URL": "", "REDIS_URL": ""}
        self.environment = {**os.environ, **own, "DJANGO_SETTINGS_MODULE": "nashweb.settings"}
        command = [sys.executable, "manage.py", "up", "--port", "0", "--workers", str(workers)]
        with self.log.open("w") as log:
            out = {"stdout": log, "stderr": subprocess.STDOUT}
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, **out)
        link = r"(http://\S+/welcome/\S+/)"
        self.link = wait_until(lambda: self._printed(link), "the one-time link", READY_SECONDS)
        self.address = self.link.partition("/welcome/")[0]

    def _printed(self, pattern: str) -> str:
        assert self.process.poll() is None, f"up has ended:\n{self.log.read_text()}"
        found = re.search(pattern, self.log.read_text())
        return found[1] if found else ""

    def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "nash.sqlite3", timeout=20)) as database:
            return database.execute(query, arguments).fetchall()

    def candidate_points(self, uuid: str) -> dict[str, list[list[Any]]]:
        """Every point of a search's rows: id of the candidate -> [optimiser step, validation accuracy]."""
        query = """SELECT p.candidate_id, p.optimiser_step, p.val_accuracy FROM searches_point p
                   JOIN searches_candidate c ON c.id = p.candidate_id JOIN searches_search s ON s.id = c.search_id
                   WHERE s.uuid = ? ORDER BY p.candidate_id, p.optimiser_step"""
        points: dict[str, list[list[Any]]] = {}
        for candidate, step, accuracy in self.rows(query, uuid.replace("-", "")):
            points.setdefault(str(candidate), []).append([step, None if accuracy is None else round(accuracy, 6)])
        return json.loads(json.dumps(points))

    def web_process(self) -> int:
        """The process id of the web server, a child of `up`."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next(int(pid) for pid in children if b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes())

    @contextmanager
    def supervisor_asleep(self) -> Iterator[None]:
        """Within it nothing that dies is started again."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def manage(self, *arguments: str) -> None:
        """Run a management command on the site's data folder."""
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, check=True)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(END_SECONDS)
