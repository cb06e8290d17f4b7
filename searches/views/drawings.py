"""Drawings as SVG: the lineage tree of a search, and architectures by their digest."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from searches.diagrams import architecture_svg, lineage_svg
from searches.selectors import snapshot
from searches.views.lookup import find_architecture, find_search, width_of

TREE_WIDTH = 896
NETWORK_WIDTH = 376
WEEK = 7 * 24 * 3600


@require_safe
def search_tree(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The lineage tree as it is now."""
    width = width_of(request, usual=TREE_WIDTH, least=280, most=2400)
    drawing = lineage_svg(snapshot(find_search(request, uuid)), width=width)
    return HttpResponse(drawing, content_type="image/svg+xml", headers={"Cache-Control": "no-store"})


@require_safe
def architecture_drawing(request: HttpRequest, digest: str) -> HttpResponse:
    """An architecture, with what is new `against` another one; the same address always gives the same drawing."""
    parent = request.GET.get("against")
    against = find_architecture(request, parent) if parent else None
    width = width_of(request, usual=NETWORK_WIDTH, least=280, most=1600)
    drawing = architecture_svg(find_architecture(request, digest), against, width=width)
    headers = {"Cache-Control": f"private, max-age={WEEK}, immutable"}
    return HttpResponse(drawing, content_type="image/svg+xml", headers=headers)
