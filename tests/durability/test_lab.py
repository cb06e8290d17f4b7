"""A lab: three workers on PostgreSQL, with its own queue or that of Redis, on servers that the test starts."""

import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice

import pytest

from tests.durability.killing import kill_at_random
from tests.durability.running import CANDIDATES, DEATHS, EVENTS, LEASE_SECONDS, SETTINGS, N, Site, scaled
from tests.durability.servers import Redis

pytestmark = [
    pytest.mark.durability,
    pytest.mark.skipif(sys.platform != "linux", reason="slots and signals of Linux"),
]

IS_SLOW = N >= 10
slow = pytest.mark.skipif(not IS_SLOW, reason="takes minutes: make test-durability N=30")
WORKERS = 3 if IS_SLOW else 2
"""Three where workers are killed at random."""
REBUILT_SECONDS = 30.0


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.stop()


def served(tmp_path_factory: pytest.TempPathFactory, workers: int, **urls: str) -> Iterator[Site]:
    running = Site(tmp_path_factory.mktemp("lab") / "data", workers=workers, NASH_LEASE_SECONDS=LEASE_SECONDS, **urls)
    yield running
    running.end()


@pytest.fixture(scope="module")
def on_postgres(postgres, tmp_path_factory) -> Iterator[Site]:
    """PostgreSQL and PostgresHuey."""
    yield from served(tmp_path_factory, WORKERS, DATABASE_URL=postgres.new_database("nash_lab"))


@pytest.fixture(scope="module")
def on_redis(postgres, redis_server, tmp_path_factory) -> Iterator[Site]:
    """PostgreSQL, in a database of its own, and PriorityRedisHuey."""
    url = postgres.new_database("nash_redis")
    yield from served(tmp_path_factory, WORKERS, DATABASE_URL=url, REDIS_URL=redis_server.url)


@pytest.fixture(scope="module")
def lone_worker(postgres, redis_server, tmp_path_factory) -> Iterator[Site]:
    """The same with one worker: while it trains one child, the message of the other waits in the queue."""
    url = postgres.new_database("nash_lone")
    yield from served(tmp_path_factory, 1, DATABASE_URL=url, REDIS_URL=redis_server.url)


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
        n_told = len(on_postgres.rows(EVENTS, uuid))
        on_postgres.wait(
            lambda uuid=uuid, n=n_told: len(on_postgres.rows(EVENTS, uuid)) > n, "it goes on", REBUILT_SECONDS
        )
        assert on_postgres.finished(uuid) == "finished"
        rows = on_postgres.rows(CANDIDATES, uuid)
        assert {row[1] for row in rows} == {"done"}
        assert on_postgres.rows(DEATHS, uuid) == []
        assert on_postgres.results(uuid) == undisturbed
        on_postgres.is_whole()


def test_redis_forgets_everything_in_the_middle(lone_worker, redis_server, undisturbed):
    for _ in range(scaled(3)):
        uuid = lone_worker.launch(**SETTINGS)
        lone_worker.wait(
            lambda uuid=uuid: one_trains_and_one_waits(lone_worker, uuid) and redis_server.n_keys() > 0,
            "a child waits, and its message is in the queue",
        )
        redis_server.forget_everything()
        lone_worker.wait(lambda: redis_server.n_keys() > 0, "the queue is rebuilt", REBUILT_SECONDS)
        assert lone_worker.finished(uuid) == "finished"
        assert {row[1:4] for row in lone_worker.rows(CANDIDATES, uuid)} == {("done", 1, 0)}
        assert lone_worker.results(uuid) == undisturbed
        lone_worker.is_whole()


def one_trains_and_one_waits(site: Site, uuid: str) -> bool:
    states = sorted(row[1] for row in site.rows(CANDIDATES, uuid) if row[0].startswith("neighbour"))
    return states == ["pending", "running"]


def n_running(site: Site, uuid: str) -> int:
    return [row[1] for row in site.rows(CANDIDATES, uuid)].count("running")
