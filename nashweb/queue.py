"""The Huey queue: which storage, and how a message is written."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from huey import Huey, PostgresHuey, PriorityRedisHuey, SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer
from redis import ConnectionPool

REDIS_SECONDS = 5.0
"""A Redis server that is silent for longer does not answer; a worker's wait for a message is cut after one second."""

SILENT_SERVER = {
    "connect_timeout": "10",  # seconds
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds
}
"""libpq's own words for when a connection is given up to which no answer comes: after about half a minute."""


def given_up_when_silent(database_url: str) -> str:
    """The address of a PostgreSQL server, with SILENT_SERVER where it does not say otherwise; another as it is.

    A server whose machine or network is gone closes no connection. By the system's own patience a worker would wait
    for it for a quarter of an hour, or for two hours if it has asked already.
    """
    if not is_postgres(database_url):
        return database_url
    url = urlsplit(database_url)
    return url._replace(query=urlencode({**SILENT_SERVER, **dict(parse_qsl(url.query))})).geturl()


def is_postgres(database_url: str) -> bool:
    return database_url.startswith(("postgres:", "postgresql:"))


class JSONSerializer(Serializer):
    """Huey messages as JSON: a task's name and ids. Unlike pickle, reading one can run nothing."""

    def _serialize(self, data: Any) -> bytes:
        if isinstance(data, Message):
            eta = data.eta.isoformat() if data.eta else None
            data = {"message": {**data._asdict(), "eta": eta}}
        else:
            data = {"value": data}
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Any:
        read = json.loads(bytes(data))
        if "message" not in read:
            return read["value"]
        message = Message(**read["message"])
        eta = datetime.fromisoformat(message.eta) if message.eta else None
        return message._replace(eta=eta, args=tuple(message.args or ()))


def make_queue(folder: Path, database_url: str, redis_url: str) -> Huey:
    """Return the queue: Redis if there is one, else PostgreSQL, else a SQLite file of its own.

    `immediate` is always off: a training never runs inside the request that asked for it.
    """
    common: dict[str, Any] = {"immediate": False, "results": False, "serializer": JSONSerializer()}
    if redis_url:
        pool = ConnectionPool.from_url(redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)
        return PriorityRedisHuey(_name_in_redis(folder, database_url), connection_pool=pool, **common)
    if is_postgres(database_url):
        return PostgresHuey("nash", dsn=database_url, create_tables=False, **common)
    return SqliteHuey("nash", filename=str(folder / "queue.sqlite3"), timeout=20, **common)


def _name_in_redis(folder: Path, database_url: str) -> str:
    """Sites that share a Redis server must not take each other's messages: the name of the database tells them apart.

    The hosts of one site may write its address differently; a SQLite file is of one host.
    """
    url = urlsplit(database_url)
    if url.scheme.startswith("postgres"):
        return f"nash-{url.path.strip('/')}"
    return f"nash-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"


def create_tables(queue: Huey) -> None:
    """Make the queue's tables where they live in PostgreSQL; called after migrations. Safe to repeat."""
    if isinstance(queue, PostgresHuey):
        queue.storage.initialize_schema()
