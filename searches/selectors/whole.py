"""A search as one JSON value: what its pages begin with and what the API answers."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.safestring import SafeString, mark_safe

from searches.models import Candidate, Point, Search
from searches.nash.hillclimb import COMPARISON_KINDS
from searches.selectors.kept import Kept, as_json, kept_trainings, marks_of
from searches.selectors.log import log_line, newest_events
from searches.selectors.operators import operator_table
from searches.selectors.progress import SIMULATE_SECONDS, is_superseded, progress_fields
from searches.selectors.refusals import fit_fields
from searches.selectors.snapshot import (
    HEAVY,
    candidate_dict,
    dataset_fields,
    in_order,
    point_row,
    result_fields,
    search_fields,
    settings_fields,
)
from searches.selectors.starting import start_fields
from searches.selectors.workers import worker_dicts

OF_THE_MOMENT = ("workers", "seconds_left", "refused", "can_go_on")


@dataclass(frozen=True)
class State:
    """`head`: all but trainings and points; `text`: the whole as JSON that can stand in a page."""

    head: dict[str, Any]
    text: SafeString

    @property
    def version(self) -> str:
        """Another one wherever the search reads otherwise; who works on others, and how long, is no part of it."""
        own = {name: value for name, value in self.head.items() if name not in OF_THE_MOMENT}
        trainings = self.text.partition('"candidates":')[2]
        return hashlib.sha256(f"{as_json(own)}{trainings}".encode()).hexdigest()[:24]


def snapshot(search: Search) -> dict[str, Any]:
    """Everything the search page shows at its first look, as of event `seq`.

    The number is read first: what happens meanwhile is then both here and in the events after it, which the
    reader merges without harm.
    """
    state: dict[str, Any] = json.loads(search_state(search).text)
    return state


def search_state(search: Search) -> State:
    """The same as the text that a page begins with."""
    search.refresh_from_db()
    newest = newest_events(search)
    kept = kept_trainings(search)
    head = {
        **_head(search),
        **progress_fields(search, simulate_seconds=SIMULATE_SECONDS, works=kept.works.values()),
        "tags": list(search.tags.values_list("name", flat=True)),
        "has_note": bool(search.note),
        "preset": search.preset,
        **result_fields(search, list(kept.told.values())),
        "operators": operator_table([search.operators]),
        "workers": worker_dicts(),
        "log": [log_line(event) for event in newest if event.seq <= search.seq],
    }
    return State(head, _text(head, _candidates_text(kept), ",".join(kept.points.values())))


def tree_text(search: Search) -> str:
    """What the lineage tree is drawn from, as JSON: another text wherever the drawing is another."""
    search.refresh_from_db()
    kept = kept_trainings(search)
    best = result_fields(search, list(kept.told.values()))["best"]
    head = {**search_fields(search), **settings_fields(search), "best": best}
    return f'{as_json(head)[:-1]},"candidates":[{_candidates_text(kept)}]}}'


def training_state(search: Search, candidate: Candidate) -> State:
    """What the page of one training begins with: itself, those of its row, its parent, and what belongs to no step.

    As many rows as the row of the tree has, whatever the search.
    """
    search.refresh_from_db()
    near = ~Q(kind=Candidate.Kind.NEIGHBOUR) | Q(step=candidate.step) | Q(pk=candidate.parent_id)
    parents = tuple(f"parent__{name}" for name in HEAVY)
    rows = in_order(search.candidates.filter(near).select_related("parent").defer(*HEAVY, *parents))
    for each in rows:
        each.search = search
    marks = marks_of(search, rows)
    points: dict[str, list[Any]] = {}
    shown = Point.objects.filter(candidate__in=_drawn_with(search, candidate, rows))
    for point in shown.order_by("candidate_id", "optimiser_step"):
        points.setdefault(str(point.candidate_id), []).append(point_row(point))
    head = {**_head(search), "workers": worker_dicts(), "log": []}
    texts = [as_json(candidate_dict(c) | marks.get(c.pk, {})) for c in rows]
    return State(head, _text(head, ",".join(texts), as_json(points)[1:-1]))


def _drawn_with(search: Search, candidate: Candidate, rows: list[Candidate]) -> list[int]:
    """The trainings whose curves the page of `candidate` draws: its row (Store.rowOf in static/js/state.js)."""
    n_steps = int(search.config["n_steps"])
    if is_superseded(candidate.kind, candidate.step, n_steps):
        return [c.pk for c in rows if is_superseded(c.kind, c.step, n_steps)]
    if candidate.kind in COMPARISON_KINDS:
        return [candidate.pk]
    return [c.pk for c in rows if (c.kind, c.step) == (candidate.kind, candidate.step)]


def _head(search: Search) -> dict[str, Any]:
    """What every page about a search has."""
    fields = {**search_fields(search), **settings_fields(search), **fit_fields(search)}
    return {**fields, "seq": search.seq, "start": start_fields(search), "dataset": dataset_fields(search)}


def _candidates_text(kept: Kept) -> str:
    return ",".join(kept.texts[pk] for pk in kept.told)


def _text(head: dict[str, Any], candidates: str, points: str) -> SafeString:
    whole = f'{as_json(head)[:-1]},"candidates":[{candidates}],"points":{{{points}}}}}'
    return mark_safe(whole)  # noqa: S308  # as_json lets no tag through
