"""The page of a search's final model: how good it is, its files, that they agree, how it errs, its drawing."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from searches.comparisons import interval
from searches.diagrams import architecture_svg, thumbnail_scale, thumbnail_svg
from searches.models import Candidate, Search
from searches.nash.architecture import Architecture
from searches.selectors import best_so_far, may_change, may_change_job
from searches.selectors.ensembles import can_be_averaged, ensembles_with
from searches.selectors.evaluation import evaluation_panel
from searches.selectors.exports import files_panel
from searches.selectors.looks import looks_at_test_set
from searches.selectors.models import winning_line
from searches.views.drawings import NETWORK_WIDTH
from searches.views.lookup import find_search
from searches.views.trying import try_it, with_webassembly


@require_safe
@with_webassembly
def model_detail(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The final model, or of a search that goes no further the best network; 404 while there is none."""
    search = find_search(request, uuid)
    candidate = best_so_far(search)
    if candidate is None:
        raise Http404("This search has no model yet.")
    candidate.search = search
    line = winning_line(candidate)
    accuracy, n_images = candidate.test_accuracy, search.n_test
    context = {
        "search": search,
        "candidate": candidate,
        **files_context(request, candidate),
        "error": None if accuracy is None else 1 - accuracy,
        "interval": None if accuracy is None else interval(1 - accuracy, n_images),
        "n_looks": looks_at_test_set(search),
        "chosen_accuracy": next((c.val_accuracy for c in reversed(line) if c.val_accuracy is not None), None),
        "growth": _growth(line),
        **ensembles_context(search),
        "drawing": mark_safe(  # noqa: S308  # diagrams escape all text
            architecture_svg(Architecture.from_dict(candidate.architecture), None, width=NETWORK_WIDTH)
        ),
    }
    return render(request, "searches/model.html", context)


def _growth(line: list[Candidate]) -> list[dict[str, Any]]:
    """Sketches of the networks that grew out of each other, on one scale; trainings without morphisms add none."""
    grown = [c for c in line if c.parent is None or c.morphisms]
    networks = [Architecture.from_dict(c.architecture) for c in grown]
    scale = thumbnail_scale(networks)
    return [
        {"candidate": c, "drawing": mark_safe(thumbnail_svg(network, against, scale=scale))}  # noqa: S308
        for c, network, against in zip(grown, networks, [None, *networks], strict=False)
    ]


def ensembles_context(search: Search) -> dict[str, Any]:
    """What the panel of a search's ensembles shows."""
    return {
        "ensembles": ensembles_with(search),
        "can_be_averaged": can_be_averaged(search),
        "n_missing": search.config["n_steps"] - 1,
    }


def files_context(request: HttpRequest, candidate: Candidate) -> dict[str, Any]:
    """What the panels of a model's files, and to try it, show to who asks; `candidate.search` is read."""
    panel = files_panel(candidate)
    job = panel["files_job"]
    costs_a_look = candidate.test_accuracy is not None
    return {
        **panel,
        "can_be_made": panel["can_be_made"] and (not costs_a_look or may_change(request.user, candidate.search)),
        "evaluation": evaluation_panel(panel["evaluation"]),
        "try_it": try_it(candidate),
        "may_change_job": job is not None and may_change_job(request.user, job),
    }
