"""The event log of a search, read from a cursor by every reader there is."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from searches.models import Event, Search

LOG_COLUMNS = ("seq", "at", "kind", "level", "words")
PAGE = 500


def events_after(search: Search, seq: int, limit: int = PAGE) -> list[Event]:
    """The events with a number above `seq`, oldest first, at most `limit` of them."""
    return list(search.events.filter(seq__gt=seq).order_by("seq")[:limit])


def newest_events(search: Search, limit: int = 100) -> list[Event]:
    """The last `limit` events, oldest of them first."""
    return list(search.events.order_by("-seq")[:limit])[::-1]


def event_frame(event: Event) -> dict[str, Any]:
    """What the live channel and the API say of an event."""
    return {**log_line(event), "payload": event.payload}


def log_line(event: Event) -> dict[str, Any]:
    """An event without what it carries: a line of the log."""
    return {
        "seq": event.seq,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "level": event.level,
        "words": event.words,
    }


def log_pages(search: Search, form: str) -> Iterator[str]:
    """The whole log in pieces: as "csv" what the log shows, as "jsonl" what each event carries, too."""
    write = _csv_line if form == "csv" else _json_line
    if form == "csv":
        yield "\ufeff" + _csv_line({name: name for name in LOG_COLUMNS})
    after = 0
    while frames := [event_frame(event) for event in events_after(search, after)]:
        yield "".join(map(write, frames))
        after = frames[-1]["seq"]


def _csv_line(frame: dict[str, Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([frame[name] for name in LOG_COLUMNS])
    return line.getvalue()


def _json_line(frame: dict[str, Any]) -> str:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")) + "\n"
