"""From a worker's commit to the frame after Plotly has drawn it, and what the page asks the network for meanwhile."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.measures import Measure, Measures
from benchmarks.web.site import Site, Training, percentile

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
DRAWN = """() => {
  const plot = document.getElementById("curves-plot");
  const first = window.drawn = {};
  plot.on("plotly_afterplot", () => {
    const epoch = plot.data[3]?.x.at(-1);
    requestAnimationFrame(() => { first[epoch] ??= performance.timeOrigin + performance.now(); });
  });
}"""
"""Trace 3 is the first training; its last x is the epoch that has been drawn."""


@contextmanager
def opened(site: Site) -> Iterator[Page]:
    """A page in Chromium, signed in."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(base_url=site.address, viewport={"width": 1440, "height": 900})
        name, value = site.cookie
        context.add_cookies([{"name": name, "value": value, "url": site.address}])
        yield context.new_page()
        browser.close()


def measures_of(site: Site, *, n_epochs: int, pause: float = 0.25) -> Measures:
    """epoch_to_pixel_p95_ms over so many epoch ends, and what went over the network after the page was there."""
    training = Training(n_epochs)
    committed: dict[int, float] = {}
    sockets: list[Any] = []
    frames: list[int] = []
    asked: list[str] = []
    with opened(site) as page:
        page.on("websocket", lambda socket: _listen(socket, sockets, frames))
        page.goto(f"/searches/{training.search.uuid}/")
        page.wait_for_load_state("networkidle")
        page.evaluate(DRAWN)
        page.on("request", lambda request: asked.append(request.url))
        for epoch in range(1, n_epochs + 1):
            training.end_epoch()
            committed[epoch] = 1000 * time.time()
            page.wait_for_timeout(1000 * pause)
        page.wait_for_timeout(2000)
        drawn = {int(float(epoch)): at for epoch, at in page.evaluate("window.drawn").items() if epoch != "undefined"}
    late = [drawn[epoch] - at for epoch, at in committed.items() if epoch in drawn]
    others = [url for url in asked if not url.endswith(".svg")]
    return {
        "epoch_to_pixel_p95_ms": Measure(percentile(late, 0.95), "ms"),
        "epoch_to_pixel_p50_ms": Measure(percentile(late, 0.5), "ms"),
        "epochs_drawn": Measure(len(late) / n_epochs, "share"),
        "page_sockets": Measure(len(sockets), "sockets"),
        "page_requests_after_load": Measure(len(others), "requests"),
        "largest_frame_bytes": Measure(max(frames, default=0), "bytes"),
    }


def _listen(socket: Any, sockets: list[Any], frames: list[int]) -> None:
    sockets.append(socket)
    socket.on("framereceived", lambda payload: frames.append(len(payload)))
