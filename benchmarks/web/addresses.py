"""Every address that answers a GET without changing anything, as a large site has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from searches.models import Search


PAGES = ("search_list", "search_new", "worker_list", "dataset_list", "results", "results_csv")


def addresses(large: Search, others: list[Search], owner: Any) -> Iterator[str]:
    """Pages, drawings, files and the API. `large`: the search of many children; `others`: to compare it with."""
    from django.urls import reverse

    child = large.candidates.filter(kind="neighbour").order_by("-step", "index").defer("correct").first()
    assert child is not None
    yield from (reverse(name) for name in PAGES)
    yield from (f"{reverse('search_list')}?{query}" for query in _ways_to_list())
    yield from (reverse(name) for name in ("list_csv", "list_json"))
    names = ("search_detail", "search_tree", "search_report", "model_detail", "search_notes")
    yield from (reverse(name, args=[large.uuid]) for name in names)
    place = [large.uuid, child.kind, child.step, child.index]
    yield from (reverse(name, args=place) for name in ("candidate_detail", "candidate_drawing", "candidate_notes"))
    yield reverse("architecture_svg", args=[child.digest])
    yield f"{reverse('compare')}?{urlencode([('s', str(s.uuid)) for s in (large, *others[:5])])}"
    yield from _of_datasets()
    yield from _of_ensembles(others, owner)
    yield from _of_the_api(large, owner)


def files(large: Search) -> Iterator[str]:
    """Files of tens of thousands of lines that are sent in pieces: what counts is when they begin."""
    from django.urls import reverse

    yield from (reverse("search_log", args=[large.uuid, form]) for form in ("csv", "jsonl"))
    yield from (reverse("search_scalars", args=[large.uuid, form]) for form in ("csv", "zip"))


def _ways_to_list() -> Iterator[str]:
    """Filters, orders that sort by other tables, every column, a late page."""
    from searches.selectors.wanted import COLUMNS

    yield from ("state=stopped", "sort=-accuracy", "sort=-test_error", "q=search+09", "page=15")
    yield urlencode([("col", name) for name in COLUMNS])


def _of_datasets() -> Iterator[str]:
    """The page of a data set that lies here with its images, and the pictures of one of its classes."""
    from django.urls import reverse

    from searches.datasets import ensure_digits
    from searches.models import DataSet

    ensure_digits()
    digits = DataSet.objects.get(name="digits")
    yield reverse("dataset_detail", args=[digits.name])
    yield reverse("dataset_samples", args=[digits.name, digits.digest[:16], 0])


def _of_ensembles(others: list[Search], owner: Any) -> Iterator[str]:
    """The list of ensembles and the page of one that was measured, of twenty members with made-up outputs."""
    import numpy as np
    from django.urls import reverse

    from searches.models import Candidate, Ensemble
    from searches.nash.averaging import gains
    from searches.selectors.ensembles import MOST
    from searches.services.members import add_members

    finals = Candidate.objects.filter(search__in=others, kind="final", status="done")
    members = list(finals.select_related("search__dataset")[:MOST])
    dataset, rng = members[0].search.dataset, np.random.default_rng(0)
    outputs = [rng.dirichlet(np.ones(dataset.n_classes), dataset.n_test) for _ in members]
    made = Ensemble.objects.create(
        name="Runs", kind=Ensemble.Kind.RUNS, owner=owner, dataset=dataset,
        result=gains(outputs, rng.integers(dataset.n_classes, size=dataset.n_test)),
    )  # fmt: skip
    add_members(made, members)
    yield from (reverse("ensemble_list"), reverse("ensemble_detail", args=[made.uuid]))
    yield from ("/api/v1/ensembles", f"/api/v1/ensembles/{made.uuid}")


def _of_the_api(large: Search, owner: Any) -> Iterator[str]:
    from searches import services
    from searches.forms import SearchForm

    form = SearchForm(preset="small")
    values = {name: form[name].value() for name in form.fields}
    told = {name: value for name, value in values.items() if value not in (None, "", False)}
    estimate = urlencode({**told, "dataset": large.dataset_id}, doseq=True)
    job = services.ask_for_download("cifar10", "CIFAR-10", owner)  # no worker is here to begin it
    root = "/api/v1"
    yield from (f"{root}/{rest}" for rest in ("searches", "operators", "openapi.json", f"estimate?{estimate}"))
    yield from (f"{root}/searches/{large.uuid}{rest}" for rest in ("", "/events", "/events?after=20000"))
    yield f"{root}/jobs/{job.uuid}"
