"""A search that is under way when a backup is made: restored elsewhere it goes on, and ends with the same bits."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.running import CANDIDATES, ROOT, SETTINGS, Site

pytestmark = [pytest.mark.durability, pytest.mark.skipif(sys.platform != "linux", reason="slots of Linux")]


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_running_search_is_restored_and_goes_on_to_the_same_end(site, undisturbed, tmp_path: Path):
    archive = tmp_path / "nash.tar"
    uuid = site.launch(**SETTINGS)
    site.wait(
        lambda: any(
            slot.startswith("neighbour") and status == "running" and checkpoint
            for slot, status, _, _, _, checkpoint in site.rows(CANDIDATES, uuid)
        ),
        "a child has a checkpoint",
    )
    manage(site.environment, "backup", str(archive))
    assert site.finished(uuid) == "finished"
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "elsewhere" / "data"
    manage({**site.environment, "NASH_DATA_DIR": str(folder)}, "restore", str(archive))
    restored = Site(folder, NASH_LEASE_SECONDS="2")
    try:
        assert restored.finished(uuid) == "finished"
        assert restored.results(uuid) == undisturbed
        rows = restored.rows(CANDIDATES, uuid)
        assert any(attempt > 1 for _, _, attempt, *_ in rows)  # it was under way
        assert {status for _, status, *_ in rows} == {"done"}
        restored.is_whole()
    finally:
        restored.end()
