"""The API's ensembles: list, one with all its numbers, make one. A refusal is a 409 with the sentence of the page."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status

from searches import selectors, services, tasks
from searches.models import Search
from searches.selectors.ensemble_panel import ensemble_dict, ensemble_lines
from searches.selectors.ensembles import ensembles_visible_to
from searches.selectors.side_by_side import in_this_order

router = Router()


class NewEnsemble(Schema):
    """Either the searches whose final models are averaged, in order, or the one whose snapshots are."""

    searches: list[UUID] = []
    snapshots_of: UUID | None = None
    name: str = ""


class Refusal(Schema):
    detail: str


@router.get("", response=list[dict[str, Any]], summary="Ensembles, the newest first")
def list_ensembles(request: HttpRequest) -> list[dict[str, Any]]:
    return ensemble_lines(ensembles_visible_to(request.user))


@router.post("", response={201: dict[str, Any], 404: Refusal, 409: Refusal}, summary="Average trained networks")
def make_ensemble(request: HttpRequest, wanted: NewEnsemble) -> Status[dict[str, Any]]:
    """Members are measured by a worker; snapshots that are missing are trained first."""
    by: Any = request.user
    visible = selectors.visible_to(by).select_related("owner", "dataset")
    try:
        if wanted.snapshots_of is not None:
            if wanted.searches:
                raise services.Refused("Give searches, or snapshots_of: not both.")
            made, ids = services.ensemble_snapshots(get_object_or_404(visible, uuid=wanted.snapshots_of), by)
            tasks.enqueue(ids)
        else:
            made = services.ensemble_runs(_in_order(visible, wanted.searches), by, wanted.name)
    except services.Refused as refusal:
        return Status(409, {"detail": str(refusal)})
    return Status(201, ensemble_dict(made))


@router.get("{uuid}", response=dict[str, Any], summary="One ensemble: members, errors, gains, by number of members")
def show_ensemble(request: HttpRequest, uuid: UUID) -> dict[str, Any]:
    return ensemble_dict(get_object_or_404(ensembles_visible_to(request.user), uuid=uuid))


def _in_order(visible: Any, uuids: list[UUID]) -> list[Search]:
    """The searches, in the order given and as often. Raises Refused where one is not there."""
    found = {search.uuid: search for search in in_this_order(visible, uuids)}
    if missing := [str(uuid) for uuid in uuids if uuid not in found]:
        raise services.Refused(f"There is no search {missing[0]}, or it was deleted.")
    return [found[uuid] for uuid in uuids]
