"""A real `up` on a data folder of its own: what it prints, serves, mends, refuses, and how it ends."""

import http.client
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90
END_SECONDS = 20


class Up:
    """A running `manage.py up --workers 1` and what it has printed."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", "0", "--workers", "1", *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "NASH_DATA_DIR": str(folder),
                "DATABASE_URL": "",
                "DJANGO_SETTINGS_MODULE": "nashweb.settings",
            },
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


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Up]:
    started = Up(tmp_path_factory.mktemp("up") / "data")
    started.find("Ready")
    yield started
    started.end()


def test_it_prints_the_address_first_and_the_one_time_link(up):
    assert up.lines[0].startswith(f"NASH  {up.address}/")
    path = up.find(r"http://127\.0\.0\.1:\d+(/welcome/\S+)")[1]
    token = (up.folder / "first-account-token").read_text()
    assert path == f"/welcome/{token}/"
    status, _, body = up.get(path)
    assert status == 200
    assert b"Create the first account" in body


def test_it_serves_pages_to_who_is_signed_in_and_hashed_files_to_all(up):
    status, headers, _ = up.get("/")
    assert (status, headers["Location"]) == (302, "/accounts/login/?next=/")
    status, headers, body = up.get("/accounts/login/")
    assert status == 200
    assert b"No account exists yet" in body
    assert "unsafe" not in headers["Content-Security-Policy"]
    style = re.search(rb'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', body)
    assert style
    status, headers, _ = up.get(style[1].decode())
    assert status == 200
    assert "immutable" in headers["Cache-Control"]


def test_it_answers_to_no_other_name(up):
    assert up.get("/accounts/login/", host="evil.example.org")[0] == 400


def test_a_second_up_on_the_same_folder_is_refused_in_words(up):
    second = Up(up.folder)
    assert second.wait(READY_SECONDS) == 1
    assert "Another `up` serves the data folder" in second.text
    assert up.address in second.text


def test_a_killed_worker_is_replaced_and_its_death_reported(up):
    def workers() -> list[tuple]:
        return up.rows("SELECT name, pid FROM searches_worker")

    def wait_for_another(pid: int) -> tuple:
        deadline = time.monotonic() + READY_SECONDS
        while not (rows := [row for row in workers() if row[1] != pid]):
            assert time.monotonic() < deadline, up.text
            time.sleep(0.1)
        return rows[0]

    name, pid = wait_for_another(0)
    os.kill(pid, signal.SIGKILL)
    up.find(rf"{re.escape(name)} ended \(killed by SIGKILL\); it starts again in 1 s")
    again, other = wait_for_another(pid)
    assert again == name
    assert other != pid


def test_sigterm_ends_all_of_it_within_20_seconds(up):
    assert len(processes_of(up.folder)) >= 3
    began = time.monotonic()
    assert up.end() == 0
    assert time.monotonic() - began < END_SECONDS
    assert up.lines[-1] == "Ended."
    assert processes_of(up.folder) == []
    assert up.rows("SELECT count(*) FROM searches_worker") == [(0,)]
