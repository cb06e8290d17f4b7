"""Searches that stand still although workers answer: each of these refuses all that waits of them.

What a worker refuses for its engine version follows from its own row; what else it refused stands in Refusal rows.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Count

from searches.models import ENGINE_VERSION, Candidate, Refusal, Search
from searches.selectors.waiting import IS_TO_BE_HAD, LARGEST_FIRST, LEASE_IS_DEAD, TRAINS_IN
from searches.selectors.workers import workers_alive

ENGINE = "engine version"
DIGEST = "digest of the data set"
THREADS = "number of threads"
PATH = "numeric path"
SETTINGS = "settings"
IMAGES = "data set"
LET_GO = frozenset({THREADS, PATH})
"""What is fixed at the first claim of a training, and what services.go_on lets go of."""
GO_ON = "Go on lets any worker train it, which marks it; or start a worker of the search's own kind."
HELPS = {
    THREADS: GO_ON,
    PATH: GO_ON,
    DIGEST: "Bring the data set back as it was, from a backup for instance; or clone the search: the copy takes the "
    "data set as it is now.",
    SETTINGS: "Start workers of the version that launched it.",
    IMAGES: "Mend the data set: bring its files back, from a backup for instance.",
}
"""The next step, by in what they differ."""
NOTHING_IS_LOST = "Nothing is lost: what was trained so far is kept."


class Answering(NamedTuple):
    """A worker that answers. `engine`: its engine version, None where it does not say; `n_refused`: trainings."""

    pk: int
    engine: int | None
    n_refused: int

    def is_of(self, engine_version: int) -> bool:
        return self.engine in (None, engine_version)


@dataclass(frozen=True)
class Unfit:
    """Why a search is refused by every worker: `brief` as it follows "refused", `words` with what is safe and helps.

    `can_go_on`: whether services.go_on would help.
    """

    brief: str
    words: str
    can_go_on: bool


def workers_answering() -> list[Answering]:
    """Those whose beats are fresh."""
    workers = workers_alive().annotate(n_refused=Count("refusals")).order_by("pk")
    rows = workers.values_list("pk", "versions", "n_refused")
    return [Answering(pk, versions.get("engine"), n_refused) for pk, versions, n_refused in rows]


def versions_under_way() -> dict[int, int]:
    """The engine version of every search that workers train for, by primary key, in the order of training."""
    rows = Search.objects.filter(status__in=TRAINS_IN, deleted=None).order_by("-priority", "created", "pk")
    return dict(rows.values_list("pk", "engine_version"))


def refused_by_all(workers: Sequence[Answering], versions: Mapping[int, int]) -> dict[int, Unfit]:
    """Of searches under way (their engine versions by primary key) those that every worker refuses.

    Nothing of them is trained, and each worker is of another version or has refused each training that waits. Without
    a worker that answers there is none: such searches are stalled, or wait.
    """
    suspects = [
        pk
        for pk, version in versions.items()
        if workers and not any(worker.is_of(version) and not worker.n_refused for worker in workers)
    ]
    if not suspects:
        return {}
    rows = Candidate.objects.filter(search__in=suspects).order_by(*LARGEST_FIRST)
    is_trained = rows.filter(status=Candidate.Status.RUNNING).exclude(LEASE_IS_DEAD)
    trained = set(is_trained.values_list("search_id", flat=True))
    waiting: dict[int, list[int]] = defaultdict(list)
    for search_id, pk in rows.filter(IS_TO_BE_HAD).values_list("search_id", "pk"):
        waiting[search_id].append(pk)
    told = {(r.worker_id, r.candidate_id): r for r in Refusal.objects.filter(candidate__search__in=suspects)}
    found = {}
    for search_id in suspects:
        fit = [worker for worker in workers if worker.is_of(versions[search_id])]
        refusals = [told.get((worker.pk, pk)) for pk in waiting[search_id] for worker in fit]
        if search_id not in trained and waiting[search_id] and None not in refusals:
            mine = [refusal for refusal in refusals if refusal is not None]
            found[search_id] = _of_rows(mine) if mine else _of_versions(versions[search_id], workers)
    return found


def _of_versions(engine_version: int, workers: Sequence[Answering]) -> Unfit:
    theirs = " and ".join(str(engine) for engine in sorted({w.engine for w in workers if w.engine is not None}))
    helps = f"Start workers of version {engine_version}."
    if engine_version != ENGINE_VERSION:
        helps = f"Go on with version {ENGINE_VERSION}, which marks it; or start workers of version {engine_version}."
    return Unfit(
        f"by every worker: its {ENGINE} is {engine_version}, theirs {theirs}",
        f"Its {ENGINE} is {engine_version}, that of the workers {theirs}. {NOTHING_IS_LOST} {helps}",
        engine_version != ENGINE_VERSION,
    )


def _of_rows(refusals: Sequence[Refusal]) -> Unfit:
    """In the words of the first; what can be let go of helps most."""
    first = next((refusal for refusal in refusals if refusal.thing in LET_GO), refusals[0])
    return Unfit(
        f"by every worker, for its {first.thing}",
        f"{first.words}. {NOTHING_IS_LOST} {HELPS[first.thing]}",
        first.thing in LET_GO,
    )


def why_refused(search: Search, workers: Sequence[Answering] | None = None) -> Unfit | None:
    """Why every worker that answers refuses this search; None where some worker may take it, or none answers.

    `workers`: those that answer, for who asks about several searches.
    """
    if search.status not in TRAINS_IN or search.deleted is not None:
        return None
    answering = workers_answering() if workers is None else workers
    return refused_by_all(answering, {search.pk: search.engine_version}).get(search.pk)


def fit_fields(search: Search, workers: Sequence[Answering] | None = None) -> dict[str, Any]:
    """`refused`: why every worker refuses it, in words, else ""; `can_go_on`: whether services.go_on has a use."""
    unfit = why_refused(search, workers)
    is_older = search.engine_version != ENGINE_VERSION
    return {"refused": unfit.words if unfit else "", "can_go_on": is_older or bool(unfit and unfit.can_go_on)}
