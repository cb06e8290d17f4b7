"""How far the neighbours of a step are from its winner, measured on the same validation images and kept.

Each neighbour that is done has its gap to the winner, or to the leader while the step is open: counted once, when a
training ends or the leader changes, so that no page has to.
"""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from searches.intervals import discordant, mcnemar, paired_interval
from searches.models import Candidate, Search
from searches.selectors import n_validation_images, operator_table
from searches.selectors.operators import sums_of
from searches.services.events import append, lock_search


@dataclass(frozen=True)
class _Neighbour:
    pk: int
    is_winner: bool
    measured: float
    is_parent: bool
    index: int
    gap: dict[str, Any] | None

    @property
    def rank(self) -> tuple[bool, float, bool, int]:
        """As hillclimb.winner has it, the one that was crowned first."""
        return self.is_winner, self.measured, self.is_parent, -self.index


def measure_gaps(search: Search, step: int) -> list[dict[str, Any]]:
    """Measure and write what is not held against the step's winner, or leader, yet; the parts that events carry.

    Call it under the search's lock. Two queries and a write, whatever the number of neighbours.
    """
    measure = "val_balanced" if search.config.get("selection") == "balanced" else "val_accuracy"
    done = search.candidates.filter(kind=Candidate.Kind.NEIGHBOUR, step=step, status=Candidate.Status.DONE)
    columns = done.exclude(correct=None).exclude(**{measure: None}).values_list(
        "pk", "is_winner", measure, "morphisms", "index", "gap"
    )  # fmt: skip
    neighbours = [_Neighbour(pk, won, value, not drawn, j, gap) for pk, won, value, drawn, j, gap in columns]
    leader = max(neighbours, key=lambda each: each.rank, default=None)
    if leader is None:
        return []
    stale = [n.pk for n in neighbours if n.gap is None or n.gap["to"] != leader.pk]
    if not stale:
        return []
    rows = {c.pk: c for c in Candidate.objects.filter(pk__in={*stale, leader.pk}).only("correct")}
    n_images = n_validation_images(search.search_config, search.dataset.n_train)
    reference = bytes(rows[leader.pk].correct or b"")
    for pk in stale:
        rows[pk].gap = gap_between(bytes(rows[pk].correct or b""), reference, n_images) | {"to": leader.pk}
    Candidate.objects.bulk_update([rows[pk] for pk in stale], ["gap"], batch_size=500)
    return [{"id": pk, "gap": rows[pk].gap} for pk in stale]


def gap_between(correct: bytes, reference: bytes, n_images: int) -> dict[str, Any]:
    """Images that only one of the two gets right, p of McNemar's test, the interval of the difference (fractions).

    Positive is better than the reference. Both are packed bits of the same `n_images` images.
    """
    ahead, behind = discordant(correct, reference)
    low, high = paired_interval(ahead, behind, n_images)
    p = float(f"{mcnemar(ahead, behind):.4g}")
    return {"ahead": ahead, "behind": behind, "p": p, "low": round(low, 6), "high": round(high, 6)}


def measure_older(limit: int = 10) -> None:
    """Measure the decided steps of searches from before gaps and operators were kept, a few at a time."""
    winners = Candidate.objects.filter(kind=Candidate.Kind.NEIGHBOUR, is_winner=True, search__operators__isnull=True)
    for search_id in winners.order_by("search_id").values_list("search_id", flat=True).distinct()[:limit]:
        with transaction.atomic():
            search = lock_search(search_id)
            steps = sorted(set(winners.filter(search=search).values_list("step", flat=True)))
            parts = [part for step in steps for part in measure_gaps(search, step)]
            append(search, "gaps", "", search_part=sum_operators(search), candidates=parts)


def sum_operators(search: Search) -> dict[str, Any]:
    """Sum up the morphisms of the decided steps and keep that; the part of the search that an event carries."""
    sums = sums_of(search)
    Search.objects.filter(pk=search.pk).update(operators=sums)
    return {"operators": operator_table([sums])}
