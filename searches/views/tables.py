"""The results of all searches on a data set, as the paper's tables have them: /results/?dataset=name."""

import csv
import io
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from searches.models import DataSet
from searches.selectors import visible_to
from searches.selectors.ensembles import ensembles_visible_to
from searches.selectors.exporting import as_text
from searches.selectors.side_by_side import LEAST, MOST
from searches.selectors.tables import tables, with_finished

COLUMNS = ("source", "setting", "network", "runs", "hours", "parameters", "error", "deviation")


@require_safe
def results(request: HttpRequest) -> HttpResponse:
    """The page; without a data set in the address that of most finished searches."""
    datasets = with_finished(visible_to(request.user))
    chosen = _chosen(request, datasets)
    context: dict[str, Any] = {"datasets": datasets, "chosen": chosen}
    if chosen is not None:
        found = tables(visible_to(request.user), chosen, ensembles_visible_to(request.user))
        for group in found["groups"]:
            group["can_be_compared"] = LEAST <= len(group["searches"]) <= MOST
        context["found"] = found
    return render(request, "searches/results.html", context)


@require_safe
def results_csv(request: HttpRequest) -> HttpResponse:
    """Every row of the page's table, unrounded; errors and deviations are fractions."""
    chosen = _chosen(request, with_finished(visible_to(request.user)))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    if chosen is not None:
        found = tables(visible_to(request.user), chosen, ensembles_visible_to(request.user))
        for group in found["groups"]:
            told = {"source": "this site", "setting": group["name"]}
            writer.writerows(_cells({**row, **told, "network": row["title"]}) for row in group["rows"])
        for row in found["averaged"]:
            told = {"source": "this site", "setting": row["name"]}
            writer.writerow(_cells({**row, **told, "network": f"ensemble of {row['n_members']}"}))
        for row in found["quoted"]:
            writer.writerow(_cells({**row, "source": f"Elsken et al., {row['table']}", "setting": row["name"]}))
    headers = {"Content-Disposition": 'attachment; filename="results.csv"'}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


def _cells(row: dict[str, Any]) -> list[str]:
    return [as_text(row.get(column)) for column in COLUMNS]


def _chosen(request: HttpRequest, datasets: list[DataSet]) -> DataSet | None:
    """The data set that the address names, else the first; None where nothing has finished yet."""
    asked = request.GET.get("dataset")
    if not asked:
        return datasets[0] if datasets else None
    for dataset in datasets:
        if dataset.name == asked:
            return dataset
    raise Http404(f"no finished search on a data set of the name {asked}")
