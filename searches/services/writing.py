"""What people write about a search and its trainings: its name, notes in Markdown."""

from django.db import transaction

from searches.models import Candidate, Search
from searches.services.control import By, Refused, by_words, lock_to_write
from searches.services.events import append

MAX_NAME = 200
MAX_NOTE = 20_000


def rename(search: Search, name: str, by: By) -> None:
    """Give the search another name. Raises Refused."""
    wanted = " ".join(name.split())
    if not wanted:
        raise Refused("A search needs a name.")
    if len(wanted) > MAX_NAME:
        raise Refused(f"The name has {len(wanted)} characters: at most {MAX_NAME}.")
    if not wanted.isprintable():
        raise Refused("The name holds a character that cannot be shown.")
    with transaction.atomic():
        locked = lock_to_write(search, by, "rename it")
        if locked.name == wanted:
            return
        before = locked.name
        Search.objects.filter(pk=locked.pk).update(name=wanted)
        words = f"“{before}” is called “{wanted}” from now on{by_words(by)}"
        append(locked, "renamed", words, search_part={"name": wanted})


def set_note(of: Search | Candidate, text: str, by: By) -> None:
    """Write the note, in Markdown; "" takes it away. Raises Refused."""
    wanted = text.replace("\r\n", "\n").strip()
    if len(wanted) > MAX_NOTE:
        raise Refused(f"The note has {len(wanted):,} characters: at most {MAX_NOTE:,}.")
    if "\x00" in wanted:
        raise Refused("The note holds a character that cannot be kept.")
    with transaction.atomic():
        search = lock_to_write(of, by, "write about it")
        rows = type(of).objects.filter(pk=of.pk).exclude(note=wanted)
        if not rows.update(note=wanted):
            return
        what = "the search" if isinstance(of, Search) else of.code
        append(
            search,
            "noted",
            f"{'Note on' if wanted else 'The note was taken from'} {what}{by_words(by)}",
            search_part={"has_note": bool(wanted)} if isinstance(of, Search) else None,
            candidates=[] if isinstance(of, Search) else [{"id": of.pk, "has_note": bool(wanted)}],
        )
