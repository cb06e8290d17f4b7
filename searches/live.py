"""The live channel's source: one tail of the database per web process, whatever the number of browsers.

A thread looks whether anything was committed (SQLite: PRAGMA data_version every 50 ms; PostgreSQL: LISTEN, and
a safety read each second), reads the new events of the searches that somebody watches, encodes each frame once,
and wakes the watchers. A watcher has a cursor and no queue: what it has not fetched yet it finds in the feed's
last frames or, when it lags behind those, in the database. So a slow browser costs no memory.
"""

import asyncio
import json
import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from channels.db import database_sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, connection, connections

from searches import selectors
from searches.models import Event, Search
from searches.selectors.waiting import TRAINS_IN
from searches.services.events import CHANNEL

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
SAFETY_SECONDS = 1.0
PULSE_SECONDS = 1.0
RETRY_SECONDS = 1.0
KEPT_FRAMES = 256
PAGE = 200


def encode(frame: dict[str, Any]) -> str:
    return json.dumps(frame, cls=DjangoJSONEncoder, separators=(",", ":"), ensure_ascii=False)


@dataclass
class Feed:
    """What is known of one search that is watched: its last frames, encoded, and who is to be woken.

    Of a board, which has a name in place of a search, only the pulse. Written by the tail's thread, read in event
    loops: values are replaced whole, never changed.
    """

    search_id: int | str
    seq: int
    frames: tuple[tuple[int, str], ...] = ()
    pulse: tuple[str, ...] = ()
    n_pulses: int = 0
    disk_bytes: int = 0
    watchers: set["Watcher"] = field(default_factory=set)

    def after(self, seq: int) -> list[tuple[int, str]] | None:
        """Frames with a number above `seq`; None where some of them are no longer here."""
        frames = self.frames
        first = frames[0][0] if frames else self.seq + 1
        return None if seq + 1 < first else [frame for frame in frames if frame[0] > seq]


class Watcher:
    """One reader of a feed, in an event loop: waits for news and fetches what lies after its cursor."""

    def __init__(self, feed: Feed, seq: int) -> None:
        self.feed = feed
        self.seq = seq
        self._n_pulses = feed.n_pulses
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._news.set()  # there may be events after the cursor already

    def wake(self) -> None:
        """Called by the tail's thread."""
        with suppress(RuntimeError):  # the loop is closed: its watchers are about to go
            self._loop.call_soon_threadsafe(self._news.set)

    async def frames(self, timeout: float) -> list[str]:
        """The next encoded frames, at most a page of them; [] where none came in `timeout` seconds."""
        try:
            await asyncio.wait_for(self._news.wait(), timeout)
        except TimeoutError:
            return []
        self._news.clear()
        found = self.feed.after(self.seq)
        if found is None:
            found = await database_sync_to_async(read_frames)(self.feed.search_id, self.seq)
            self._news.set()  # there may be a further page
        if found:
            self.seq = found[-1][0]
        pulse = self.feed.pulse if self._n_pulses < self.feed.n_pulses else ()
        self._n_pulses = self.feed.n_pulses
        return [text for _, text in found] + list(pulse)


def read_frames(search_id: int | str, seq: int) -> list[tuple[int, str]]:
    """A page of encoded events after a number, from the database."""
    events = Event.objects.filter(search_id=search_id, seq__gt=seq).order_by("seq")[:PAGE]
    return [(event.seq, encode(selectors.event_frame(event))) for event in events]


class Tail:
    """Reads for all watchers of this process, from a thread that lives as long as there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._feeds: dict[int | str, Feed] = {}
        self._thread: threading.Thread | None = None

    def watch(self, search_id: int, seq: int, *, newest: int) -> Watcher:
        """Follow a search from event `seq` on; `newest` is the number it has reached.

        Call it in the event loop that is to be woken.
        """
        return self._watch(search_id, seq, newest)

    def watch_board(self, name: str) -> Watcher:
        """Follow what selectors.BOARDS tells each second by this name."""
        return self._watch(name, 0, 0)

    def _watch(self, search_id: int | str, seq: int, newest: int) -> Watcher:
        with self._lock:
            feed = self._feeds.get(search_id)
            if feed is None:
                feed = self._feeds[search_id] = Feed(search_id, newest)
            watcher = Watcher(feed, seq)
            feed.watchers.add(watcher)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tail", daemon=True)
                self._thread.start()
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """The watcher has gone; with the last one of a search its feed goes, with the last one of all the thread."""
        with self._lock:
            watcher.feed.watchers.discard(watcher)
            if not watcher.feed.watchers:
                self._feeds.pop(watcher.feed.search_id, None)

    def _run(self) -> None:
        try:
            while self._is_wanted():
                try:
                    self._follow()
                except DatabaseError:
                    logger.exception("the tail lost its database; it tries again")
                    connections.close_all()
                    time.sleep(RETRY_SECONDS)
        finally:
            connections.close_all()

    def _is_wanted(self) -> bool:
        with self._lock:
            if not self._feeds:
                self._thread = None
            return self._thread is threading.current_thread()

    def _follow(self) -> None:
        """Look, read, wake, until nobody watches."""
        source = Listener() if connection.vendor == "postgresql" else Poller()
        try:
            next_pulse = 0.0
            while self._is_wanted():
                is_due = time.monotonic() >= next_pulse
                if source.has_news() or is_due:
                    self._read(self._watched())
                if is_due:
                    next_pulse = time.monotonic() + PULSE_SECONDS
                    self._take_pulse(self._watched())
        finally:
            source.close()

    def _watched(self) -> list[Feed]:
        with self._lock:
            return list(self._feeds.values())

    def _read(self, feeds: list[Feed]) -> None:
        """Read what is new of every feed and wake its watchers."""
        for feed in feeds:
            if isinstance(feed.search_id, str):
                continue
            is_news = False
            while frames := read_frames(feed.search_id, feed.seq):
                feed.frames = (*feed.frames, *frames)[-KEPT_FRAMES:]
                feed.seq = frames[-1][0]
                is_news = True
            if is_news:
                self._wake(feed)

    def _take_pulse(self, feeds: list[Feed]) -> None:
        """The frames without a number: what boards tell, workers' beats, how far trainings and their jobs are.

        Of a search that is to be trained also whether every worker refuses it.
        """
        searches = [feed.search_id for feed in feeds if isinstance(feed.search_id, int)]
        beats = encode({"kind": "heartbeat", "workers": selectors.worker_dicts()}) if searches else ""
        jobs = selectors.job_frames(of_searches=searches) if searches else []
        workers = selectors.workers_answering() if searches else []
        for feed in feeds:
            if isinstance(feed.search_id, str):
                feed.pulse = tuple(map(encode, selectors.BOARDS[feed.search_id]()))
            else:
                about = tuple(encode(job) for job in jobs if job["search"] == feed.search_id)
                feed.pulse = (*self._progress(feed, workers), *about, beats)
            feed.n_pulses += 1
            self._wake(feed)

    def _progress(self, feed: Feed, workers: list[selectors.Answering]) -> list[str]:
        search = Search.objects.select_related("dataset").filter(pk=feed.search_id).first()
        is_told = search is not None and (search.status == "running" or search.disk_bytes != feed.disk_bytes)
        feed.disk_bytes = search.disk_bytes if search else 0
        if search is None:
            return []
        frames = [selectors.progress_frame(search)] if is_told else []
        if search.status in TRAINS_IN:
            frames.append({"kind": "fit", "search": selectors.fit_fields(search, workers)})
        return [encode(frame) for frame in frames]

    def _wake(self, feed: Feed) -> None:
        with self._lock:
            watchers = list(feed.watchers)
        for watcher in watchers:
            watcher.wake()


class Poller:
    """SQLite: asks every 50 ms whether another connection has committed anything."""

    def __init__(self) -> None:
        self._version: int | None = None

    def has_news(self) -> bool:
        time.sleep(LOOK_SECONDS)
        with connection.cursor() as cursor:
            version = cursor.execute("PRAGMA data_version").fetchone()[0]
        is_changed = version != self._version
        self._version = version
        return bool(is_changed)

    def close(self) -> None:
        """It holds nothing but Django's own connection."""


class Listener:
    """PostgreSQL: waits until a transaction that wrote an event has committed, or for a second."""

    def __init__(self) -> None:
        import psycopg

        self._connection = psycopg.connect(_address(), autocommit=True)
        self._connection.execute(f"LISTEN {CHANNEL}")

    def has_news(self) -> bool:
        return any(True for _ in self._connection.notifies(timeout=SAFETY_SECONDS, stop_after=1))

    def close(self) -> None:
        self._connection.close()


def _address() -> str:
    """Where Django's database is, for a connection beside its pool."""
    from psycopg.conninfo import make_conninfo

    known = ("host", "port", "dbname", "user", "password", "sslmode", "options")
    parameters = connection.get_connection_params()
    return make_conninfo(**{name: parameters[name] for name in known if name in parameters})


tail = Tail()
