"""Searches with the same settings but for the seed: repetitions of one experiment."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from searches.models import Search
from searches.selectors.marks import engine_words
from searches.selectors.starting import shown_config

Settings = dict[str, str]
NO_SETTING = ("input_shape", "n_classes")
"""Fields of a SearchConfig that follow from the data set."""
SAME_SEARCH = ("seed", "comparisons")
"""What may differ between repetitions: chance, and what is trained after the search has ended."""
TOLD = 3
"""Settings that a group's name tells at most."""
LEAST_ALIKE = 3
"""Letters that names have to begin with alike for that to be a group's name."""
GROUPED_FROM = 10_000
"""Whole numbers from here on are read with commas."""


@dataclass(frozen=True)
class Group:
    """Repetitions of one experiment, in the order in which they were given."""

    name: str
    members: list[Search]


def settings_of(search: Search) -> Settings:
    """Data set, settings, budget, engine version as they are read; None is "none", a list its parts with commas."""
    values = {"start": None, **shown_config(search.search_config)}
    config = {name: value for name, value in values.items() if name not in NO_SETTING}
    budget = {"hours_limit": search.hours_limit, "accuracy_goal": search.accuracy_goal}
    facts = {"data set": search.dataset.name, **config, **budget, "engine version": engine_words(search)}
    return {name: _words(value) for name, value in facts.items()}


def differing(settings: Collection[Settings]) -> list[str]:
    """Names of the settings that are not the same in all of them."""
    return [name for name in next(iter(settings), {}) if len({own[name] for own in settings}) > 1]


def groups_of(searches: Sequence[Search], settings: Mapping[int, Settings]) -> list[Group]:
    """The groups, in the order of their first search; `settings` by the searches' primary keys.

    A group of one is named as its search; others by what their searches' names begin with alike, where that tells
    the groups apart, else by what sets them apart from the other searches given.
    """
    apart = [name for name in differing(settings.values()) if name not in SAME_SEARCH]
    members: dict[tuple[str, ...], list[Search]] = defaultdict(list)
    for search in searches:
        own = settings[search.pk]
        members[tuple(value for name, value in own.items() if name not in SAME_SEARCH)].append(search)
    alike = [_alike(found) for found in members.values()]
    names = [
        name if name and alike.count(name) == 1 else _told(settings[found[0].pk], apart)
        for found, name in zip(members.values(), alike, strict=True)
    ]
    return [
        Group(found[0].name if len(found) == 1 else f"{name}, {len(found)} seeds", found)
        for found, name in zip(members.values(), names, strict=True)
    ]


def _alike(members: list[Search]) -> str:
    """What the names begin with alike, without a word cut in two and without "seed"; "" for next to nothing."""
    names = [search.name for search in members]
    shared = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    start = "".join(letter for letter, *_ in shared)
    if any(name[len(start) : len(start) + 1].isalnum() for name in names):
        start = re.sub(r"\w+$", "", start)
    start = re.sub(r"[\W_]*(\bseed)?[\W_]*$", "", start)
    return start if len(start) >= LEAST_ALIKE else ""


def _told(own: Settings, apart: list[str]) -> str:
    told = ", ".join(f"{name} {own[name]}" for name in apart[:TOLD]) + (" …" if len(apart) > TOLD else "")
    return told or "same settings"


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "none"
    if isinstance(value, int) and value >= GROUPED_FROM:
        return f"{value:,}"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
