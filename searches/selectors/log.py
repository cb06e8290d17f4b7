"""The event log of a search, read from a cursor by every reader there is."""

from typing import Any

from searches.models import Event, Search


def events_after(search: Search, seq: int, limit: int = 500) -> list[Event]:
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
