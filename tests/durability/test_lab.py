"""A lab: three workers on PostgreSQL, with its own queue or that of Redis, on servers that the test starts."""

import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice

import pytest

from tests.durability.killing import kill_at_random
from tests.durability.running import CANDIDATES, EVENTS, LEASE_SECONDS, SETTINGS, N, Site, scaled
from tests.durability.servers import Postgres, Redis

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

slow = pytest.mark.skipif(N < 10, reason="takes minutes: make test-durability N=30")
WORKERS = 3
REBUILT_SECONDS = 30.0
WIDE = {**SETTINGS, "n_neigh": 6, "n_steps": 1}
"""Something waits in the queue while as much is trained as there are cores."""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres") / "server")
    yield server
    server.stop("immediate")


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def on_postgres(postgres, tmp_path_factory) -> Iterator[Site]:
    """PostgreSQL and PostgresHuey."""
    folder = tmp_path_factory.mktemp("lab") / "data"
    running = Site(folder, workers=WORKERS, DATABASE_URL=postgres.url, NASH_LEASE_SECONDS=LEASE_SECONDS)
    yield running
    running.end()


@pytest.fixture(scope="module")
def on_redis(postgres, redis_server, tmp_path_factory) -> Iterator[Site]:
    """PostgreSQL, in a database of its own, and PriorityRedisHuey."""
    url = postgres.new_database("nash_redis")
    folder = tmp_path_factory.mktemp("lab") / "data"
    running = Site(
        folder, workers=WORKERS, DATABASE_URL=url, REDIS_URL=redis_server.url, NASH_LEASE_SECONDS=LEASE_SECONDS
    )
    yield running
    running.end()


@slow
def test_sigkill_of_workers_at_random_times_on_postgresql(on_postgres, undisturbed):
    kill_at_random(on_postgres, undisturbed, N)


@slow
def test_sigkill_of_workers_at_random_times_on_postgresql_and_redis(on_redis, undisturbed):
    kill_at_random(on_redis, undisturbed, N)


def test_postgresql_is_restarted_in_the_middle(on_postgres, postgres, undisturbed):
    for mode in islice(cycle(["immediate", "fast"]), scaled(3)):  # a crash, and an orderly one
        uuid = on_postgres.launch(**SETTINGS)
        on_postgres.wait(lambda uuid=uuid: n_running(on_postgres, uuid) == 2, "children are trained")
        postgres.stop(mode)
        time.sleep(1)
        postgres.start()
        assert on_postgres.finished(uuid) == "finished"
        rows = on_postgres.rows(CANDIDATES, uuid)
        assert {row[1] for row in rows} == {"done"}
        assert on_postgres.results(uuid) == undisturbed
        on_postgres.is_whole()


def test_redis_forgets_everything_in_the_middle(on_redis, redis_server):
    uuid = on_redis.launch(**WIDE)
    assert on_redis.finished(uuid) == "finished"
    nothing_happened = on_redis.results(uuid)
    for _ in range(scaled(3)):
        uuid = on_redis.launch(**WIDE)
        on_redis.wait(lambda uuid=uuid: n_running(on_redis, uuid) >= 2, "children are trained")
        redis_server.forget_everything()
        began = len(started(on_redis, uuid))
        on_redis.wait(
            lambda uuid=uuid, began=began: len(started(on_redis, uuid)) > began or on_redis.is_over(uuid),
            "the queue is rebuilt", REBUILT_SECONDS,
        )  # fmt: skip
        assert on_redis.finished(uuid) == "finished"
        assert {row[1:4] for row in on_redis.rows(CANDIDATES, uuid)} == {("done", 1, 0)}
        assert on_redis.results(uuid) == nothing_happened
        on_redis.is_whole()


def n_running(site: Site, uuid: str) -> int:
    return [row[1] for row in site.rows(CANDIDATES, uuid)].count("running")


def started(site: Site, uuid: str) -> list[str]:
    return [words for _, kind, words in site.rows(EVENTS, uuid) if kind == "candidate_started"]
