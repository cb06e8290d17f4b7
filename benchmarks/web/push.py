"""200 browsers on one search at 10 events a second: how late they hear of each, and whether any is lost."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from urllib.parse import urlsplit

import websockets
from websockets.typing import Origin

from benchmarks.measures import Measure, Measures
from benchmarks.web.site import Site, Training, cookie_header, percentile

SEQ = re.compile(r'"seq":(\d+)')
SETTLE_SECONDS = 5.0


class Listener:
    """One browser's socket: when each numbered frame came."""

    def __init__(self) -> None:
        self.came: list[tuple[int, float]] = []

    async def listen(self, url: str, site: Site, ready: asyncio.Semaphore) -> None:
        async with websockets.connect(
            url, additional_headers=cookie_header(site), compression=None, origin=Origin(site.address)
        ) as socket:
            ready.release()
            async for frame in socket:
                # only numbered frames begin with their number
                if (found := SEQ.match(str(frame), 1)) is not None:
                    self.came.append((int(found[1]), time.monotonic()))


def measures_of(site: Site, *, n_browsers: int, seconds: float, rate: float = 10.0) -> Measures:
    """push_p99_ms_200 and what it costs; latency counts from before the transaction began.

    The site has SQLite, which works within the process that asks: the CPU seconds of the web process are those of web
    and database. What the writer of the events takes, a worker in this process, is not among them.
    """
    n_events = round(seconds * rate)
    training = Training(n_events, points_per_epoch=8)
    told: dict[int, float] = {}
    listeners = [Listener() for _ in range(n_browsers)]
    before, cpu = asyncio.run(_all(site, training, listeners, told, n_events, rate))
    grown = site.memory_bytes() - before
    deliveries = sum(len(listener.came) for listener in listeners)
    late = [1000 * (at - told[seq]) for listener in listeners for seq, at in listener.came if seq in told]
    expected = sorted(told)
    lost = sum(_missing(listener, expected) for listener in listeners)
    return {
        "push_p99_ms_200": Measure(percentile(late, 0.99), "ms"),
        "push_p50_ms_200": Measure(percentile(late, 0.5), "ms"),
        "push_lost": Measure(lost, "frames"),
        "push_web_growth_mb": Measure(grown / 1e6, "MB"),
        "push_cpu_seconds_per_1000": Measure(1000 * cpu / max(1, deliveries), "s"),
    }


def _missing(listener: Listener, expected: list[int]) -> int:
    """Frames that did not come, came twice, or came out of order."""
    came = [seq for seq, _ in listener.came if seq >= expected[0]]
    return abs(len(expected) - len(came)) + sum(a != b for a, b in zip(expected, came, strict=False))


async def _all(
    site: Site, training: Training, listeners: list[Listener], told: dict[int, float], n_events: int, rate: float
) -> tuple[int, float]:
    """The web process's bytes before the first event, and its CPU seconds from there to the last."""
    parts = urlsplit(site.address)
    url = f"ws://{parts.netloc}/ws/searches/{training.search.uuid}/?after={training.first_seq - 1}"
    ready = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(listener.listen(url, site, ready)) for listener in listeners]
    for _ in tasks:
        await asyncio.wait_for(ready.acquire(), 60)
    await asyncio.sleep(SETTLE_SECONDS)
    memory, cpu = site.memory_bytes(), site.cpu_seconds()
    writer = threading.Thread(target=_write, args=(training, told, n_events, rate))
    writer.start()
    while writer.is_alive():
        await asyncio.sleep(0.2)
    await asyncio.sleep(2.0)
    used = site.cpu_seconds() - cpu
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return memory, used


def _write(training: Training, told: dict[int, float], n_events: int, rate: float) -> None:
    """End epochs at this rate; nobody else writes events of this search, so that their numbers are known."""
    from django.db import connection

    begun = time.monotonic()
    for i in range(n_events):
        time.sleep(max(0.0, begun + i / rate - time.monotonic()))
        told[training.first_seq + i] = time.monotonic()
        training.end_epoch()
    connection.close()
