"""A lab of two hosts on one PostgreSQL and one shared folder: pages on the one, workers on the other.

The second host is this machine under another host name (a UTS namespace, which needs root).
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.durability.checker import still_broken
from tests.durability.running import (
    CANDIDATES,
    PATIENCE,
    ROOT,
    SETTINGS,
    database_rows,
    launch,
    results,
    site_environment,
)

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="name spaces of Linux"),
]

SECOND = "second-host"
END_SECONDS = 180 * PATIENCE


@pytest.fixture(scope="module")
def can_be_two_hosts() -> None:
    if not shutil.which("unshare") or os.geteuid() != 0:
        missing("a second host name needs unshare, as root")


@pytest.fixture
def environment(can_be_two_hosts, postgres, tmp_path: Path) -> dict[str, str]:
    return site_environment(tmp_path / "data", DATABASE_URL=postgres.new_database("nash_hosts"))


def up(environment: dict[str, str], printed: Path, *arguments: str, host: str = "") -> subprocess.Popen[bytes]:
    """`up` on this host, or on one of that name; once it is ready."""
    command = [sys.executable, "manage.py", "up", *arguments]
    if host:
        command = ["unshare", "--uts", "sh", "-c", f'hostname {host} && exec "$@"', "sh", *command]
    with printed.open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    wait(lambda: "Ready" in printed.read_text(), process, printed)
    return process


def wait(happened, process: subprocess.Popen[bytes], printed: Path) -> None:
    deadline = time.monotonic() + END_SECONDS
    while not happened():
        assert process.poll() is None, printed.read_text()
        assert time.monotonic() < deadline, printed.read_text()
        time.sleep(0.1)


def test_pages_on_one_host_and_workers_on_another_come_to_the_same_bits(environment, undisturbed, tmp_path):
    def rows(query: str, *values: object) -> list:
        return database_rows(environment, query, *values)

    pages = up(environment, tmp_path / "pages.txt", "--port", "0", "--workers", "0")
    workers = up(environment, tmp_path / "workers.txt", "--no-web", "--workers", "2", host=SECOND)
    try:
        uuid = launch(environment, **SETTINGS)
        over = "SELECT 1 FROM searches_search WHERE status = 'finished'"
        wait(lambda: bool(rows(over)), workers, tmp_path / "workers.txt")
        trained = rows(CANDIDATES, uuid)
        assert {worker.partition(".")[0] for *_, worker, _ in trained} == {SECOND}
        assert results(rows, uuid) == undisturbed
        assert still_broken(rows, Path(environment["NASH_DATA_DIR"])) == {}
        assert sorted(p.name for p in (Path(environment["NASH_DATA_DIR"]) / "slots").iterdir()) == [SECOND]
        second = up_refused(environment)
        assert "Another `up` serves the data folder" in second
    finally:
        for process in (workers, pages):
            process.send_signal(signal.SIGTERM)
        assert [process.wait(25) for process in (workers, pages)] == [0, 0]


def up_refused(environment: dict[str, str]) -> str:
    """What a second `up` on the first host says."""
    command = [sys.executable, "manage.py", "up", "--no-web", "--workers", "1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    return done.stderr
