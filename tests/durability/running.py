"""A real `up` on a data folder and port of its own, looked at through its database; how often faults happen."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from tests.durability.checker import still_broken

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("NASH_TEST_PATIENCE") or 1)
"""How many times longer leases live and waits last: for a machine that is busy with something else."""
START_SECONDS = 120 * PATIENCE
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


EVENTS = """
    SELECT e.seq, e.kind, e.words FROM searches_event e JOIN searches_search s ON s.id = e.search_id
    WHERE s.uuid = ? ORDER BY e.seq
"""
DEATHS = """
    SELECT e.words FROM searches_event e JOIN searches_search s ON s.id = e.search_id
    WHERE s.uuid = ? AND e.kind = 'candidate_released' AND e.level = 'warning' ORDER BY e.seq
"""
"""What the log says of attempts that were seen to die: `failures` is 0 again once a candidate is done."""
LOSERS = f"SELECT {SLOT}, c.step" + OF_SEARCH.format(
    join="", where="AND c.kind = 'neighbour' AND c.status = 'done' AND NOT c.is_winner"
)
OVER = "SELECT status FROM searches_search WHERE uuid = ? AND status IN ('finished', 'failed', 'stopped')"
LEASE_SECONDS = f"{6 * PATIENCE:g}"
"""Of the sites' workers, so that a death is noticed soon; less, and a busy machine makes living ones look dead."""
N = int(os.environ.get("NASH_TEST_N") or 3)
"""How often a fault happens that happens 30 times by plan: `make test-durability N=30`; the others in proportion."""
KILLS_A_MINUTE = 4
"""Of one worker; the fifth death within a minute ends `up`, as it should, if none of them fell into a training."""

SETTINGS: dict[str, Any] = {
    "channels": "16,16,16",
    "n_steps": 2,
    "n_neigh": 2,
    "n_NM": 2,
    "epoch_pretrain": 1,
    "epoch_neigh": 3,
    "epoch_final": 1,
    "batch_size": 8,
    "max_channels": 32,
    "seed": 5,
}
"""Three epochs a child, each of about half a second: long enough for a fault to fall into the middle of one."""
N_CANDIDATES = 1 + 2 * 2 + 1


def scaled(planned: int) -> int:
    """How often something happens now that is planned so many times beside 30 kills; at least once."""
    return max(1, round(planned * N / 30))


def site_environment(folder: Path, **environment: str) -> dict[str, str]:
    """What a site's processes see: the test's own environment, a folder of its own, impatient reapers."""
    return {
        **os.environ,
        "NASH_DATA_DIR": str(folder),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "nashweb.settings",
        "NASH_REAP_SECONDS": "1",
        "NASH_KEEP_LOSERS": "1",  # their weights are compared to the bit; test_up.py does without
        **environment,
    }


def database_rows(environment: Mapping[str, str], query: str, *values: Any) -> list[Any]:
    """Rows of a site's database, read beside the site."""
    if url := environment["DATABASE_URL"]:
        with psycopg.connect(url, connect_timeout=10) as server:
            return server.execute(query.replace("?", "%s"), values or None).fetchall()
    path = Path(environment["NASH_DATA_DIR"]) / "nash.sqlite3"
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
    try:
        return database.execute(query, values).fetchall()
    finally:
        database.close()


def launch(environment: Mapping[str, str], begin: Path | None = None, **settings: Any) -> str:
    """Launch a search on the digits, or from a zip on them, by the command; its uuid in the database's form."""
    given = [f"--set={name}={value}" for name, value in settings.items()]
    given += ["--from", str(begin)] if begin else []
    done = subprocess.run(
        [sys.executable, "manage.py", "search", "launch", "--preset", "demo", "--json", *given],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout.splitlines()[-1])["uuid"]).replace("-", "")


def results(rows: Callable[..., list[Any]], uuid: str) -> dict[str, list[Any]]:
    """What a search came to, to the bit: the sha256 of every candidate's weights, and every point."""
    return {"weights": sorted(rows(WEIGHTS, uuid)), "curves": sorted(rows(CURVES, uuid))}


class Site:
    """`manage.py up` with its workers; ends with `end`. A folder may be served again once `end` has been called."""

    def __init__(self, folder: Path, *, workers: int = 2, **environment: str) -> None:
        self.folder = folder
        self.workers = workers
        self.environment = site_environment(folder, **environment)
        self.kills: dict[str, list[float]] = defaultdict(list)
        self.printed = folder.parent / "up.log"
        self.start()

    def start(self) -> None:
        """Start `up`, and wait until it and its workers are there."""
        with self.printed.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", "0", "--workers", str(self.workers)],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.wait(lambda: self.is_ready() and len(self.worker_pids()) == self.workers, "start")

    def is_ready(self) -> bool:
        return "Ready" in self.printed.read_text()

    def worker_pids(self) -> dict[str, int]:
        return dict(self.rows("SELECT name, pid FROM searches_worker"))

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
        return database_rows(self.environment, query, *values)

    def kills_left(self, name: str) -> int:
        """How many signals this worker may be sent now before `up` would give it up."""
        return KILLS_A_MINUTE - len([t for t in self.kills[name] if t > time.monotonic() - 62])

    def rest(self, kills: int) -> None:
        """Wait until every worker may be sent so many signals, so that each comes at the moment it is meant for."""
        while any(self.kills_left(name) < kills for name in self.worker_pids()):
            time.sleep(1)

    def signal_worker(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a worker at once. Raises AssertionError where `up` would give the worker up for it."""
        assert self.kills_left(name) > 0, f"{name} was killed {KILLS_A_MINUTE} times this minute: rest() first"
        self.kills[name].append(time.monotonic())
        os.kill(self.worker_pids()[name], number)

    def kill_some_worker(self, uuid: str, rng: random.Random) -> str | None:
        """SIGKILL one of the workers that train for this search now, whichever `rng` says; its name.

        Not one whose child died twice already without a checkpoint: four times in its first epoch is a failure.
        """
        training = {
            worker
            for _, status, _, failures, worker, _ in self.rows(CANDIDATES, uuid)
            if status == "running" and failures < 2
        }
        alive = {name for name in self.worker_pids() if self.kills_left(name) > 0}
        if not (names := sorted(training & alive)):
            return None
        chosen = rng.choice(names)
        try:
            self.signal_worker(chosen, signal.SIGKILL)
        except ProcessLookupError:
            return None  # dead already: the one that follows it has not written its own row yet
        return chosen

    def is_over(self, uuid: str) -> bool:
        return bool(self.rows(OVER, uuid))

    def is_whole(self) -> None:
        """Every rule of the checker holds, at the latest once the reaper has been round."""
        assert still_broken(self.rows, self.folder) == {}, self.story()

    def launch(self, begin: Path | None = None, **settings: Any) -> str:
        """Launch a search on the digits; its uuid in the database's form."""
        return launch(self.environment, begin, **settings)

    def finished(self, uuid: str, seconds: float = START_SECONDS) -> str:
        """Wait for the end of a search; how it ended."""
        return str(self.wait(lambda: self.rows(OVER, uuid), f"end of {uuid}", seconds)[0][0])

    def results(self, uuid: str) -> dict[str, list[Any]]:
        return results(self.rows, uuid)

    def told(self, uuid: str) -> str:
        """The log of a search, for a test that fails."""
        return "\n".join(f"{seq} {kind}: {words}" for seq, kind, words in self.rows(EVENTS, uuid))

    def story(self) -> str:
        """What was printed and logged, for a test that fails."""
        texts = [self.printed.read_text()]
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
