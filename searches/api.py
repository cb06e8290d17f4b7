"""The API: searches, one as a snapshot, and its event log from a cursor. For who is signed in."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import NinjaAPI, Schema, Status
from ninja.security import SessionAuth
from pydantic import Field

from searches import selectors, tasks
from searches.api_ensembles import router as ensembles
from searches.forms import SearchForm
from searches.forms_start import ZIP
from searches.models import Search

PAGE = 100
JSON = "application/json; charset=utf-8"
MAX_PAGE = 1000
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
FromZero = Annotated[int, Field(ge=0, lt=2**63)]


class SearchAPI(NinjaAPI):
    """Answers who is not signed in with 401 instead of the login page that a person would get."""

    @property
    def urls(self) -> Any:
        patterns, app, namespace = super().urls
        for pattern in patterns:
            if callable(callback := getattr(pattern, "callback", None)):
                callback.login_required = False
        return patterns, app, namespace


api = SearchAPI(
    title="NASH",
    version="1",
    description="Neural architecture searches: their state, and the log of all that happened in them.",
    auth=SessionAuth(),
    docs_url=None,  # its page loads scripts from elsewhere; /api/v1/openapi.json describes the same
)


api.add_router("ensembles", ensembles)


class SearchLine(Schema):
    """A search in the list. `engine`: its engine version; of one that went on with another, from where on."""

    uuid: UUID
    name: str
    status: str
    reason: str
    engine_version: int
    engine: str
    dataset: str
    preset: str
    seq: int
    created: datetime
    started: datetime | None
    ended: datetime | None


class SearchLines(Schema):
    searches: list[SearchLine]
    total: int


class EventFrame(Schema):
    """One event: its number, the sentence of the log, and what changed as parts of the snapshot."""

    seq: int
    at: datetime
    kind: str
    level: str
    words: str
    payload: dict[str, Any]


class EventFrames(Schema):
    events: list[EventFrame]
    seq: int
    """Number of the search's newest event: more is to be fetched while the last of `events` is below it."""


class JobProgress(Schema):
    """A background job: how far it is, how it ended, what it brought."""

    uuid: UUID
    kind: str
    title: str
    status: str
    reason: str
    done: int
    total: int
    words: str
    result: dict[str, Any]
    created: datetime
    ended: datetime | None


@api.get("jobs/{uuid}", response=JobProgress, summary="A background job, such as an import")
def show_job(request: HttpRequest, uuid: UUID) -> dict[str, Any]:
    return selectors.job_dict(get_object_or_404(selectors.jobs_visible_to(request.user), uuid=uuid))


class Interval(Schema):
    """The middle of what is expected, and what eight of ten cases are within."""

    middle: float
    low: float
    high: float


class Estimate(Schema):
    """What a search would cost: seconds, bytes at the peak, the same in words, and how they are known.

    All is null, and `mistakes` has a sentence for each field, while some setting cannot be.
    `is_whole`: False while the simulations had too little time; asked again they go on.
    """

    mistakes: dict[str, str] = {}
    seconds: Interval | None = None
    peak_bytes: Interval | None = None
    n_timed: int | None = None
    is_whole: bool = True
    time_words: str | None = None
    range_words: str | None = None
    memory_words: str | None = None
    growth_words: str | None = None
    source: str | None = None


@api.get("estimate", response=Estimate, summary="What a search with the launch form's settings would cost")
def estimate(request: HttpRequest) -> dict[str, Any] | selectors.Forecast:
    if request.GET.get("start") == ZIP and not request.GET.get("start_kept"):
        return {"source": "Known once the zip is here: its network decides what the search will cost."}
    form = SearchForm(request.GET, asker=request.user, clone=_cloned(request))
    if not form.is_valid():
        return {"mistakes": {field.name: message for field, message in form.mistakes}}
    data = form.cleaned_data
    return selectors.forecast(form.config, data["dataset"], hours_limit=data["hours_limit"])


class LaunchedSearch(Schema):
    """A search that waits for a worker."""

    uuid: UUID


class Mistakes(Schema):
    """What needs mending, a sentence for each field; nothing has started."""

    mistakes: dict[str, str]


@api.post("searches", response={201: LaunchedSearch, 422: Mistakes}, summary="Launch a search, as the form does")
def launch_search(request: HttpRequest) -> Status[Any]:
    """Fields of the launch form, as a form sends them; multipart with `start_zip` for a downloaded model.

    `start`: fresh, model (`start_model` is "uuid:kind-step-index", such as "…:final-5-0"), zip, same with `clone`.
    """
    form = SearchForm(request.POST, request.FILES, asker=request.user, clone=_cloned(request))
    launched = form.launch(request.user)
    if launched is None:
        return Status(422, {"mistakes": {field.name: message for field, message in form.mistakes}})
    tasks.enqueue(launched.candidate_ids)
    return Status(201, {"uuid": launched.uuid})


def _cloned(request: HttpRequest) -> Search | None:
    """The search that is cloned, which `same` starts from the network of."""
    text = request.POST.get("clone") or request.GET.get("clone")
    try:
        return _visible(request, UUID(text)) if text else None
    except ValueError:
        return None


@api.get("searches", response=SearchLines, summary="Searches, the newest first")
def list_searches(request: HttpRequest, limit: Limit = PAGE, offset: FromZero = 0) -> dict[str, Any]:
    visible = selectors.visible_to(request.user)
    page = visible.select_related("dataset").order_by("-created", "-pk")[offset : offset + limit]
    lines = [
        {**selectors.search_fields(s), "dataset": s.dataset.name, "preset": s.preset, "seq": s.seq} for s in page
    ]
    return {"searches": lines, "total": visible.count()}


@api.get("operators", response=dict[str, Any], summary="Morphisms drawn in all searches: won how often, gained what")
def list_operators(request: HttpRequest) -> dict[str, Any]:
    return selectors.operators_of(selectors.visible_to(request.user))


@api.get("searches/{uuid}", response=dict[str, Any], summary="One search, all that its page shows")
def show_search(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Sent as it is kept: it may be 4 MB, and to check it by a schema and encode it anew would take longest."""
    return HttpResponse(selectors.search_state(_visible(request, uuid)).text, content_type=JSON)


@api.get("searches/{uuid}/events", response=EventFrames, summary="Its events after a number, oldest first")
def list_events(
    request: HttpRequest,
    uuid: UUID,
    after: FromZero = 0,
    limit: Limit = MAX_PAGE,
) -> dict[str, Any]:
    search = _visible(request, uuid)
    events = selectors.events_after(search, after, limit)
    return {"events": [selectors.event_frame(event) for event in events], "seq": search.seq}


def _visible(request: HttpRequest, uuid: UUID) -> Search:
    return get_object_or_404(selectors.visible_to(request.user), uuid=uuid)
