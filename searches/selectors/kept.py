"""The trainings of a search as the JSON text that pages begin with, kept between requests.

2,000 trainings and their curves are 4 MB, and half a second of work. What each process keeps is held against the
search's `seq`: every write that a page shows appends an event that names the trainings it changed, so that only those
are read again. Beats alone write without an event: what trains is read anew each time.
"""

import json
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from searches.models import Candidate, Point, Search
from searches.selectors.estimate import Work
from searches.selectors.progress import COLUMNS, work_of
from searches.selectors.snapshot import HEAVY, KIND_ORDER, candidate_dict, rounded

MANY_EPOCHS = 5000
"""From so many epochs in a search on, a page would wait seconds for every point of every child."""
MOST_NAMED = 300
"""Trainings; where more have changed, all are read."""
MOST_EVENTS = 1000
KEPT_CHARACTERS = 48_000_000
"""Of all searches together; the one that was asked for longest ago goes first."""
IN_MARKUP = {ord(sign): f"\\u{ord(sign):04X}" for sign in "<>&"}
"""So that JSON can stand in a page, where it is the same JSON."""


def as_json(value: Any) -> str:
    """Compact, and safe between the tags of a page."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(IN_MARKUP)


class Told(NamedTuple):
    """Of a training what the search's own fields follow from."""

    pk: int
    kind: str
    step: int
    index: int  # type: ignore[assignment]  # hides a method of tuples that nobody needs here
    status: str
    is_winner: bool
    epochs: int
    test_accuracy: float | None
    ended: datetime | None


@dataclass(frozen=True)
class Kept:
    """All trainings of a search in the order of the algorithm, by primary key, as of event `seq`.

    `points`: '"<pk>":[[...], ...]' of each that has any; of those in `coarse` the ends of epochs only. Nothing here
    is changed once it is made.
    """

    seq: int
    n_steps: int
    told: dict[int, Told] = field(default_factory=dict)
    works: dict[int, Work] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    points: dict[int, str] = field(default_factory=dict)
    coarse: frozenset[int] = frozenset()

    @property
    def size(self) -> int:
        return sum(map(len, self.texts.values())) + sum(map(len, self.points.values()))


_kept: OrderedDict[UUID, Kept] = OrderedDict()
_sizes: dict[UUID, int] = {}
_lock = threading.Lock()


def kept_trainings(search: Search) -> Kept:
    """`search`: as its row was read just now. What is written meanwhile may be in the answer already."""
    with _lock:
        before = _kept.get(search.uuid)
    named = None if before is None else _named_since(search, before)
    if before is None or named is None:
        now = _all(search)
    else:
        trains = {told.pk for told in before.told.values() if told.status == Candidate.Status.RUNNING}
        now = _again(search, before, named, trains - named)
    with _lock:
        _kept[search.uuid] = now
        _kept.move_to_end(search.uuid)
        if now is not before:
            _sizes[search.uuid] = now.size
        while len(_kept) > 1 and sum(_sizes.values()) > KEPT_CHARACTERS:
            uuid, _ = _kept.popitem(last=False)
            del _sizes[uuid]
    return now


def _named_since(search: Search, before: Kept) -> set[int] | None:
    """The trainings that events since then name; None where all are to be read."""
    n_new = search.seq - before.seq
    if before.n_steps != _n_steps(search) or n_new > MOST_EVENTS:
        return None
    named: set[int] = set()
    if n_new > 0:
        events = search.events.filter(seq__gt=before.seq, seq__lte=search.seq)
        for payload in events.values_list("payload", flat=True):
            named.update(part["id"] for part in payload.get("candidates", ()))
            named.update(map(int, payload.get("points", ())))
    return named if len(named) <= MOST_NAMED else None


def _all(search: Search) -> Kept:
    rows = {c.pk: c for c in search.candidates.defer(*HEAVY)}
    for candidate in rows.values():
        candidate.search = search
        if candidate.parent_id is not None:
            candidate.parent = rows[candidate.parent_id]  # parents are trainings of the same search
    now = _with_rows(Kept(search.seq, _n_steps(search)), search, rows.values())
    coarse = _coarse(now.told)
    points = Point.objects.filter(candidate__search=search)
    if coarse:
        newest = max(told.step for told in now.told.values())
        whole = ~Q(candidate__kind=Candidate.Kind.NEIGHBOUR) | Q(candidate__step__gte=newest - 1)
        points = points.filter(whole | Q(val_accuracy__isnull=False))
    return Kept(now.seq, now.n_steps, now.told, now.works, now.texts, _texts_of(points), coarse)


def _again(search: Search, before: Kept, named: set[int], trains: set[int]) -> Kept:
    """`named`: to be read again with their points; `trains`: without."""
    if not named and not trains:
        return before if search.seq <= before.seq else Kept(search.seq, *_but_seq(before))
    heavy = (*HEAVY, *(f"parent__{name}" for name in HEAVY))
    rows = search.candidates.filter(pk__in=named | trains).select_related("parent").defer(*heavy)
    found = list(rows)
    for candidate in found:
        candidate.search = search
    now = _with_rows(before, search, found)
    coarse = _coarse(now.told)
    changed = named | (coarse ^ before.coarse)
    if len(changed) > MOST_NAMED:
        return _all(search)
    ends = Point.objects.filter(candidate__in=changed & coarse, val_accuracy__isnull=False)
    fresh = _texts_of(Point.objects.filter(candidate__in=changed - coarse)) | _texts_of(ends)
    points = {pk: text for pk, text in before.points.items() if pk not in changed} | fresh
    return Kept(max(search.seq, before.seq), now.n_steps, now.told, now.works, now.texts, points, coarse)


def _but_seq(kept: Kept) -> tuple[Any, ...]:
    return kept.n_steps, kept.told, kept.works, kept.texts, kept.points, kept.coarse


def _with_rows(base: Kept, search: Search, rows: Collection[Candidate]) -> Kept:
    """`base` with these rows in place of what it has of them."""
    marks = marks_of(search, rows)
    told, works, texts = dict(base.told), dict(base.works), dict(base.texts)
    for candidate in rows:
        told[candidate.pk] = Told._make(getattr(candidate, name) for name in Told._fields)
        works[candidate.pk] = work_of({name: getattr(candidate, name) for name in COLUMNS})
        texts[candidate.pk] = as_json(candidate_dict(candidate) | marks.get(candidate.pk, {}))
    if len(told) > len(base.told):
        ordered = sorted(told.values(), key=lambda t: (KIND_ORDER.index(t.kind), t.step, t.index))
        told = {each.pk: each for each in ordered}
    return Kept(base.seq, base.n_steps, told, works, texts)


def marks_of(search: Search, candidates: Iterable[Candidate]) -> Mapping[int, dict[str, Any]]:
    """Tags and whether there is a note, of the trainings that people wrote something about."""
    marks: dict[int, dict[str, Any]] = defaultdict(dict)
    tagged = Candidate.tags.through.objects.filter(candidate__search=search).order_by("tag__name")
    for pk, name in tagged.values_list("candidate_id", "tag__name"):
        marks[pk].setdefault("tags", []).append(name)
    for candidate in candidates:
        if candidate.note:
            marks[candidate.pk]["has_note"] = True
    return marks


def _coarse(told: Mapping[int, Told]) -> frozenset[int]:
    """Children of earlier steps of a search with very many epochs: the ends of epochs are enough of their curves."""
    if sum(each.epochs for each in told.values()) <= MANY_EPOCHS:
        return frozenset()
    newest = max(each.step for each in told.values())
    return frozenset(t.pk for t in told.values() if t.kind == Candidate.Kind.NEIGHBOUR and t.step < newest - 1)


def _texts_of(points: QuerySet[Point]) -> dict[int, str]:
    """By training, in the order of the optimiser's steps."""
    rows: dict[int, list[Any]] = defaultdict(list)
    columns = ("candidate_id", "optimiser_step", "epoch", "loss", "lr", "val_accuracy", "seconds")
    ordered = points.order_by("candidate_id", "optimiser_step").values_list(*columns)
    for pk, *values in ordered.iterator(chunk_size=2000):
        rows[pk].append(rounded(*values))
    return {pk: f'"{pk}":{as_json(of)}' for pk, of in rows.items()}


def _n_steps(search: Search) -> int:
    return int(search.config["n_steps"])
