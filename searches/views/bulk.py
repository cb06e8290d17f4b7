"""What the list does to the searches that are chosen in it; each says what was done, and how to undo it."""

from collections.abc import Callable, Iterable
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from searches import selectors, services, tasks
from searches.diagrams.words import counted
from searches.models import Search
from searches.services import Done, Refused

SHOWN_REFUSALS = 6


@require_POST
def bulk_stop(request: HttpRequest) -> HttpResponse:
    return _told(request, services.stop_all(_chosen(request), _by(request)), "stopped")


@require_POST
def bulk_delete(request: HttpRequest) -> HttpResponse:
    done = services.delete_all(_chosen(request), _by(request))
    return _told(request, done, "deleted", undo=_address("bulk_undelete", done))


@require_POST
def bulk_undelete(request: HttpRequest) -> HttpResponse:
    deleted = selectors.deleted_for(request.user).filter(uuid__in=chosen_uuids(request))
    return _told(request, services.undelete_all(deleted, _by(request)), "brought back")


@require_POST
def bulk_tag(request: HttpRequest) -> HttpResponse:
    return _tagged(request, services.tag_all, "tagged", undo="bulk_untag")


@require_POST
def bulk_untag(request: HttpRequest) -> HttpResponse:
    return _tagged(request, services.untag_all, "no longer tagged", undo="bulk_tag")


def _tagged(request: HttpRequest, verb: Callable[..., Done], words: str, undo: str) -> HttpResponse:
    names = _tags(request)
    try:
        done = verb(list(_chosen(request)), names, _by(request))
    except Refused as refusal:
        return _told(request, Done(refusals=[str(refusal)]), "")
    return _told(request, done, f"{words} {_quoted(names)}", undo=_address(undo, done, names))


def chosen_uuids(request: HttpRequest) -> list[UUID]:
    """The searches that a form or an address names by s=, each once, in order; what is no uuid is left out."""
    found: dict[UUID, None] = {}
    for text in request.POST.getlist("s") or request.GET.getlist("s"):
        try:
            found[UUID(text)] = None
        except ValueError:
            continue
    return list(found)


def _by(request: HttpRequest) -> AbstractBaseUser:
    assert isinstance(request.user, AbstractBaseUser), "every page but the sign-in is behind it"
    return request.user


def _chosen(request: HttpRequest) -> QuerySet[Search]:
    searches = selectors.visible_to(request.user).filter(uuid__in=chosen_uuids(request))
    return searches.select_related("owner", "dataset").prefetch_related("tags")


def _tags(request: HttpRequest) -> list[str]:
    text = request.POST.get("tags") or request.GET.get("tags", "")
    return [name for name in (part.strip() for part in text.split(",")) if name]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


def _address(name: str, done: Done, tags: Iterable[str] = ()) -> str:
    """Where what was done is undone."""
    pairs = [("s", str(search.uuid)) for search in done.searches]
    return f"{reverse(name)}?{urlencode([*pairs, *([('tags', ','.join(tags))] if tags else [])])}"


def _told(request: HttpRequest, done: Done, words: str, undo: str = "") -> HttpResponse:
    """Send what waits now, say what was done and what was not, go back to the list as it was."""
    tasks.enqueue(done.candidate_ids)
    if len(done.searches) == 1:
        messages.success(request, f"“{done.searches[0].name}” {_is(words)}{words}.", extra_tags=undo)
    elif done.searches:
        messages.success(request, f"{counted(len(done.searches), 'search')} {_are(words)}{words}.", extra_tags=undo)
    elif not done.refusals:
        messages.info(request, "Nothing was changed: no search was chosen, or each is so already.")
    for refusal in done.refusals[:SHOWN_REFUSALS]:
        messages.error(request, refusal)
    if len(done.refusals) > SHOWN_REFUSALS:
        messages.error(request, f"{len(done.refusals) - SHOWN_REFUSALS} more were refused.")
    back = request.POST.get("back", "")
    return redirect(reverse("search_list") + (back if back.startswith("?") else ""))


def _is(words: str) -> str:
    return "is " if "tagged" in words else "was "


def _are(words: str) -> str:
    return "are " if "tagged" in words else "were "
