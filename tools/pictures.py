"""Pictures of the main pages, of a real site with real small searches: docs/pictures, shown in the README.

    python -m tools.pictures [--folder docs/pictures]

Starts `manage.py up` on a data folder of its own, launches searches on the bundled digits from the form, and takes a
picture whenever there is something to see. Needs Chromium; takes some minutes, depending on the machine.
"""

import argparse
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, first_account, launch
from tests.browser.site import ROOT, Site, wait_until

FOLDER = ROOT / "docs" / "pictures"
MOST_BYTES = 200_000
PATIENCE = 8 * 60_000
"""How long a search may take, or a page of a busy machine, in ms."""
SMALL: dict[str, Any] = {"n_steps": 3, "n_neigh": 4, "epoch_pretrain": 4, "epoch_neigh": 4, "epoch_final": 8}
LARGER: dict[str, Any] = {"n_steps": 4, "n_neigh": 5, "epoch_pretrain": 8, "epoch_neigh": 12, "epoch_final": 40}
DRAWN = """() => document.fonts.status === "loaded" && !document.querySelector(".is-loading")
  && document.querySelector("[data-estimate=time_words]")?.textContent !== "–"
  && !document.querySelector("[data-asking]")
  && [...document.querySelectorAll("#curves-plot, #best-plot, #cost-plot, #size-plot")]
    .every((plot) => !plot.offsetWidth || plot.querySelector(".main-svg"))"""
"""Fonts, drawings, the estimate and Plotly's charts are there."""
Opened = Callable[..., Page]


def main() -> int:
    expect.set_options(timeout=PATIENCE)  # a busy machine is slow, not wrong
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("No Chromium here: install it (Debian, Ubuntu: apt-get install chromium).", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        site = Site(Path(data) / "data", workers=2)
        try:
            _take_all(partial(_opened, browser, site, first_account(browser, site)), partial(_kept, folder))
        finally:
            site.end()
            browser.close()
    return 0


def _take_all(opened: Opened, kept: Callable[[str, bytes], None]) -> None:
    page = opened("/")
    kept("launch", _once(opened("/searches/new/?preset=demo"), height=1240))
    repeated = [
        launch(page, f"{name}, seed {seed}", seed=seed, n_NM=n_morphisms, **SMALL)
        for name, n_morphisms in (("Three morphisms", 3), ("One morphism", 1))
        for seed in (0, 1)
    ]
    for uuid in repeated:
        _ended(page, uuid)
        _tagged(page, "digits-3-steps")
    kept("compare", _once(opened(f"/compare/?{urlencode([('s', uuid) for uuid in repeated])}")))

    uuid = launch(page, "Digits, four steps", **LARGER)
    wait_until(lambda: _is_worth_seeing(page), "a search in one of its last steps", PATIENCE / 1000)
    kept("search-running", _shot(page, height=1760))
    kept("phone", _once(opened(page.url, width=390, dark=True), height=1500))
    _ended(page, uuid)
    _tagged(page, "readme", "What does one more step bring? *Compare with three steps.*")
    kept("search-finished", _once(opened(page.url, dark=True), height=1760))
    page.goto(f"/searches/{uuid}/")
    kept("lineage", _shot(page, between=("#lineage", "#network")))

    page.goto(f"/searches/{uuid}/model/")
    page.get_by_role("button", name="Make all files").click()
    expect(page.get_by_role("link", name="model.onnx")).to_be_visible()
    page.reload()
    kept("model", _shot(page, height=1560))
    kept("data-set", _once(opened("/datasets/digits/", dark=True), height=1240))

    launch(page, "Digits, wider start", **{**LARGER, "n_steps": 6, "n_neigh": 6})
    expect(page.locator("#state")).to_contain_text("trains")
    launch(page, "Digits, again", **{**SMALL, "seed": 7})
    kept("list", _once(opened("/")))


def _opened(browser: Browser, site: Site, account: Any, path: str, *, width: int = 1440, dark: bool = False) -> Page:
    scheme: Any = "dark" if dark else "light"
    context = browser.new_context(
        base_url=site.address, storage_state=account, color_scheme=scheme, reduced_motion="reduce",
        viewport={"width": width, "height": 900},
    )  # fmt: skip
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(path)
    return page


def _ended(page: Page, uuid: str) -> None:
    page.goto(f"/searches/{uuid}/")
    expect(page.locator("#state")).to_contain_text("Finished:")


def _is_worth_seeing(page: Page) -> bool:
    """Whether the search stands in one of its last steps and has a leader there, by a page loaded anew."""
    page.reload()
    state = page.locator("#state").text_content() or ""
    assert "Finished" not in state, "The search ended before there was a picture of it running: give it more epochs."
    return re.search(r"Step [34] of", state) is not None and page.locator("#tree .is-lead").count() > 0


def _tagged(page: Page, tags: str, note: str = "") -> None:
    page.locator("#notes-edit").click()
    page.locator("#notes-tags").fill(tags)
    page.locator("#notes-note").fill(note)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notes-body .tag").first).to_be_visible()


def _once(page: Page, **wanted: Any) -> bytes:
    """A picture of a page that is not needed any more."""
    try:
        return _shot(page, **wanted)
    finally:
        page.context.close()


def _shot(page: Page, *, height: int | None = None, between: tuple[str, str] | None = None) -> bytes:
    """A PNG of the whole page, of its first `height` px, or of all from the first to the last of two elements."""
    page.bring_to_front()
    page.wait_for_load_state("load")
    page.wait_for_function(DRAWN)
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    if between:
        first, last = (page.locator(selector).bounding_box() for selector in between)
        assert first
        assert last
        left, top = first["x"] - 12, first["y"] - 12
        bottom = max(box["y"] + box["height"] for box in (first, last)) + 12
        clip = {"x": left, "y": top, "width": last["x"] + last["width"] + 12 - left, "height": bottom - top}
        return page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]
    whole = page.evaluate("document.documentElement.scrollHeight")
    width = page.evaluate("innerWidth")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height or whole, whole)}
    return page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]


def _kept(folder: Path, name: str, png: bytes) -> None:
    """Write a picture with a palette, of as many colours as fit in MOST_BYTES; large areas keep theirs exactly."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        out = io.BytesIO()
        fewer = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
        fewer.save(out, "PNG", optimize=True)
        if out.tell() < MOST_BYTES:
            break
    (folder / f"{name}.png").write_bytes(out.getvalue())
    print(f"{name}.png: {picture.width} x {picture.height}, {out.tell() // 1000} kB, {colours} colours", flush=True)


if __name__ == "__main__":
    sys.exit(main())
