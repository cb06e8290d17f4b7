"""A search from the command line through a real `up` to a trained model, in all three homes."""

import json
import uuid
import zipfile
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

from tests.searches.real_up import Up

pytestmark = pytest.mark.slow
TINY = {
    "channels": "4,4", "n_steps": "1", "n_neigh": "2", "n_NM": "1", "epoch_pretrain": "1", "epoch_neigh": "2",
    "epoch_final": "1",
}  # fmt: skip


@pytest.fixture
def fresh_database(postgres_url) -> Iterator[str]:
    """Address of an empty PostgreSQL database; dropped afterwards."""
    name = f"nash_up_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_redis(redis_url) -> Iterator[str]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield redis_url
        client.flushdb()


def a_search_is_launched_trained_and_downloaded(folder, **environment: str) -> None:
    up = Up(folder, "--workers", "2", **environment)
    try:
        up.find("Ready")
        settings = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
        launched = up.manage("search", "launch", "--dataset", "digits", *settings, "--wait", "--json")
        assert launched.returncode == 0, launched.stderr + up.text
        result = json.loads(launched.stdout.splitlines()[-1])
        assert result["status"] == "finished"
        assert 0 <= result["test_error"] < 0.9
        assert result["n_parameters"] > 0
        target = folder.parent / "model.zip"
        downloaded = up.manage("search", "download", result["uuid"], str(target))
        assert downloaded.returncode == 0, downloaded.stderr
        with zipfile.ZipFile(target) as archive:
            assert {"model.safetensors", "architecture.json", "model.py"} <= set(archive.namelist())
        assert "finished" in up.manage("search", "list").stdout
    finally:
        code = up.end()
    assert code == 0, up.text


def test_on_sqlite_alone(tmp_path):
    a_search_is_launched_trained_and_downloaded(tmp_path / "data")


@pytest.mark.postgres
def test_on_postgresql_with_its_queue_there_too(tmp_path, fresh_database):
    a_search_is_launched_trained_and_downloaded(tmp_path / "data", DATABASE_URL=fresh_database)
    assert not (tmp_path / "data" / "nash.sqlite3").exists()


@pytest.mark.postgres
@pytest.mark.redis
def test_on_postgresql_with_the_queue_in_redis(tmp_path, fresh_database, empty_redis):
    a_search_is_launched_trained_and_downloaded(
        tmp_path / "data", DATABASE_URL=fresh_database, REDIS_URL=empty_redis
    )
