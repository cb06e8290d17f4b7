"""2,000 children in a search, 1,000 searches in the list: how soon a page can be used, how fast answers are."""

from __future__ import annotations

import http.client
import sys
import time

from benchmarks import web_rows
from benchmarks.measures import Measure, Measures
from benchmarks.web.addresses import addresses, files
from benchmarks.web.frames import frames_of
from benchmarks.web.pixel import opened
from benchmarks.web.site import Site, cookie_header, percentile

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
    """page_2000_interactive_ms (median), frames of its tree, and how long each page and API address takes.

    request_p95_ms is that of the slowest of them, so that no request is slower; the first answer to each is a
    measurement like the others. Of the files that are sent in pieces it is the time until they begin.
    """
    from django.contrib.auth import get_user_model

    owner = get_user_model().objects.first()
    large = web_rows.many_children(n_steps=max(1, n_children // 20), owner=owner)
    others = web_rows.many_searches(n_searches, owner=owner)
    usable = []
    with opened(site) as page:
        for _ in range(repeats):
            page.goto(f"/searches/{large.uuid}/")
            usable.append(float(page.evaluate(USABLE)))
        frames = frames_of(page, seconds=1.0 if repeats < 3 else 10.0)
    found = list(addresses(large, others, owner))
    took = {path: [_milliseconds(site, path) for _ in range(4 * repeats)] for path in found}
    begun = {path: [_milliseconds(site, path, whole=False) for _ in range(4 * repeats)] for path in files(large)}
    took |= begun
    slow = sorted(((percentile(times, 0.95), path) for path, times in took.items()), reverse=True)
    for milliseconds, path in slow:
        print(f"  {milliseconds:7.1f} ms  first {took[path][0]:7.1f} ms  {path[:90]}", file=sys.stderr)
    return {
        "page_2000_interactive_ms": Measure(percentile(usable, 0.5), "ms"),
        **frames,
        "request_p95_ms": Measure(slow[0][0], "ms"),
        "request_all_p95_ms": Measure(percentile([t for times in took.values() for t in times], 0.95), "ms"),
        "request_all_p50_ms": Measure(percentile([t for times in took.values() for t in times], 0.5), "ms"),
        "file_begins_p95_ms": Measure(percentile([t for times in begun.values() for t in times], 0.95), "ms"),
        "request_addresses": Measure(len(took), "addresses"),
    }


def _milliseconds(site: Site, path: str, *, whole: bool = True) -> float:
    """Until the answer is here; not `whole`: until its first byte is."""
    connection = http.client.HTTPConnection(site.address.removeprefix("http://"))
    began = time.perf_counter()
    connection.request("GET", path, headers=cookie_header(site))
    answer = connection.getresponse()
    answer.read(None if whole else 1)
    took = 1000 * (time.perf_counter() - began)
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path} answered {answer.status}")
    return took
