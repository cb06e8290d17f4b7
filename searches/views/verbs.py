"""Every verb of services.VERBS that a person may want: what was refused is said on the page that comes next."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from searches import selectors, services, tasks
from searches.models import Search
from searches.services import Refused
from searches.views.lookup import find_search

Verb = Callable[..., list[int] | None]


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
def search_finish_now(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _do(services.finish_now, request, uuid)


@require_POST
def search_retry(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The training of this code, or all that failed."""
    code = request.POST.get("code")
    return _do(lambda search, by: services.retry(search, by, code), request, uuid)


@require_POST
def search_run_next(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _do(services.run_next, request, uuid)


@require_POST
def search_go_on(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _do(services.go_on, request, uuid)


@require_POST
def search_compare(request: HttpRequest, uuid: UUID) -> HttpResponse:
    names = request.POST.getlist("comparisons")
    return _do(lambda search, by: services.compare(search, names, by), request, uuid)


@require_POST
def search_extend(request: HttpRequest, uuid: UUID) -> HttpResponse:
    text = request.POST.get("n_steps", "")
    if not text.isdecimal() or len(text) > 9:
        messages.error(request, f"n_steps: “{text}” is not a whole number.")
        return redirect("search_detail", uuid=uuid)
    return _do(lambda search, by: services.extend(search, int(text), by), request, uuid)


@require_POST
def search_delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """To the list, which says so and offers to undo it."""
    search = find_search(request, uuid)
    if not _done(services.delete, request, search):
        return redirect("search_detail", uuid=uuid)
    undo = reverse("search_undelete", args=[uuid])
    messages.success(request, f"“{search.name}” was deleted.", extra_tags=undo)
    return redirect("search_list")


@require_POST
def search_undelete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    search = get_object_or_404(selectors.deleted_for(request.user), uuid=uuid)
    _done(services.undelete, request, search)
    return _back(request, uuid)


@require_POST
def deleted_empty(request: HttpRequest) -> HttpResponse:
    """Sweep what this account has deleted, at once."""
    n = services.empty_deleted(request.user)
    messages.success(request, f"{n} deleted {'search is' if n == 1 else 'searches are'} gone, files included.")
    return redirect("search_list")


def _do(verb: Verb, request: HttpRequest, uuid: UUID) -> HttpResponse:
    _done(verb, request, find_search(request, uuid))
    return _back(request, uuid)


def _back(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """To the page where the button stood."""
    return redirect("search_list") if request.POST.get("from") == "list" else redirect("search_detail", uuid=uuid)


def _done(verb: Verb, request: HttpRequest, search: Search) -> bool:
    try:
        candidate_ids = verb(search, request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return False
    tasks.enqueue(candidate_ids or [])
    return True
