"""Settings of a site whose queue delivers every message three times, in shuffled order."""

import random
from typing import Any

from huey import SqliteHuey
from huey.storage import SqliteStorage

from nashweb.queue import JSONSerializer
from nashweb.settings import *  # noqa: F403
from nashweb.settings import NASH_DATA_DIR

TIMES = 3


class Shuffled(SqliteStorage):
    """Each message thrice; priorities that are drawn decide which is delivered first."""

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        for _ in range(TIMES):
            super().enqueue(data, priority=random.randrange(1000))


class ShuffledHuey(SqliteHuey):
    storage_class = Shuffled


HUEY: Any = ShuffledHuey(
    "nash",
    filename=str(NASH_DATA_DIR / "queue.sqlite3"),
    immediate=False,
    results=False,
    serializer=JSONSerializer(),
    timeout=20,
)
