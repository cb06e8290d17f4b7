"""2,000 children in a search, 1,000 searches in the list: how soon a page can be used, how fast answers are."""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks import web_rows
from benchmarks.measures import Measure, Measures
from benchmarks.web.pixel import opened
from benchmarks.web.site import Site, cookie_header, percentile

if TYPE_CHECKING:
    from searches.models import Search

USABLE = """() => new Promise((done) => {
  const look = () => {
    const plot = document.getElementById("curves-plot");
    const ready = plot?.classList.contains("js-plotly-plot") && document.querySelector("#tree [tabindex='0']");
    if (!ready) return requestAnimationFrame(look);
    requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0));
  };
  look();
})"""
"""The tree takes the keyboard, the curves are drawn, and the main thread is free: milliseconds since navigation."""


def measures_of(site: Site, *, n_children: int, n_searches: int, repeats: int) -> Measures:
    """page_2000_interactive_ms (median), and request_p95_ms over every page and API address."""
    from django.contrib.auth import get_user_model

    owner = get_user_model().objects.first()
    large = web_rows.many_children(n_steps=max(1, n_children // 20), owner=owner)
    web_rows.many_searches(n_searches, owner=owner)
    usable = []
    with opened(site) as page:
        for _ in range(repeats):
            page.goto(f"/searches/{large.uuid}/")
            usable.append(float(page.evaluate(USABLE)))
    took = {path: [_milliseconds(site, path) for _ in range(4 * repeats)] for path in _addresses(large)}
    slow = sorted(((percentile(times, 0.95), path) for path, times in took.items()), reverse=True)
    for milliseconds, path in slow:
        print(f"  {milliseconds:7.1f} ms  {path}", file=sys.stderr)
    return {
        "page_2000_interactive_ms": Measure(percentile(usable, 0.5), "ms"),
        "request_p95_ms": Measure(percentile([t for times in took.values() for t in times], 0.95), "ms"),
        "request_slowest_p95_ms": Measure(slow[0][0], "ms"),
    }


def _milliseconds(site: Site, path: str) -> float:
    connection = http.client.HTTPConnection(site.address.removeprefix("http://"))
    began = time.perf_counter()
    connection.request("GET", path, headers=cookie_header(site))
    answer = connection.getresponse()
    answer.read()
    took = 1000 * (time.perf_counter() - began)
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path} answered {answer.status}")
    return took


def _addresses(large: Search) -> Iterator[str]:
    """Every address that answers a GET without changing anything."""
    from django.urls import NoReverseMatch, reverse

    uuid = str(large.uuid)
    child = large.candidates.filter(kind="neighbour").order_by("-step", "index").defer("correct").first()
    assert child is not None
    place = [large.uuid, child.kind, child.step, child.index]
    names: dict[str, list[Any]] = {
        "search_list": [], "search_new": [], "worker_list": [], "dataset_list": [], "search_compare_page": [],
        "search_detail": [large.uuid], "search_tree": [large.uuid], "candidate_detail": place,
        "architecture_svg": [child.digest],
    }  # fmt: skip
    for name, arguments in names.items():
        try:
            yield reverse(name, args=arguments)
        except NoReverseMatch:
            continue
    yield from (f"/api/v1/searches{rest}" for rest in ("", f"/{uuid}", f"/{uuid}/events"))
