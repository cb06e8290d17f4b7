"""`up` itself told to end, and `up` with all that it started killed: the next `up` goes on without a click.

The weights of those that lost their step go, as by default: what is compared is all but these.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.durability.running import CANDIDATES, DEATHS, LOSERS, N_CANDIDATES, SETTINGS, Site, scaled

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

DOWN_SECONDS = 20.0
LATEST_SECONDS = 6.0
GONE_SECONDS = 20.0


@pytest.fixture(scope="module")
def own_site(tmp_path_factory) -> Iterator[Site]:
    """The module's own: its leases have the length of every day, so that nothing but `up` frees them in time."""
    running = Site(tmp_path_factory.mktemp("up") / "data", NASH_KEEP_LOSERS="0")
    yield running
    running.end()


def processes_of(folder: Path) -> list[int]:
    """Processes that were started with this data folder."""
    wanted = f"NASH_DATA_DIR={folder}".encode()
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue  # gone meanwhile, or another's
    return found


def wait_in_the_middle(site: Site, uuid: str, rng: random.Random) -> None:
    """Until something is trained, and then for a while as long as nobody knows."""
    site.wait(lambda: any(row[1] == "running" for row in site.rows(CANDIDATES, uuid)), "something is trained")
    time.sleep(rng.uniform(0, LATEST_SECONDS))


def assert_comes_to_the_same_without_losers(site: Site, uuid: str, undisturbed: dict[str, list[Any]]) -> None:
    losers = {slot for slot, _ in site.rows(LOSERS, uuid)}
    kept = [(slot, sha256) for slot, sha256 in undisturbed["weights"] if slot not in losers]
    assert len(kept) == N_CANDIDATES - 2  # of each step one child goes
    site.wait(lambda: len(site.results(uuid)["weights"]) <= len(kept), "losers' weights are gone", GONE_SECONDS)
    assert site.results(uuid) == {**undisturbed, "weights": kept}
    site.is_whole()


def test_sigterm_of_up(own_site, undisturbed):
    rng = random.Random(2)
    for _ in range(scaled(10)):
        uuid = own_site.launch(**SETTINGS)
        wait_in_the_middle(own_site, uuid, rng)
        started = time.monotonic()
        own_site.process.send_signal(signal.SIGTERM)
        assert own_site.process.wait(DOWN_SECONDS) == 0
        assert processes_of(own_site.folder) == []
        print(f"down in {time.monotonic() - started:.1f} s")
        rows = own_site.rows(CANDIDATES, uuid)
        assert {row[3] for row in rows} == {0}
        assert "running" not in {row[1] for row in rows}
        own_site.start()
        assert own_site.finished(uuid) == "finished"
        assert own_site.rows(DEATHS, uuid) == []
        assert_comes_to_the_same_without_losers(own_site, uuid, undisturbed)


def test_sigkill_of_everything_then_up(own_site, undisturbed):
    rng = random.Random(3)
    for _ in range(scaled(5)):
        uuid = own_site.launch(**SETTINGS)
        wait_in_the_middle(own_site, uuid, rng)
        for pid in processes_of(own_site.folder):
            os.kill(pid, signal.SIGKILL)
        own_site.process.wait(DOWN_SECONDS)
        own_site.start()
        assert own_site.finished(uuid) == "finished"
        rows = own_site.rows(CANDIDATES, uuid)
        assert {row[1] for row in rows} == {"done"}
        assert sum(row[2] for row in rows) <= N_CANDIDATES + own_site.workers
        assert_comes_to_the_same_without_losers(own_site, uuid, undisturbed)
