"""What tests of several folders share: services that may be missing, and data sets."""

import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
ON_POSTGRES = os.environ.get("NASH_TEST_ON_POSTGRES") == "1"


LONGEST_FIRST = [
    "test_lab", "test_stopped", "test_kill", "test_children", "test_crash_points", "test_up",
    "test_watching", "test_controls", "test_search_page", "test_axe", "test_try_it", "test_every_page",
    "test_faults", "test_launch", "test_comparing", "test_drawings",
]  # fmt: skip
"""Files of faults and of Chromium that take half a minute to one and a half each. Were one of them handed out last,
it would be run alone while the other processes have nothing left to do."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Repeated on PostgreSQL is what sees the database; from all other tests pytest-django keeps it."""
    place = {name: n for n, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
    if ON_POSTGRES:
        config.hook.pytest_deselected(items=[item for item in items if not _sees_the_database(item)])
        items[:] = [item for item in items if _sees_the_database(item)]


@pytest.fixture(scope="session", autouse=True)
def emptied_by_delete() -> Iterator[None]:
    """PostgreSQL's TRUNCATE makes every table's files anew: half a second after each test that commits."""
    with pytest.MonkeyPatch.context() as patch:
        if ON_POSTGRES:
            patch.setattr(type(connection.ops), "sql_flush", _deletes)
        yield


def _deletes(operations: BaseDatabaseOperations, style: Any, tables: Iterable[str], **_: bool) -> list[str]:
    """In any order: foreign keys are looked at when the transaction ends."""
    return [f"DELETE FROM {operations.quote_name(table)}" for table in tables]


def _sees_the_database(item: pytest.Item) -> bool:
    asked_for = {"db", "transactional_db"} & {*getattr(item, "fixturenames", ())}
    return bool(asked_for) or item.get_closest_marker("django_db") is not None


def missing(what: str) -> None:
    """Skip the test and say why; where CI=true a missing service is a failure instead."""
    if IN_CI:
        pytest.fail(f"CI=true, and {what}", pytrace=False)
    pytest.skip(what)


def _answers(url: str, port: int) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or port), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """Address of a PostgreSQL server in which tests may make databases."""
    url = os.environ.get("NASH_TEST_DATABASE_URL", "")
    if not url or not _answers(url, 5432):
        missing(f"no PostgreSQL: set NASH_TEST_DATABASE_URL=postgres://... (now {url!r})")
    return url


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Address of a Redis database that tests may fill."""
    url = os.environ.get("NASH_TEST_REDIS_URL", "")
    if not url or not _answers(url, 6379):
        missing(f"no Redis: set NASH_TEST_REDIS_URL=redis://127.0.0.1:6379/5 (now {url!r})")
    return url


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the machine's Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        missing("no Chromium on PATH: apt-get install chromium")
    assert found
    return found


@pytest.fixture(scope="session")
def cifar10_zip() -> Path:
    """All of CIFAR-10 as an image-folder archive, if it lies beside the repository (NASH_TEST_CIFAR10)."""
    path = Path(os.environ.get("NASH_TEST_CIFAR10") or ROOT.parent / "shared" / "data" / "cifar10.zip")
    if not path.is_file():
        pytest.skip(f"no CIFAR-10 at {path}: set NASH_TEST_CIFAR10")
    return path


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> Iterator[None]:
    """End the sessions that threads of asynchronous tests left: PostgreSQL drops no database in use."""
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
