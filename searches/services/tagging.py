"""Tags of a search or of one of its trainings: words that people sort by."""

from collections.abc import Iterable

from django.db import transaction

from searches.models import Candidate, Search, Tag
from searches.services.control import By, Refused, by_words, lock_to_write
from searches.services.events import append

MAX_LENGTH = 50
MAX_TAGS = 20


def clean_names(names: Iterable[str]) -> list[str]:
    """Names as they are kept: small letters, single spaces, each once, in order. Raises Refused."""
    cleaned = sorted({name for each in names if (name := " ".join(each.split()).lower())})
    for name in cleaned:
        if len(name) > MAX_LENGTH:
            raise Refused(f"The tag “{name[:20]}…” has {len(name)} characters: at most {MAX_LENGTH}.")
        if "," in name or not name.isprintable():
            raise Refused(f"“{name}” is no tag: a comma stands between two tags, not in one.")
    if len(cleaned) > MAX_TAGS:
        raise Refused(f"{len(cleaned)} tags: at most {MAX_TAGS}.")
    return cleaned


def set_tags(of: Search | Candidate, names: Iterable[str], by: By) -> None:
    """Give it these tags and no others. Raises Refused."""
    wanted = clean_names(names)
    with transaction.atomic():
        _tag(lock_to_write(of, by, "tag it"), of, wanted, by)


def add_tags(of: Search | Candidate, names: Iterable[str], by: By) -> None:
    """Give it these tags, too. Raises Refused."""
    wanted = clean_names(names)
    with transaction.atomic():
        search = lock_to_write(of, by, "tag it")
        _tag(search, of, clean_names([*_names(of), *wanted]), by)


def remove_tags(of: Search | Candidate, names: Iterable[str], by: By) -> None:
    """Take these tags from it. Raises Refused."""
    unwanted = set(clean_names(names))
    with transaction.atomic():
        search = lock_to_write(of, by, "tag it")
        _tag(search, of, [name for name in _names(of) if name not in unwanted], by)


def _names(of: Search | Candidate) -> list[str]:
    return list(of.tags.order_by("name").values_list("name", flat=True))


def _tag(search: Search, of: Search | Candidate, names: list[str], by: By) -> None:
    """Write the tags and say so; nothing where they are these already."""
    before = _names(of)
    if names == before:
        return
    Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
    of.tags.set(Tag.objects.filter(name__in=names))
    new, gone = [n for n in names if n not in before], [n for n in before if n not in names]
    changes = [f"tagged {_quoted(new)}"] * bool(new) + [f"no longer tagged {_quoted(gone)}"] * bool(gone)
    what = "The search" if isinstance(of, Search) else of.code
    append(
        search,
        "tagged",
        f"{what} is {' and '.join(changes)}{by_words(by)}",
        search_part={"tags": names} if isinstance(of, Search) else None,
        candidates=[] if isinstance(of, Search) else [{"id": of.pk, "tags": names}],
    )


def _quoted(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)
