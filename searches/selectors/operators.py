"""The morphisms that were drawn, by kind: how often, how often in a winner, and what their children gained.

Sums are kept with each search (Search.operators), so that a table over a thousand of them is one query.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from django.db.models import QuerySet

from searches.intervals import mean_of_sums
from searches.models import Candidate, Search
from searches.nash.morphisms import MORPHISMS

Sums: TypeAlias = dict[str, dict[str, float]]
"""Kind of morphism -> sums over the decided steps (see EMPTY)."""
EMPTY = {"drawn": 0, "won": 0, "children": 0, "gain": 0.0, "squares": 0.0}
"""Morphisms drawn; those of winners; children that carry one and have a gain, its sum and the sum of its squares."""
KINDS = tuple(m.kind for m in MORPHISMS)


def sums_of(search: Search) -> Sums:
    """Over the decided steps of one search.

    The gain of a child is its accuracy minus that of the parent's own slot: the parent, trained again for as many
    epochs. Where that slot came to nothing, no child of the step has a gain.
    """
    rows = search.candidates.filter(kind=Candidate.Kind.NEIGHBOUR).values_list(
        "step", "status", "is_winner", "val_accuracy", "morphisms"
    )  # fmt: skip
    neighbours = list(rows)
    decided = {step for step, _, is_winner, _, _ in neighbours if is_winner}
    done = Candidate.Status.DONE
    parents = {
        step: accuracy
        for step, status, _, accuracy, drawn in neighbours
        if status == done and not drawn and accuracy is not None
    }
    sums = {kind: dict(EMPTY) for kind in KINDS}
    for step, status, is_winner, accuracy, morphisms in neighbours:
        if step not in decided:
            continue
        for morphism in morphisms:
            sums[morphism["kind"]]["drawn"] += 1
            sums[morphism["kind"]]["won"] += is_winner
        if status == done and accuracy is not None and step in parents:
            gain = accuracy - parents[step]
            for kind in {m["kind"] for m in morphisms}:
                sums[kind]["children"] += 1
                sums[kind]["gain"] += gain
                sums[kind]["squares"] += gain * gain
    return sums


def operator_table(several: Iterable[Mapping[str, Mapping[str, float]] | None]) -> list[dict[str, Any]]:
    """A row for each kind of morphism, over the sums of several searches.

    `mean` and `half`: mean gain of the children that carry it and half its 95 % interval, fractions; None where
    there are too few to say.
    """
    total = {kind: dict(EMPTY) for kind in KINDS}
    for sums in several:
        for kind, row in (sums or {}).items():
            for name, value in row.items():
                total[kind][name] += value
    return [_row(kind, sums) for kind, sums in total.items()]


def operators_of(searches: QuerySet[Search]) -> dict[str, Any]:
    """The table over these searches, and how many of them have a decided step. One query."""
    several = list(searches.exclude(operators__isnull=True).values_list("operators", flat=True))
    return {"operators": operator_table(several), "n_searches": sum(_has_any(sums or {}) for sums in several)}


def _has_any(sums: Mapping[str, Mapping[str, float]]) -> bool:
    return any(row["drawn"] for row in sums.values())


def _row(kind: str, sums: Mapping[str, float]) -> dict[str, Any]:
    n = int(sums["children"])
    mean = mean_of_sums(n, sums["gain"], sums["squares"]) if n else None
    return {
        "kind": kind,
        "drawn": int(sums["drawn"]),
        "won": int(sums["won"]),
        "children": n,
        "mean": round(mean.mean, 6) if mean else None,
        "half": round(mean.half, 6) if mean and mean.half is not None else None,
    }
