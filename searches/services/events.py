"""The append-only event log of a search, written in the transaction that changes the state."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import F

from searches.models import Candidate, Event, Point, Search
from searches.selectors import candidate_dict, point_row

CHANNEL = "nash_events"
"""PostgreSQL's notification channel; the payload is the search's primary key."""
MOST_BYTES = 7_600
"""Of what an event carries and says: its frame, with number, time and kind, stays below 8 kB."""


def lock_search(search_id: int) -> Search:
    """The search's row, locked until the transaction ends; taken before any candidate's, everywhere.

    SQLite has no row locks: there the transaction itself, begun IMMEDIATE, keeps other writers out.
    """
    return Search.objects.select_for_update(of=("self",)).select_related("dataset").get(pk=search_id)


def append(
    search: Search,
    kind: str,
    words: str,
    *,
    level: str = Event.Level.INFO,
    search_part: Mapping[str, Any] | None = None,
    candidates: Iterable[Candidate | Mapping[str, Any]] = (),
    points: Mapping[int, Sequence[Point]] | None = None,
) -> Event:
    """Write the search's next event; call it in the transaction that holds the search's lock.

    Its number comes from the search's row, so that numbers have no gaps and rise in the order of commits. The
    payload carries what a page needs to follow: parts of the snapshot, and points to append. Candidates that it has
    no room for follow in events of the kind "more", without words.
    """
    payload: dict[str, Any] = {}
    if search_part:
        payload["search"] = dict(search_part)
    if points:
        payload["points"] = {str(pk): [point_row(p) for p in rows] for pk, rows in points.items()}
    changed = [candidate_dict(c) if isinstance(c, Candidate) else dict(c) for c in candidates]
    first, *others = _portions(changed, MOST_BYTES - _n_bytes(payload) - _n_bytes(words))
    if first:
        payload["candidates"] = first
    event = _write(search, kind, level, words, payload)
    for portion in others:
        _write(search, "more", Event.Level.INFO, "", {"candidates": portion})
    _wake_tails(search)
    return event


def _portions(parts: Iterable[dict[str, Any]], room: int) -> Iterator[list[dict[str, Any]]]:
    """The parts in order, as many at a time as fit: at first into `room` bytes, maybe none, then into MOST_BYTES."""
    portion: list[dict[str, Any]] = []
    for part in parts:
        room -= _n_bytes(part)
        if room < 0:
            yield portion
            portion, room = [], MOST_BYTES - _n_bytes(part)
        portion.append(part)
    yield portion


def _n_bytes(value: Any) -> int:
    """As a part of a frame, with the comma behind it."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) + 1


def _write(search: Search, kind: str, level: str, words: str, payload: dict[str, Any]) -> Event:
    Search.objects.filter(pk=search.pk).update(seq=F("seq") + 1)
    search.seq = Search.objects.values_list("seq", flat=True).get(pk=search.pk)
    return Event.objects.create(search=search, seq=search.seq, kind=kind, level=level, words=words, payload=payload)


def _wake_tails(search: Search) -> None:
    """Tell PostgreSQL's listeners, at commit; SQLite's tail sees the commit by itself."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(search.pk)])


def candidate_of(search: Search, candidate_id: int) -> Candidate:
    """A fresh candidate with the relations that an event shows; the search is the locked one."""
    candidate = Candidate.objects.select_related("parent").get(pk=candidate_id)
    candidate.search = search
    return candidate
