"""The list of searches: one line each, in a number of queries that does not grow with the lines."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Count, QuerySet
from django.utils import timezone

from searches import comparisons
from searches.models import Candidate, DataSet, Search, Tag
from searches.nash.config import SearchConfig
from searches.nash.hillclimb import COMPARISON_KINDS
from searches.selectors.access import Asker, deleted_for
from searches.selectors.listed_trainings import Telling, Trainings, trainings_of, unchanged_of
from searches.selectors.refusals import Unfit, refused_by_all, versions_under_way, workers_answering
from searches.selectors.wanted import NOBODY, STATES, Wanted, filtered, in_state, ordered

PAGE = 50
EPOCH_SETTINGS = ("epoch_pretrain", "n_steps", "n_neigh", "epoch_neigh", "epoch_final", "comparisons")
"""What the epochs of a search follow from."""


@dataclass(frozen=True)
class Line:
    """A search as the list shows it. `accuracies`: of the winners, model_0 first; `state`: one of STATES.

    `n_before`: how many searches are trained before it; None where it does not wait to be trained.
    """

    search: Search
    tags: tuple[str, ...]
    state: str
    words: str
    epochs_done: float
    epochs_total: int
    accuracies: tuple[float, ...]
    n_parameters: int | None
    test_accuracy: float | None
    n_before: int | None

    @property
    def is_further_back(self) -> bool:
        """Whether another search is trained before it: it can be put first."""
        return bool(self.n_before)

    @property
    def best(self) -> float | None:
        return self.accuracies[-1] if self.accuracies else None

    @property
    def test_error(self) -> float | None:
        return None if self.test_accuracy is None else 1.0 - self.test_accuracy

    @property
    def seconds(self) -> float | None:
        """Wall time since the first training began, pauses included; None before that."""
        if self.search.started is None:
            return None
        return ((self.search.ended or timezone.now()) - self.search.started).total_seconds()


@dataclass(frozen=True)
class Listed:
    """A page of the list. `counts`: by state, of what the other filters let through; `n`: of the state wanted.

    `in_all`: by state, whatever the filters.
    """

    want: Wanted
    lines: list[Line]
    counts: dict[str, int]
    in_all: dict[str, int]
    n: int
    page: int
    n_pages: int


@dataclass(frozen=True)
class Crew:
    """Whether any worker answers, and by primary key which searches all that answer refuse.

    `places`: how many searches are trained before each of the others that are to be trained.
    """

    anybody: bool
    refused: Mapping[int, Unfit]
    places: Mapping[int, int]


@dataclass(frozen=True)
class Choices:
    """What can be filtered by: names of data sets, owners and tags that searches have; `is_any`: a search exists."""

    datasets: list[str]
    owners: list[str]
    tags: list[str]


@dataclass(frozen=True)
class DeletedLine:
    """A deleted search as the list shows it. `swept`: when its rows and files go."""

    search: Search
    swept: datetime


def deleted_listing(user: Asker) -> list[DeletedLine]:
    """What this user may bring back, newest first."""
    kept = timedelta(hours=settings.NASH_KEEP_DELETED_HOURS)
    searches = deleted_for(user).select_related("dataset")
    return [DeletedLine(s, s.deleted + kept) for s in searches if s.deleted is not None]


def page_of(searches: QuerySet[Search], want: Wanted) -> Listed:
    """The page that is wanted, the last one where there are fewer."""
    crew = _crew()
    found = filtered(searches, want)
    counts = _counts(found, crew)
    n = counts.get(want.state, 0) if want.state else sum(counts.values())
    n_pages = max(1, -(-n // PAGE))
    page = min(want.page, n_pages)
    in_it = in_state(found, want.state, anybody=crew.anybody, refused=crew.refused)
    rows = ordered(in_it, want.sort)[(page - 1) * PAGE : page * PAGE]
    is_filtered = want.text or want.dataset or want.owner or want.tag
    in_all = _counts(searches, crew) if is_filtered else counts
    return Listed(want, _lines(rows, crew), counts, in_all, n, page, n_pages)


def all_of(searches: QuerySet[Search], want: Wanted) -> list[Line]:
    """Every line that is wanted, whatever the page."""
    crew = _crew()
    found = in_state(filtered(searches, want), want.state, anybody=crew.anybody, refused=crew.refused)
    return _lines(ordered(found, want.sort), crew)


def choices(searches: QuerySet[Search]) -> Choices:
    """What the filters offer."""
    names = searches.order_by().values_list("dataset__name", flat=True).distinct()
    owners = searches.order_by().values_list("owner__username", flat=True).distinct()
    tags = Tag.objects.filter(searches__in=searches.order_by()).distinct().values_list("name", flat=True)
    return Choices(sorted(names), sorted(NOBODY if o is None else o for o in owners), list(tags))


def listing(searches: QuerySet[Search]) -> list[Line]:
    """All of them, newest first."""
    return all_of(searches, Wanted())


def _crew() -> Crew:
    workers, versions = workers_answering(), versions_under_way()
    refused = refused_by_all(workers, versions)
    in_turn = [pk for pk in versions if pk not in refused]
    return Crew(bool(workers), refused, {pk: place for place, pk in enumerate(in_turn)})


def _counts(searches: QuerySet[Search], crew: Crew) -> dict[str, int]:
    others = searches.exclude(pk__in=crew.refused) if crew.refused else searches
    by_status = others.order_by().values_list("status").annotate(n=Count("pk", distinct=True))
    found = {("stalled" if s == "running" and not crew.anybody else s): n for s, n in by_status}
    if crew.refused and (n := searches.filter(pk__in=crew.refused).order_by().values("pk").distinct().count()):
        found["refused"] = n
    return {state: found[state] for state in STATES if state in found}


def _lines(searches: QuerySet[Search], crew: Crew) -> list[Line]:
    rows = _with_few_relations(list(searches.defer("note", "operators")))
    trainings = trainings_of(rows)
    unchanged = unchanged_of([pk for pk, of in trainings.items() if of.is_under_way])
    tags = tags_of([search.pk for search in rows])
    return [_line(s, tuple(tags[s.pk]), trainings[s.pk], crew, unchanged) for s in rows]


def _with_few_relations(searches: list[Search]) -> list[Search]:
    """With data set and owner, each of them once: a join would make an object of its own for every line."""
    datasets = DataSet.objects.defer("meta").in_bulk({s.dataset_id for s in searches})
    owners = get_user_model().objects.in_bulk({s.owner_id for s in searches if s.owner_id is not None})
    for search in searches:
        search.dataset = datasets[search.dataset_id]
        search.owner = owners.get(search.owner_id) if search.owner_id is not None else None
    return searches


def tags_of(search_ids: Sequence[int]) -> dict[int, list[str]]:
    """Names by search, in order."""
    tags: dict[int, list[str]] = defaultdict(list)
    given = Search.tags.through.objects.filter(search__in=search_ids).order_by("tag__name")
    for search_id, name in given.values_list("search_id", "tag__name"):
        tags[search_id].append(name)
    return tags


def _line(
    search: Search,
    tags: tuple[str, ...],
    trainings: Trainings,
    crew: Crew,
    unchanged: set[int],
) -> Line:
    candidates = trainings.telling
    winners = [c for c in candidates if c.is_winner and c.val_accuracy is not None]
    final = next((c for c in reversed(candidates) if c.kind == Candidate.Kind.FINAL), None)  # of the most steps
    unfit, n_before = crew.refused.get(search.pk), crew.places.get(search.pk)
    state = "stalled" if search.status == Search.Status.RUNNING and not crew.anybody else search.status
    return Line(
        search=search,
        tags=tags,
        state="refused" if unfit else state,
        words=unfit.brief if unfit else _words(search, state, candidates, final, n_before or 0, unchanged),
        epochs_done=round(trainings.epochs_done, 3),
        epochs_total=_epochs_total(*(_fixed(search.config.get(name)) for name in EPOCH_SETTINGS)),
        accuracies=tuple(c.val_accuracy for c in winners if c.val_accuracy is not None),
        n_parameters=winners[-1].n_parameters if winners else None,
        test_accuracy=final.test_accuracy if final else None,
        n_before=n_before,
    )


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=4096)
def _epochs_total(*values: Any) -> int:
    """Of EPOCH_SETTINGS: settings are checked anew whenever they are read, which takes longer than the line."""
    given = {name: value for name, value in zip(EPOCH_SETTINGS, values, strict=True) if value is not None}
    return comparisons.total_epochs(SearchConfig(**given))


def _words(
    search: Search,
    state: str,
    candidates: Sequence[Telling],
    final: Telling | None,
    n_before: int,
    unchanged: set[int],
) -> str:
    if state == "waiting":
        return f"waits for a worker, {n_before} before it" if n_before else "waits for a worker, the next in turn"
    if state == "stalled":
        return "no worker answers; nothing is lost"
    if state == "running":
        return _running_words(search, [c for c in candidates if c.status == Candidate.Status.RUNNING], unchanged)
    if state == "finished" and final is not None and final.test_accuracy is not None:
        return f"test error {100 * (1 - final.test_accuracy):.2f}\u202f%"
    return search.reason


def _running_words(search: Search, running: list[Telling], unchanged: set[int]) -> str:
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
    if len(running) == 1 and first.pk in unchanged:
        who = f"the parent trains again, {codes[0]}"
    return f"step {first.step} of {search.config['n_steps']}, {who}"
