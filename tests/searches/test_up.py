"""A real `up` on a data folder of its own: what it prints, serves, mends, refuses, and how it ends."""

import os
import re
import signal
import time
from collections.abc import Iterator

import pytest

from tests.searches.real_up import END_SECONDS, READY_SECONDS, Up, processes_of


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
