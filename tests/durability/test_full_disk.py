"""A disk that is full in the middle of a search: it waits, says which disk, and goes on once there is room."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.running import CANDIDATES, SETTINGS, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts of Linux"),
]

DISK_BYTES = 48_000_000
ROOM_BYTES = 8_000_000
STATE = "SELECT status, reason FROM searches_search WHERE uuid = ?"


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system in memory of its own, small enough to be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "nash-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here (it needs root): {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("where", ["checkpoint", "database", "archive"])
def test_full_while_writing(small_disk, tmp_path, undisturbed, where):
    filler, filled = small_disk / "filler", tmp_path / "filled"
    site = Site(
        small_disk / "data",
        NASH_LEASE_SECONDS="2",
        NASH_MIN_FREE_BYTES=str(ROOM_BYTES),
        DJANGO_SETTINGS_MODULE="tests.durability.faulty",
        NASH_FILL=where,
        NASH_FILLER=str(filler),
        NASH_FILLED=str(filled),
    )
    try:
        uuid = site.launch(**SETTINGS)
        site.wait(lambda: site.rows(STATE, uuid)[0][0] == "paused", "paused")
        assert filled.exists()
        assert shutil.disk_usage(small_disk).free < ROOM_BYTES
        ((_, reason),) = site.rows(STATE, uuid)
        assert reason.startswith(f"the disk is full ({small_disk / 'data'}: ")
        assert reason.endswith("it goes on by itself once 8 MB are free")
        assert not any(row[1] == "running" for row in site.rows(CANDIDATES, uuid))
        filler.unlink()
        assert site.finished(uuid) == "finished"
        assert {row[3] for row in site.rows(CANDIDATES, uuid)} == {0}
        assert site.results(uuid) == undisturbed
        site.is_whole()
    finally:
        site.end()
    with sqlite3.connect(small_disk / "data" / "nash.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
