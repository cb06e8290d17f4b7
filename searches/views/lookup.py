"""The rows that an address names, for who may see them; else 404."""

from uuid import UUID

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from searches.models import Candidate, Search
from searches.nash.architecture import Architecture
from searches.selectors import visible_to


def find_search(request: HttpRequest, uuid: UUID) -> Search:
    return get_object_or_404(visible_to(request.user).select_related("dataset", "owner"), uuid=uuid)


def find_candidate(search: Search, kind: str, step: int, index: int) -> Candidate:
    rows = search.candidates.select_related("search", "parent")
    return get_object_or_404(rows, kind=kind, step=step, index=index)


def find_architecture(request: HttpRequest, digest: str) -> Architecture:
    """Any candidate that has this architecture will do: equal digests are equal architectures."""
    rows = Candidate.objects.filter(search__in=visible_to(request.user), digest=digest)
    candidate = rows.only("architecture").first()
    if candidate is None:
        raise Http404(f"No network here has the architecture {digest}.")
    return Architecture.from_dict(candidate.architecture)


def find_child(request: HttpRequest, pk: str, parent: Architecture) -> Candidate | None:
    """The candidate of this primary key, if its morphisms are those of a child of `parent`."""
    if not (pk.isascii() and pk.isdecimal() and len(pk) < 19):
        return None
    rows = Candidate.objects.filter(search__in=visible_to(request.user), pk=int(pk), parent__digest=parent.digest)
    return rows.select_related("search").defer("architecture", "correct").first()


def width_of(request: HttpRequest, *, usual: int, least: int, most: int) -> int:
    """The width in px that a drawing was asked for, held within bounds."""
    text = request.GET.get("width", "")
    return min(most, max(least, int(text))) if text.isascii() and text.isdigit() and len(text) < 6 else usual
