"""The list of searches: a page of it, and all that it holds as CSV and JSON; its whole state is in the address."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from searches.selectors import list_version, may_change, visible_to, workers_alive
from searches.selectors.exporting import csv_text, export_rows
from searches.selectors.listing import Listed, all_of, choices, deleted_listing, page_of
from searches.selectors.wanted import COLUMNS, NOBODY, STATES, Wanted, wanted

STATE_WORDS = {state: state.capitalize() for state in STATES}
AROUND = 2
"""Page numbers that are offered on each side of the page on show."""


@require_safe
def search_list(request: HttpRequest) -> HttpResponse:
    """The searches that this account may see, as the address wants them.

    Its version is read first: what happens meanwhile makes the page ask again (static/js/refresh.js).
    """
    version = list_version()
    want = wanted_of(request)
    visible = visible_to(request.user)
    listed = page_of(visible, want)
    offered = choices(visible)
    context = {
        "want": want,
        "listed": listed,
        "lines": listed.lines,
        "columns": want.columns,
        "heads": [_head(want, name) for name in want.columns],
        "name_head": _head(want, "name"),
        "all_columns": COLUMNS.values(),
        "states": _states(listed),
        "choices": offered,
        "nobody": NOBODY,
        "is_any": bool(offered.datasets),
        "pages": _pages(listed),
        "query": want.query(page=listed.page),
        "changeable": {line.search.pk for line in listed.lines if may_change(request.user, line.search)},
        "deleted": deleted_listing(request.user),
        "counts": listed.in_all,
        "n_workers": workers_alive().count(),
        "version": version,
    }
    return render(request, "searches/list.html", context)


@require_safe
def list_csv(request: HttpRequest) -> HttpResponse:
    """Every search that the filters let through, in the order and with the columns of the page."""
    headers = {"Content-Disposition": 'attachment; filename="searches.csv"'}
    return HttpResponse(csv_text(_export(request)), content_type="text/csv; charset=utf-8", headers=headers)


@require_safe
def list_json(request: HttpRequest) -> HttpResponse:
    """The same as JSON."""
    headers = {"Content-Disposition": 'attachment; filename="searches.json"'}
    body = json.dumps({"searches": _export(request)}, ensure_ascii=False)
    return HttpResponse(body, content_type="application/json", headers=headers)


def wanted_of(request: HttpRequest) -> Wanted:
    return wanted(request.GET, request.GET.getlist("col"))


def _export(request: HttpRequest) -> list[dict[str, Any]]:
    want = wanted_of(request)
    return export_rows(all_of(visible_to(request.user), want), want.columns)


def _head(want: Wanted, name: str) -> dict[str, Any]:
    """A head of the table: its words, and where a click on it leads."""
    column = COLUMNS.get(name)
    is_by, falls = want.sort.removeprefix("-") == name, want.sort.startswith("-")
    first = f"-{name}" if column is not None and column.falls else name
    other = name if falls else f"-{name}"
    return {
        "name": name,
        "title": column.title if column else "Name",
        "is_number": column is not None and column.is_number,
        "query": (want.query(sort=other if is_by else first) or "?") if column is None or column.can_sort else "",
        "sorted": ("descending" if falls else "ascending") if is_by else "",
    }


def _states(listed: Listed) -> list[dict[str, Any]]:
    """All, and each state in which there is a search or that is wanted."""
    want, counts = listed.want, listed.counts
    shown = [state for state in STATES if counts.get(state) or state == want.state]
    chips = [{"words": "All", "n": sum(counts.values()), "state": ""}]
    chips += [{"words": STATE_WORDS[state], "n": counts.get(state, 0), "state": state} for state in shown]
    return [{**c, "query": want.query(state=c["state"]) or "?", "is_on": c["state"] == want.state} for c in chips]


def _pages(listed: Listed) -> list[dict[str, Any]]:
    """The first, the last, and those near the page on show; n is None for a gap."""
    near = range(listed.page - AROUND, listed.page + AROUND + 1)
    pages: list[dict[str, Any]] = []
    for n in range(1, listed.n_pages + 1):
        if n in (1, listed.n_pages) or n in near:
            pages.append({"n": n, "query": listed.want.query(page=n) or "?", "is_on": n == listed.page})
        elif pages[-1]["n"] is not None:
            pages.append({"n": None})
    return pages if listed.n_pages > 1 else []
