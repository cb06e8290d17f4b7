"""A disk that is full in the middle of a search: it waits, says which disk, and goes on once there is room."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.durability.running import CANDIDATES, DEATHS, LEASE_SECONDS, SETTINGS, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts of Linux"),
]

DISK_BYTES = 48_000_000
ROOM_BYTES = 8_000_000
PLACES = ("checkpoint", "database", "archive")
STATE = "SELECT status, reason FROM searches_search WHERE uuid = ?"


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory) -> Iterator[Path]:
    """A file system in memory of its own, small enough to be filled."""
    folder = tmp_path_factory.mktemp("disk") / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "nash-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        missing(f"a small disk cannot be mounted here (it needs root): {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def filled_when(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fill") / "when"


@pytest.fixture(scope="module")
def site_on_it(small_disk, filled_when) -> Iterator[Site]:
    running = Site(
        small_disk / "data",
        NASH_LEASE_SECONDS=LEASE_SECONDS,
        NASH_MIN_FREE_BYTES=str(ROOM_BYTES),
        DJANGO_SETTINGS_MODULE="tests.durability.faulty",
        NASH_FILL=str(filled_when),
        NASH_FILLER=str(small_disk / "filler"),
    )
    yield running
    running.end()


def test_full_while_writing_checkpoint_database_and_archive(site_on_it, small_disk, filled_when, undisturbed):
    filled_when.write_text(PLACES[0])
    uuid = site_on_it.launch(**SETTINGS)
    for following in (*PLACES[1:], None):
        site_on_it.wait(lambda: site_on_it.rows(STATE, uuid)[0][0] in ("paused", "finished", "failed"), "paused")
        ((status, reason),) = site_on_it.rows(STATE, uuid)
        assert status == "paused"
        assert not filled_when.exists()
        assert shutil.disk_usage(small_disk).free < ROOM_BYTES
        assert reason.startswith(f"the disk is full ({small_disk / 'data'}: ")
        assert reason.endswith("it goes on by itself once 8 MB are free")
        assert not any(row[1] == "running" for row in site_on_it.rows(CANDIDATES, uuid))
        if following:
            filled_when.write_text(following)
        (small_disk / "filler").unlink()
        site_on_it.wait(lambda: site_on_it.rows(STATE, uuid)[0][0] != "paused", "it goes on")
    assert site_on_it.finished(uuid) == "finished"
    assert site_on_it.rows(DEATHS, uuid) == []
    assert site_on_it.results(uuid) == undisturbed
    site_on_it.is_whole()
    with sqlite3.connect(small_disk / "data" / "nash.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
