"""A real `up` on a data folder and port of its own, looked at through its database file."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
LOOK_SECONDS = 0.01
OF_SEARCH = """
    FROM searches_candidate c JOIN searches_search s ON s.id = c.search_id
    {join} WHERE s.uuid = ? {where} ORDER BY 1, 2
"""
SLOT = """c.kind || '-' || c.step || '-' || c."index" """
CANDIDATES = f"SELECT {SLOT}, c.status, c.attempt, c.failures, c.worker, c.checkpoint" + OF_SEARCH.format(
    join="", where=""
)
WEIGHTS = f"SELECT {SLOT}, a.sha256" + OF_SEARCH.format(
    join="JOIN searches_artifact a ON a.candidate_id = c.id", where="AND a.format = 'weights'"
)
CURVES = f"SELECT {SLOT}, p.optimiser_step, p.loss, p.lr, p.val_accuracy" + OF_SEARCH.format(
    join="JOIN searches_point p ON p.candidate_id = c.id", where=""
)


class Site:
    """`manage.py up` with its workers; ends with `end`."""

    def __init__(self, folder: Path, *, workers: int = 2, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "NASH_DATA_DIR": str(folder),
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "DJANGO_SETTINGS_MODULE": "nashweb.settings",
            "NASH_REAP_SECONDS": "1",
            **environment,
        }
        self.log = (folder.parent / "up.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", "0", "--workers", str(workers)],
            cwd=ROOT,
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.wait(lambda: self.is_ready() and len(self.rows("SELECT pid FROM searches_worker")) == workers, "start")

    def is_ready(self) -> bool:
        self.log.seek(0)
        return "Ready" in self.log.read()

    def wait(self, happened: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
        """What `happened` returns once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := happened()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds} s\n{self.story()}")
            time.sleep(LOOK_SECONDS)
        return found

    def rows(self, query: str, *values: Any) -> list[Any]:
        """Rows of the site's database, read beside it."""
        database = sqlite3.connect(f"file:{self.folder / 'nash.sqlite3'}?mode=ro", uri=True, timeout=20)
        try:
            return database.execute(query, values).fetchall()
        finally:
            database.close()

    def launch(self, **settings: Any) -> str:
        """Launch a search on the digits; its uuid in the database's form."""
        given = [f"--set={name}={value}" for name, value in settings.items()]
        done = subprocess.run(
            [sys.executable, "manage.py", "search", "launch", "--preset", "demo", "--json", *given],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout.splitlines()[-1])["uuid"]).replace("-", "")

    def finished(self, uuid: str, seconds: float = START_SECONDS) -> str:
        """Wait for the end of a search; how it ended."""
        query = "SELECT status FROM searches_search WHERE uuid = ? AND status IN ('finished', 'failed', 'stopped')"
        return str(self.wait(lambda: self.rows(query, uuid), f"end of {uuid}", seconds)[0][0])

    def results(self, uuid: str) -> dict[str, list[Any]]:
        """What a search came to, to the bit: the sha256 of every candidate's weights, and every point."""
        return {"weights": self.rows(WEIGHTS, uuid), "curves": self.rows(CURVES, uuid)}

    def story(self) -> str:
        """What was printed and logged, for a test that fails."""
        self.log.seek(0)
        texts = [self.log.read()]
        for path in sorted((self.folder / "logs").glob("*.log")):
            texts.append(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}")
        return "\n".join(texts)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(25)
        finally:
            self.process.kill()
            self.log.close()
