"""SIGKILL of workers at random times, over as many searches as it takes; each must end as if nothing had been."""

import os
import random
import time
from typing import Any

from tests.durability.running import CANDIDATES, N_CANDIDATES, SETTINGS, Site

PAUSE_SECONDS = (0.2, 3.0)


def kill_at_random(site: Site, undisturbed: dict[str, list[Any]], n: int) -> None:
    """Kill `n` workers while they train. NASH_TEST_SEED repeats the draws of a run that failed."""
    seed = int(os.environ.get("NASH_TEST_SEED") or time.time_ns() % 10**6)
    rng = random.Random(seed)
    kills = searches = attempts = 0
    started = time.monotonic()
    while kills < n:
        uuid = site.launch(**SETTINGS)
        searches += 1
        while not site.is_over(uuid):
            assert site.process.poll() is None, site.story()
            time.sleep(rng.uniform(*PAUSE_SECONDS))
            if kills < n and site.kill_some_worker(uuid, rng) is not None:
                kills += 1
        assert site.finished(uuid) == "finished", f"NASH_TEST_SEED={seed}\n{site.told(uuid)}\n{site.story()}"
        rows = site.rows(CANDIDATES, uuid)
        assert {row[1] for row in rows} == {"done"}
        assert len(rows) == N_CANDIDATES
        attempts += sum(row[2] for row in rows)
        assert site.results(uuid) == undisturbed, f"NASH_TEST_SEED={seed}"
        site.is_whole()
    seconds = time.monotonic() - started
    again = attempts - searches * N_CANDIDATES
    print(f"{kills} kills over {searches} searches in {seconds:.0f} s, {again} attempts more; NASH_TEST_SEED={seed}")
