"""Which searches a list shows, in which order, with which columns: what its address and the command line say."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, F, IntegerField, OrderBy, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Now

from searches.models import Candidate, Search, Tag

STATES = ("running", "waiting", "paused", "stalled", "refused", "stopped", "finished", "failed")
"""What a search can be said to be: its status; stalled where it runs and no worker lives; refused where all do so."""
NOBODY = "~"
"""The owner of searches that belong to nobody; no username can be that."""
NEWEST_FIRST = "-began"


@dataclass(frozen=True)
class Column:
    """A column that can be shown beside the name. `sort`: whether rows can be ordered by it."""

    name: str
    title: str
    is_number: bool = False
    can_sort: bool = True
    by_default: bool = True

    @property
    def falls(self) -> bool:
        """Whether its highest value comes first when it is chosen."""
        return self.is_number


COLUMNS = {
    column.name: column
    for column in (
        Column("state", "State"),
        Column("progress", "Progress", can_sort=False),
        Column("best", "Best by step", can_sort=False),
        Column("accuracy", "Best val. accuracy", is_number=True),
        Column("test_error", "Test error", is_number=True, by_default=False),
        Column("parameters", "Parameters", is_number=True),
        Column("disk", "Disk", is_number=True),
        Column("owner", "Owner", by_default=False),
        Column("preset", "Preset", by_default=False),
        Column("seed", "Seed", is_number=True, by_default=False),
        Column("time", "Time", is_number=True, by_default=False),
        Column("began", "Began", is_number=True),
    )
}
DEFAULT_COLUMNS = tuple(column.name for column in COLUMNS.values() if column.by_default)


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to see. "" is no filter; `sort` is a column's name or "name", with - for falling."""

    text: str = ""
    state: str = ""
    dataset: str = ""
    owner: str = ""
    tag: str = ""
    sort: str = NEWEST_FIRST
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    page: int = 1

    @property
    def is_filtered(self) -> bool:
        return any((self.text, self.state, self.dataset, self.owner, self.tag))

    def query(self, **changes: Any) -> str:
        """The address's query, "?..." or "" where nothing differs from what is usual; any change but of the page
        leads to the first page."""
        new = replace(self, **{"page": 1, **changes})
        texts = {"q": new.text, "state": new.state, "dataset": new.dataset, "owner": new.owner, "tag": new.tag}
        pairs = [(name, value) for name, value in texts.items() if value]
        pairs += [("sort", new.sort)] if new.sort != NEWEST_FIRST else []
        pairs += [("col", name) for name in new.columns] if new.columns != DEFAULT_COLUMNS else []
        pairs += [("page", str(new.page))] if new.page > 1 else []
        return f"?{urlencode(pairs)}" if pairs else ""


def wanted(texts: Mapping[str, str], columns: Sequence[str] = ()) -> Wanted:
    """What an address says; what it cannot mean is as if it were not said."""
    state, sort, page = (texts.get(name, "") for name in ("state", "sort", "page"))
    known = tuple(name for name in COLUMNS if name in columns)
    by = sort.removeprefix("-")
    sortable = by == "name" or (by in COLUMNS and COLUMNS[by].can_sort)
    return Wanted(
        text=" ".join(texts.get("q", "").split())[:200],
        state=state if state in STATES else "",
        dataset=texts.get("dataset", ""),
        owner=texts.get("owner", ""),
        tag=" ".join(texts.get("tag", "").split()).lower(),
        sort=sort if sortable else NEWEST_FIRST,
        columns=known or DEFAULT_COLUMNS,
        page=int(page) if page.isascii() and page.isdecimal() and 0 < len(page) < 7 and int(page) else 1,
    )


def filtered(searches: QuerySet[Search], want: Wanted) -> QuerySet[Search]:
    """Those of the data set, owner, tag and text; the state is `in_state`'s. Each word is to be found somewhere in
    name, note or a tag."""
    if want.dataset:
        searches = searches.filter(dataset__name=want.dataset)
    if want.owner:
        named = Q(owner=None) if want.owner == NOBODY else Q(owner__username=want.owner)
        searches = searches.filter(named)
    if want.tag:
        searches = searches.filter(tags__name=want.tag)
    for word in want.text.split():
        tagged = Search.tags.through.objects.filter(tag__in=Tag.objects.filter(name__icontains=word))
        found = Q(name__icontains=word) | Q(note__icontains=word) | Q(pk__in=tagged.values("search_id"))
        searches = searches.filter(found)
    return searches


def in_state(searches: QuerySet[Search], state: str, *, anybody: bool, refused: Collection[int]) -> QuerySet[Search]:
    """`anybody`: whether a worker lives; without one what runs is stalled. `refused`: what every worker refuses."""
    if not state:
        return searches
    if state == "refused":
        return searches.filter(pk__in=refused)
    if refused:
        searches = searches.exclude(pk__in=refused)
    if state in ("running", "stalled"):
        return searches.filter(status="running") if anybody == (state == "running") else searches.none()
    return searches.filter(status=state)


def ordered(searches: QuerySet[Search], sort: str) -> QuerySet[Search]:
    """By the column, what has no value last; equal ones newest first."""
    by, falls = sort.removeprefix("-"), sort.startswith("-")
    expression = _expression(by)
    order = OrderBy(expression, descending=falls, nulls_last=True)
    return searches.order_by(order, "-created", "-pk")


def _expression(by: str) -> Any:
    winners = Candidate.objects.filter(search=OuterRef("pk"), is_winner=True).order_by("-step")
    finals = Candidate.objects.filter(search=OuterRef("pk"), kind=Candidate.Kind.FINAL, status="done")
    expressions: dict[str, Callable[[], Any]] = {
        "name": lambda: F("name"),
        "state": lambda: Case(
            *(When(status=state, then=Value(place)) for place, state in enumerate(STATES)),
            output_field=IntegerField(),
        ),
        "accuracy": lambda: Subquery(winners.values("val_accuracy")[:1]),
        "test_error": lambda: Subquery(
            finals.annotate(error=Value(1.0) - F("test_accuracy")).order_by("-step").values("error")[:1]
        ),
        "parameters": lambda: Subquery(winners.values("n_parameters")[:1]),
        "disk": lambda: F("disk_bytes"),
        "owner": lambda: F("owner__username"),
        "preset": lambda: F("preset"),
        "seed": lambda: F("config__seed"),
        "time": lambda: Coalesce("ended", Now()) - F("started"),
        "began": lambda: F("created"),
    }
    return expressions[by]()
