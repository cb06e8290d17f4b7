"""The list of searches: one line each, in a number of queries that does not grow with the lines."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, F, FloatField, Q, QuerySet, Sum, When
from django.utils import timezone

from searches import comparisons
from searches.models import Candidate, Search
from searches.nash.hillclimb import COMPARISON_KINDS, ENDED
from searches.selectors.access import Asker, deleted_for
from searches.selectors.disk import disk_use
from searches.selectors.progress import is_superseded
from searches.selectors.waiting import TRAINS_IN
from searches.selectors.workers import workers_alive

LIGHT = ("search_id", "kind", "step", "index", "status", "morphisms", "is_winner", "val_accuracy", "n_parameters")


@dataclass(frozen=True)
class Line:
    """A search as the list shows it. `accuracies`: of the winners, model_0 first; `state`: its status, or stalled.

    `n_before`: how many searches are trained before it; None where it does not wait to be trained. `bytes`: of disk.
    """

    search: Search
    state: str
    words: str
    epochs_done: float
    epochs_total: int
    accuracies: tuple[float, ...]
    n_parameters: int | None
    test_accuracy: float | None
    n_before: int | None
    bytes: int

    @property
    def is_further_back(self) -> bool:
        """Whether another search is trained before it: it can be put first."""
        return bool(self.n_before)

    @property
    def best(self) -> float | None:
        return self.accuracies[-1] if self.accuracies else None

    @property
    def seconds(self) -> float | None:
        """Wall time since the first training began, pauses included; None before that."""
        if self.search.started is None:
            return None
        return ((self.search.ended or timezone.now()) - self.search.started).total_seconds()


@dataclass(frozen=True)
class DeletedLine:
    """A deleted search as the list shows it. `swept`: when its rows and files go."""

    search: Search
    swept: datetime
    bytes: int


def deleted_listing(user: Asker) -> list[DeletedLine]:
    """What this user may bring back, newest first."""
    kept = timedelta(hours=settings.NASH_KEEP_DELETED_HOURS)
    searches = deleted_for(user).select_related("dataset")
    return [DeletedLine(s, s.deleted + kept, disk_use(s)) for s in searches if s.deleted is not None]


def listing(searches: QuerySet[Search]) -> list[Line]:
    """The searches, newest first, with what stands in their line."""
    rows = list(
        searches.select_related("dataset", "owner").annotate(epochs_done=_epochs_done()).order_by("-created", "-pk")
    )
    candidates = _telling_candidates(rows)
    anybody = workers_alive().exists()
    places = _places(rows)
    superseded = _superseded_epochs(rows)
    for search in rows:
        search.epochs_done -= superseded[search.pk]
    return [_line(search, candidates[search.pk], anybody, places.get(search.pk)) for search in rows]


def _places(searches: Iterable[Search]) -> dict[int, int]:
    """How many searches are trained before each that is to be trained, as selectors/waiting.py orders them."""
    trained = sorted((s for s in searches if s.status in TRAINS_IN), key=lambda s: (-s.priority, s.created, s.pk))
    return {search.pk: place for place, search in enumerate(trained)}


def _epochs_done() -> Sum:
    done = Case(
        When(candidates__status__in=ENDED, then=F("candidates__epochs")),
        default=F("candidates__epoch"),
        output_field=FloatField(),
    )
    return Sum(done, default=0.0)


def _superseded_epochs(searches: Iterable[Search]) -> dict[int, int]:
    """Epochs of trainings, all of them ended, that belong to another number of steps than the search has by now."""
    n_steps = {search.pk: int(search.config["n_steps"]) for search in searches}
    counted = (Candidate.Kind.FINAL, Candidate.Kind.SCRATCH, Candidate.Kind.SNAPSHOT)
    without_result = Q(status__in=[status for status in ENDED if status != Candidate.Status.DONE])
    found = Candidate.objects.filter(Q(kind__in=counted) | without_result, search__in=n_steps, status__in=ENDED)
    epochs: dict[int, int] = defaultdict(int)
    for search_id, kind, step, n in found.values_list("search_id", "kind", "step", "epochs"):
        epochs[search_id] += n if is_superseded(kind, step, n_steps[search_id]) else 0
    return epochs


def _telling_candidates(searches: Iterable[Search]) -> dict[int, list[Candidate]]:
    """Winners, final trainings and what trains now, by search, in the order of the algorithm."""
    telling = Q(is_winner=True) | Q(kind=Candidate.Kind.FINAL) | Q(status=Candidate.Status.RUNNING)
    found = Candidate.objects.filter(telling, search__in=[s.pk for s in searches])
    by_search: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in found.only(*LIGHT, "test_accuracy").order_by("step", "index"):
        by_search[candidate.search_id].append(candidate)
    return by_search


def _line(search: Search, candidates: list[Candidate], anybody: bool, n_before: int | None) -> Line:
    winners = [c for c in candidates if c.is_winner and c.val_accuracy is not None]
    final = next((c for c in reversed(candidates) if c.kind == Candidate.Kind.FINAL), None)  # of the most steps
    state = "stalled" if search.status == Search.Status.RUNNING and not anybody else search.status
    return Line(
        search=search,
        state=state,
        words=_words(search, state, candidates, final, n_before or 0),
        epochs_done=search.epochs_done,  # type: ignore[attr-defined]  # annotated by listing()
        epochs_total=comparisons.total_epochs(search.search_config),
        accuracies=tuple(c.val_accuracy for c in winners if c.val_accuracy is not None),
        n_parameters=winners[-1].n_parameters if winners else None,
        test_accuracy=final.test_accuracy if final else None,
        n_before=n_before,
        bytes=disk_use(search),
    )


def _words(search: Search, state: str, candidates: list[Candidate], final: Candidate | None, n_before: int) -> str:
    if state == "waiting":
        return f"waits for a worker, {n_before} before it" if n_before else "waits for a worker, the next in turn"
    if state == "stalled":
        return "no worker answers; nothing is lost"
    if state == "running":
        return _running_words(search, [c for c in candidates if c.status == Candidate.Status.RUNNING])
    if state == "finished" and final is not None and final.test_accuracy is not None:
        return f"test error {100 * (1 - final.test_accuracy):.2f}\u202f%"
    return search.reason


def _running_words(search: Search, running: list[Candidate]) -> str:
    if not running:
        return "between two trainings"
    first = running[0]
    if first.kind == Candidate.Kind.PRETRAIN:
        return "pretraining"
    if first.kind == Candidate.Kind.FINAL:
        return "final training"
    if first.kind in COMPARISON_KINDS:
        return f"comparing: {', '.join(c.code for c in running)}"
    codes = [c.code for c in running]
    who = f"child {codes[0]} trains" if len(codes) == 1 else f"children {', '.join(codes[:-1])} and {codes[-1]} train"
    if len(running) == 1 and not first.morphisms:
        who = f"the parent trains again, {codes[0]}"
    return f"step {first.step} of {search.config['n_steps']}, {who}"
