"""Ensembles: all of them, one with what it gains, a new one, its files, its removal."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from searches import selectors, services, tasks
from searches.models import Ensemble, Search
from searches.selectors.ensemble_panel import choosable, ensemble_dict, ensemble_lines, ensemble_panel
from searches.selectors.ensembles import LEAST, MOST, ensembles_visible_to, may_change_ensemble
from searches.selectors.evaluation import evaluation_panel
from searches.selectors.exports import NAMES
from searches.selectors.side_by_side import in_this_order
from searches.services import Refused
from searches.views.bulk import chosen_uuids
from searches.views.download import send_model
from searches.views.lookup import find_search
from searches.views.trying import try_ensemble, with_webassembly

SHOWN = 200
"""Searches to choose from: the newest."""


@require_safe
def ensemble_list(request: HttpRequest) -> HttpResponse:
    """What there is, and the searches whose final models can be averaged; those that ?s= names are ticked."""
    return _list(request, [str(uuid) for uuid in chosen_uuids(request)])


@require_POST
def ensemble_new(request: HttpRequest) -> HttpResponse:
    """Average the final models of what was chosen: here, in the list, or on the page that compares."""
    uuids = chosen_uuids(request)
    name = request.POST.get("name", "")
    searches = in_this_order(Search.objects.select_related("owner"), uuids)
    try:
        if gone := len(uuids) - len(searches):
            raise Refused(f"{gone} of the chosen searches {'is' if gone == 1 else 'are'} no longer there.")
        made = services.ensemble_runs(searches, request.user, name)  # type: ignore[arg-type]  # who is signed in
    except Refused as refusal:
        return _list(request, [str(uuid) for uuid in uuids], name=name, error=str(refusal))
    return redirect("ensemble_detail", uuid=made.uuid)


def _list(request: HttpRequest, chosen: list[str], *, name: str = "", error: str = "") -> HttpResponse:
    context = {
        "lines": ensemble_lines(ensembles_visible_to(request.user)),
        "choices": choosable(selectors.visible_to(request.user), SHOWN),
        "chosen": chosen,
        "name": name,
        "error": error,
        "least": LEAST,
        "most": MOST,
    }
    return render(request, "searches/ensembles.html", context, status=409 if error else 200)


@require_POST
def search_ensemble(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Average the snapshots of a search; what is not trained yet is trained first."""
    search = find_search(request, uuid)
    try:
        made, ids = services.ensemble_snapshots(search, request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("model_detail" if request.POST.get("from") == "model" else "search_detail", uuid=uuid)
    tasks.enqueue(ids)
    return redirect("ensemble_detail", uuid=made.uuid)


@with_webassembly
@require_safe
def ensemble_detail(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Members, what averaging gains, by number of members and without each; files; how it errs."""
    ensemble = _find(request, uuid)
    panel = ensemble_panel(ensemble)
    jobs = [job for job in (panel["job"], panel["files_job"]) if job is not None]
    facts = ensemble_dict(ensemble)
    context: dict[str, Any] = {
        "ensemble": ensemble,
        "facts": facts,
        "best": facts["members"][facts["gain_over_best"]["place"] - 1] if facts["gain_over_best"] else None,
        **panel,
        "evaluation": evaluation_panel(panel["evaluation"]),
        "try_it": try_ensemble(ensemble),
        "may_change": (may_change := may_change_ensemble(request.user, ensemble)),
        "can_be_made": panel["can_be_made"] and may_change,
        "may_change_job": any(selectors.may_change_job(request.user, job) for job in jobs),
    }
    return render(request, "searches/ensemble.html", context)


@require_POST
def ensemble_make_files(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Have its files made, and back to where they will stand."""
    try:
        services.ask_for_ensemble_files(_find(request, uuid), request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect(f"{reverse('ensemble_detail', args=[uuid])}#files")


@require_safe
def ensemble_file(request: HttpRequest, uuid: UUID, name: str) -> HttpResponseBase:
    """One file of it, by its name; 404 where it was not made."""
    formats = [key for key, known in NAMES.items() if known == name]
    return send_model(request, get_object_or_404(_find(request, uuid).files, format__in=formats), name)


@require_POST
def ensemble_delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """To the list of ensembles, which says so."""
    ensemble = _find(request, uuid)
    try:
        services.delete_ensemble(ensemble, request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("ensemble_detail", uuid=uuid)
    messages.success(request, f"“{ensemble.name}” is gone, files included. The searches of its members stay.")
    return redirect("ensemble_list")


def _find(request: HttpRequest, uuid: UUID) -> Ensemble:
    return get_object_or_404(ensembles_visible_to(request.user), uuid=uuid)
