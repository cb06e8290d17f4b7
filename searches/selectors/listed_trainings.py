"""What the list of searches tells of their trainings, kept between requests as long as nothing happens."""

import threading
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from searches.models import Candidate, Search
from searches.nash.hillclimb import ENDED, code_of
from searches.selectors.progress import is_superseded


class Telling(NamedTuple):
    """Of a training what a line tells; rows of models take longer to make than the whole line."""

    pk: int
    search_id: int
    kind: str
    step: int
    index: int  # type: ignore[assignment]  # hides a method of tuples that nobody needs here
    status: str
    is_winner: bool
    val_accuracy: float | None
    test_accuracy: float | None
    n_parameters: int

    @property
    def code(self) -> str:
        return code_of((self.kind, self.step, self.index))


@dataclass(frozen=True)
class Trainings:
    """Of a search as of its event `seq`: those that tell, and the epochs of all. Beats alone make no event."""

    seq: int
    telling: tuple[Telling, ...]
    epochs_done: float

    @property
    def is_under_way(self) -> bool:
        return any(each.status == Candidate.Status.RUNNING for each in self.telling)


KNOWN = 5_000
"""Searches of which each process keeps that."""
_known: dict[UUID, Trainings] = {}
_lock = threading.Lock()


def trainings_of(searches: Sequence[Search]) -> dict[int, Trainings]:
    """By search; read are those of searches in which something has happened since they were read, or trains now."""
    with _lock:
        known = {s.pk: _known[s.uuid] for s in searches if s.uuid in _known}
    known = {s.pk: known[s.pk] for s in searches if s.pk in known and known[s.pk].seq == s.seq}
    stale = [s for s in searches if s.pk not in known or known[s.pk].is_under_way]
    if stale:
        telling = _telling_candidates([s.pk for s in stale])
        stopped = {s.pk for s in stale if s.status == Search.Status.STOPPED}
        epochs = _epochs_done({s.pk: int(s.config["n_steps"]) for s in stale}, stopped)
        fresh = {s: Trainings(s.seq, tuple(telling[s.pk]), epochs[s.pk]) for s in stale}
        known |= {s.pk: of for s, of in fresh.items()}
        with _lock:
            _known.update({s.uuid: of for s, of in fresh.items()})
            for uuid in list(_known)[: max(0, len(_known) - KNOWN)]:
                del _known[uuid]
    return known


def _epochs_done(n_steps: dict[int, int], stopped: Container[int]) -> dict[int, float]:
    """Epochs by search: the ended count whole, the running as far as they are, what is superseded not at all.

    What a stop cancelled counts as far as it got.
    """
    columns = ("search_id", "kind", "step", "status", "epochs", "epoch")
    epochs: dict[int, float] = defaultdict(float)
    for search_id, kind, step, status, total, done in _candidates_of(list(n_steps)).values_list(*columns):
        if not is_superseded(kind, step, n_steps[search_id]):
            is_whole = status in ENDED and not (status == Candidate.Status.CANCELLED and search_id in stopped)
            epochs[search_id] += total if is_whole else done
    return epochs


def _telling_candidates(search_ids: Sequence[int]) -> dict[int, list[Telling]]:
    """Winners, final trainings and what trains now, by search, in the order of the algorithm."""
    telling = Q(is_winner=True) | Q(kind=Candidate.Kind.FINAL) | Q(status=Candidate.Status.RUNNING)
    rows = _candidates_of(search_ids).filter(telling).values_list(*Telling._fields)
    by_search: dict[int, list[Telling]] = defaultdict(list)
    for candidate in map(Telling._make, rows):
        by_search[candidate.search_id].append(candidate)
    for candidates in by_search.values():
        candidates.sort(key=lambda c: (c.step, c.index))
    return by_search


def unchanged_of(search_ids: Sequence[int]) -> set[int]:
    """Of what trains now, the parents that are trained again: no morphism was drawn for them."""
    running = _candidates_of(search_ids).filter(status=Candidate.Status.RUNNING)
    return {pk for pk, morphisms in running.values_list("pk", "morphisms") if not morphisms}


def _candidates_of(search_ids: Sequence[int]) -> QuerySet[Candidate]:
    return Candidate.objects.filter(search__in=search_ids).order_by()
