"""Drawings as SVG: the lineage tree of a search, and architectures by their digest."""

import hashlib
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from searches.diagrams import DRAWING_VERSION, architecture_svg, columns_from, lineage_svg
from searches.diagrams.changes import changes
from searches.nash.architecture import Architecture
from searches.report import kept_report, report_name
from searches.selectors import search_state, tree_text
from searches.views.lookup import find_architecture, find_candidate, find_child, find_search, width_of

TREE_WIDTH = 896
NETWORK_WIDTH, WIDE = 376, 1334
"""Of a network beside other panels, and of one that has a page's width to itself, in px."""
WEEK = 7 * 24 * 3600


@require_safe
def search_tree(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The lineage tree as it is now, as a file; the page draws its own (static/js/tree).

    Not drawn again for who has it as it is: 304.
    """
    search = find_search(request, uuid)
    width = width_of(request, usual=TREE_WIDTH, least=280, most=2400)
    family = tree_text(search)

    def draw() -> HttpResponse:
        drawing = lineage_svg(json.loads(family), width=width, standalone=True)
        return _file(drawing, f"{slugify(search.name) or 'search'}-lineage-{str(uuid)[:8]}.svg")

    return _unless_known(request, f"{width} {family}", draw)


@require_safe
def architecture_drawing(request: HttpRequest, digest: str) -> HttpResponse:
    """An architecture, with what is new `against` another one; `v` is the version of the drawing code.

    `of`: the candidate whose morphisms made it from that, for the list beside the drawing.
    An address of this version always gives the same drawing.
    """
    parent = request.GET.get("against")
    against = find_architecture(request, parent) if parent else None
    child = find_child(request, request.GET.get("of", ""), against) if against else None
    exact = child is not None and child.search.search_config.network_morphism
    record = changes(against, child.morphism_list(), exact=exact) if against and child else []
    width = width_of(request, usual=NETWORK_WIDTH, least=280, most=1600)
    drawing = architecture_svg(find_architecture(request, digest), against, width=width, record=record)
    is_kept = request.GET.get("v") == DRAWING_VERSION
    kept = f"private, max-age={WEEK}, immutable" if is_kept else "private, no-cache"
    return HttpResponse(drawing, content_type="image/svg+xml", headers={"Cache-Control": kept})


def room_for(architecture: Architecture) -> dict[str, Any]:
    """What a template needs to give a network the room to be read in: its first width, and whether it wants all."""
    least = columns_from(architecture)
    return {"columns_from": least, "network_width": WIDE if least else NETWORK_WIDTH}


@require_safe
def candidate_drawing(request: HttpRequest, uuid: UUID, kind: str, step: int, index: int) -> HttpResponse:
    """The network of one candidate against its parent's, as a file of its own whose name says which it is."""
    search = find_search(request, uuid)
    candidate = find_candidate(search, kind, step, index)
    width = width_of(request, usual=NETWORK_WIDTH, least=280, most=1600)
    against = Architecture.from_dict(candidate.parent.architecture) if candidate.parent else None
    architecture = Architecture.from_dict(candidate.architecture)
    drawing = architecture_svg(architecture, against, width=width, standalone=True)
    name = f"{slugify(search.name) or 'search'}-{slugify(candidate.code.replace('.', '-'))}-{str(uuid)[:8]}.svg"
    return _file(drawing, name)


def _file(drawing: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    return HttpResponse(drawing, content_type="image/svg+xml", headers=headers)


@require_safe
def search_report(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The search as one HTML file."""
    search = find_search(request, uuid)
    state = search_state(search)

    def make() -> HttpResponse:
        headers = {"Content-Disposition": f'attachment; filename="{report_name(search)}"'}
        return HttpResponse(kept_report(search, state), headers={**headers, "Cache-Control": "private, no-cache"})

    return _unless_known(request, state.version, make)


def _unless_known(request: HttpRequest, facts: str, make: Callable[[], HttpResponse]) -> HttpResponse:
    """304 for who has it as these facts make it, else what `make` makes."""
    etag = f'"{hashlib.sha256(f"{DRAWING_VERSION} {facts}".encode()).hexdigest()[:24]}"'
    answer: HttpResponse | None = get_conditional_response(request, etag=etag)
    if answer is None:
        answer = make()
        answer["ETag"] = etag
    return answer
