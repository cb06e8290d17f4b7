"""Searches side by side: /compare/?s=uuid&s=uuid, two to six of them."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from searches.models import Search
from searches.selectors import visible_to
from searches.selectors.side_by_side import LEAST, MOST, in_this_order, side_by_side
from searches.views.bulk import chosen_uuids


@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """The page; a POST of the list's form leads to its address. What cannot be compared is refused in words."""
    uuids = chosen_uuids(request)
    if request.method == "POST":
        return redirect(f"{reverse('compare')}?{urlencode([('s', str(uuid)) for uuid in uuids])}")
    asked = len(set(request.GET.getlist("s")))
    searches = in_this_order(visible_to(request.user), uuids) if LEAST <= asked <= MOST else []
    if refusal := _refusal(asked, uuids, searches):
        return render(request, "searches/compare.html", {"refusal": refusal}, status=400 if not searches else 404)
    compared = side_by_side(searches)
    back = {"back": f"{reverse('search_list')}"}
    return render(request, "searches/compare.html", {"compared": compared, **back, **_layout(compared)})


def _refusal(asked: int, uuids: list[Any], searches: list[Search]) -> str:
    """Why these cannot be compared, else ""."""
    if asked < LEAST:
        chosen = "One search was chosen" if asked else "No search was chosen"
        return f"{chosen}: tick two to six in the list."
    if asked > MOST:
        return f"{asked} searches were chosen: at most six can be told apart. Untick {asked - MOST} of them."
    if len(searches) == asked:
        return ""
    missing = set(uuids) - {search.uuid for search in searches}
    deleted = [f"“{s.name}”" for s in Search.objects.exclude(deleted=None).filter(uuid__in=missing)]
    unknown = asked - len(searches) - len(deleted)
    said = []
    if deleted:
        said.append(f"{', '.join(deleted)} {'was' if len(deleted) == 1 else 'were'} deleted, and can be brought back")
    if unknown:
        said.append(f"{unknown} of the {asked} addresses {'names' if unknown == 1 else 'name'} no search here")
    return f"{'; '.join(said)}."


def _layout(compared: dict[str, Any]) -> dict[str, Any]:
    """Which warnings the page begins with, and whether a group has several members."""
    return {
        "is_mixed": len(compared["datasets"]) > 1,
        "has_seeds": any(len(group["members"]) > 1 for group in compared["groups"]),
    }
