"""Messages are hints: three of each in shuffled order make the same search as one."""

import sqlite3
import sys

import pytest

from tests.durability.running import CANDIDATES, N_CANDIDATES, SETTINGS, Site

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots of Linux"),
]


def test_every_message_delivered_three_times_in_shuffled_order(tmp_path, undisturbed):
    site = Site(tmp_path / "data", DJANGO_SETTINGS_MODULE="tests.durability.tripled")
    try:
        uuid = site.launch(**SETTINGS)
        assert site.finished(uuid) == "finished"
        rows = site.rows(CANDIDATES, uuid)
        assert [row[1:4] for row in rows] == [("done", 1, 0)] * N_CANDIDATES
        assert site.results(uuid) == undisturbed
        site.is_whole()
        site.wait(lambda: waiting_messages(site) == 0, "all messages are delivered")
    finally:
        site.end()
    assert delivered(site) >= 3 * N_CANDIDATES


def waiting_messages(site: Site) -> int:
    with sqlite3.connect(site.folder / "queue.sqlite3") as queue:
        return int(queue.execute("SELECT COUNT(*) FROM task").fetchone()[0])


def delivered(site: Site) -> int:
    """Messages that the workers took, as their logs tell."""
    logs = (site.folder / "logs").glob("cpu-*.log")
    return sum(log.read_text(errors="replace").count(" executed in ") for log in logs)
