"""What people write: the name of a search, notes and tags of a search or of one of its trainings.

Answers are for the page's own script: 204 or the rendered note; as plain text the sentence that says what is wrong.
"""

from typing import cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from searches import services
from searches.models import Candidate, Search
from searches.selectors import may_change
from searches.services import Refused
from searches.views.lookup import find_candidate, find_search


@require_POST
def search_rename(request: HttpRequest, uuid: UUID) -> HttpResponse:
    search = find_search(request, uuid)
    try:
        services.rename(search, request.POST.get("name", ""), _by(request))
    except Refused as refusal:
        return _refused(refusal)
    return HttpResponse(status=204)


@require_http_methods(["GET", "HEAD", "POST"])
def search_notes(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The note and the tags of a search; POST writes both."""
    search = find_search(request, uuid)
    return _notes(request, search, search)


@require_http_methods(["GET", "HEAD", "POST"])
def candidate_notes(request: HttpRequest, uuid: UUID, kind: str, step: int, index: int) -> HttpResponse:
    """The note and the tags of one training; POST writes both."""
    search = find_search(request, uuid)
    return _notes(request, search, find_candidate(search, kind, step, index))


def _notes(request: HttpRequest, search: Search, of: Search | Candidate) -> HttpResponse:
    if request.method == "POST":
        try:
            with transaction.atomic():
                services.set_tags(of, request.POST.get("tags", "").split(","), _by(request))
                services.set_note(of, request.POST.get("note", ""), _by(request))
        except Refused as refusal:
            return _refused(refusal)
        of.refresh_from_db(fields=["note"])
    return render(request, "searches/_note_body.html", notes_context(request, search, of))


def notes_context(request: HttpRequest, search: Search, of: Search | Candidate) -> dict[str, object]:
    """What templates/searches/_notes.html shows."""
    tags = list(of.tags.values_list("name", flat=True))
    return {"noted": of, "note_tags": tags, "may_change": may_change(request.user, search)}


def _by(request: HttpRequest) -> AbstractBaseUser:
    """Who asks: these pages are for who is signed in."""
    return cast(AbstractBaseUser, request.user)


def _refused(refusal: Refused) -> HttpResponse:
    """No error status: browsers would write into the console what the page says in words."""
    return HttpResponse(str(refusal), content_type="text/plain; charset=utf-8")
