"""The pages that show: one search, one candidate."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from searches import datasets
from searches.comparisons import CATALOGUE
from searches.diagrams import architecture_svg, changes
from searches.nash.architecture import Architecture
from searches.selectors import search_state, training_state
from searches.selectors.ensembles import ensembles_with
from searches.views.buttons import BUTTONS
from searches.views.drawings import NETWORK_WIDTH, room_for
from searches.views.lookup import find_candidate, find_search
from searches.views.models import files_context
from searches.views.trying import with_webassembly
from searches.views.writing import notes_context


@require_safe
def search_detail(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One search: the snapshot that the page begins with; what follows comes by the live channel."""
    search = find_search(request, uuid)
    state = search_state(search)
    context = {
        "search": search,
        "snapshot": state.head,
        "snapshot_text": state.text,
        "network_width": NETWORK_WIDTH,
        **notes_context(request, search, search),
        "notes_url": reverse("search_notes", args=[uuid]),
        "buttons": BUTTONS,
        "ensembles": ensembles_with(search),
        "split_copies": datasets.copies_across_split(search),
        "comparison_choices": [{"comparison": comparison} for comparison in CATALOGUE.values()],
    }
    return render(request, "searches/search.html", context)


@require_safe
@with_webassembly
def candidate_detail(request: HttpRequest, uuid: UUID, kind: str, step: int, index: int) -> HttpResponse:
    """One training: its network against its parent's, its curve, its morphisms, its seal, what it cost."""
    search = find_search(request, uuid)
    candidate = find_candidate(search, kind, step, index)
    against = Architecture.from_dict(candidate.parent.architecture) if candidate.parent else None
    architecture = Architecture.from_dict(candidate.architecture)
    room = room_for(architecture)
    drawing = architecture_svg(architecture, against, width=room["network_width"])
    exact = search.search_config.network_morphism
    state = training_state(search, candidate)
    context = {
        "search": search,
        "candidate": candidate,
        **notes_context(request, search, candidate),
        "notes_url": reverse("candidate_notes", args=[uuid, kind, step, index]),
        "snapshot": state.head,
        "snapshot_text": state.text,
        "changes": changes(against, candidate.morphism_list(), exact=exact) if against else [],
        "drawing": mark_safe(drawing),  # noqa: S308  # diagrams escape all text
        **room,
        **files_context(request, candidate),
    }
    return render(request, "searches/candidate.html", context)
