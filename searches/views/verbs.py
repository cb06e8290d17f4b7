"""Pause, resume, stop, compare: what was refused is said on the search's page."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from searches import services, tasks
from searches.services import Refused
from searches.views.lookup import find_search


@require_POST
def search_pause(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _do(services.pause, request, uuid)


@require_POST
def search_resume(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _do(services.resume, request, uuid)


@require_POST
def search_stop(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _do(services.stop, request, uuid)


@require_POST
def search_compare(request: HttpRequest, uuid: UUID) -> HttpResponse:
    names = request.POST.getlist("comparisons")
    return _do(lambda search, by: services.compare(search, names, by), request, uuid)


def _do(verb: Callable[..., list[int] | None], request: HttpRequest, uuid: UUID) -> HttpResponse:
    search = find_search(request, uuid)
    try:
        candidate_ids = verb(search, request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        tasks.enqueue(candidate_ids or [])
    return redirect("search_detail", uuid=uuid)
