"""Several searches at once: to each its own verb, in its own transaction; refusals are gathered."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from searches.models import Search
from searches.services.control import By, Refused, stop
from searches.services.deleting import delete, undelete
from searches.services.tagging import add_tags, clean_names, remove_tags


@dataclass
class Done:
    """Of which searches it was done, why not of the others, and what is to be sent to the queue."""

    searches: list[Search] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    candidate_ids: list[int] = field(default_factory=list)


def stop_all(searches: Iterable[Search], by: By) -> Done:
    """Stop each for good."""
    return _each(searches, lambda search: stop(search, by))


def delete_all(searches: Iterable[Search], by: By) -> Done:
    """Hide each; `undelete_all` brings them back."""
    return _each(searches, lambda search: delete(search, by))


def undelete_all(searches: Iterable[Search], by: By) -> Done:
    """Bring each back as it was."""
    return _each(searches, lambda search: undelete(search, by))


def tag_all(searches: Sequence[Search], names: Iterable[str], by: By) -> Done:
    """Give each these tags, too; done of those that lacked one. Raises Refused for names that are no tags."""
    wanted = _some(names)
    return _each(
        [search for search in searches if not wanted <= _tags_of(search)],
        lambda search: add_tags(search, wanted, by),
    )


def untag_all(searches: Sequence[Search], names: Iterable[str], by: By) -> Done:
    """Take these tags from each; done of those that had one. Raises Refused for names that are no tags."""
    unwanted = _some(names)
    return _each(
        [search for search in searches if unwanted & _tags_of(search)],
        lambda search: remove_tags(search, unwanted, by),
    )


def _some(names: Iterable[str]) -> set[str]:
    found = set(clean_names(names))
    if not found:
        raise Refused("No tag was written: give at least one word.")
    return found


def _tags_of(search: Search) -> set[str]:
    return {tag.name for tag in search.tags.all()}


def _each(searches: Iterable[Search], verb: Callable[[Search], list[int] | None]) -> Done:
    done = Done()
    for search in searches:
        try:
            done.candidate_ids += verb(search) or []
        except Refused as refusal:
            done.refusals.append(str(refusal))
        else:
            done.searches.append(search)
    return done
