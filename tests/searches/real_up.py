"""A real `up` in a process of its own, for tests that look at it from outside."""

import http.client
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90
END_SECONDS = 20


class Up:
    """A running `manage.py up --workers 1` and what it has printed."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "NASH_DATA_DIR": str(folder),
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "DJANGO_SETTINGS_MODULE": "nashweb.settings",
            **environment,
        }
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", "0", "--workers", "1", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def find(self, pattern: str, seconds: float = READY_SECONDS) -> re.Match[str]:
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            assert self.process.poll() is None, f"up has ended:\n{self.text}"
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.text}"
            time.sleep(0.05)
        return found

    @property
    def address(self) -> str:
        return self.find(r"http://127\.0\.0\.1:\d+")[0]

    def get(self, path: str, host: str = "localhost") -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers, body

    def rows(self, query: str) -> list[tuple]:
        with sqlite3.connect(self.folder / "nash.sqlite3", timeout=20) as database:
            return database.execute(query).fetchall()

    def manage(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run another command of manage.py on the same data folder and database."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(END_SECONDS)

    def wait(self, seconds: float) -> int:
        """Its exit code, once it has ended and all it printed was read."""
        code = self.process.wait(seconds)
        self._reader.join(5)
        assert self.process.stdout
        self.process.stdout.close()
        return code


def processes_of(folder: Path) -> list[int]:
    """Processes, on Linux, whose environment names this data folder."""
    wanted = f"NASH_DATA_DIR={folder}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:
            continue
    return found
