"""A phone of 390 px with a thumb: what is tapped is tall enough, a swipe over a chart scrolls the page."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import wait_until
from tests.browser.test_every_page import PAGES

LEAST_PX = 44
LOW = """(least) => {
  const tapped = "header a, :is(header, main) button, main :is(select, input, .btn, .state-chip, .page-link)";
  const target = (e) => (["checkbox", "radio"].includes(e.type) ? (e.closest("label") ?? e.labels[0] ?? e) : e);
  const isThere = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest(".visually-hidden, thead");
  const height = (e) => target(e).getBoundingClientRect().height;
  const low = [...document.querySelectorAll(tapped)].filter((e) => isThere(e) && height(e) < least);
  return low.map((e) => `${height(e)} px: ${e.outerHTML.slice(0, 120)}`);
}"""
"""Visible controls below so many pixels; of a box or a button to choose one, its label is what is tapped."""


@pytest.fixture
def phone(open_page: Callable[..., Page]) -> Iterator[Callable[[str], Page]]:
    def opened(path: str) -> Page:
        return open_page(path, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)

    return opened


def low_controls(page: Page) -> list[str]:
    found: list[str] = page.evaluate(LOW, LEAST_PX)
    return found


def test_what_is_tapped_is_tall_enough_for_a_thumb(phone, finished, failed, ensemble):
    page = phone("/")
    found = {}
    for path in PAGES:
        page.goto(path.format(uuid=finished, failed=failed, ensemble=ensemble))
        page.wait_for_load_state("networkidle")
        found[path] = low_controls(page)
    assert {path: those for path, those in found.items() if those} == {}


def test_a_thumb_chooses_a_node_opens_the_menu_switches_a_curve_and_scrolls_past_the_charts(phone, finished):
    page = phone(f"/searches/{finished}/")
    page.locator("#tree [role=treeitem][aria-label*='1.1,']").tap()
    expect(page.locator("#network-h")).to_have_text("Network 1.1")
    page.get_by_role("button", name="More").tap()
    expect(page.get_by_role("menuitem", name="Save as one HTML file")).to_be_visible()
    page.keyboard.press("Escape")
    series = page.locator(".series-key", has_text="learning rate")
    series.tap()
    expect(series).to_have_attribute("aria-pressed", "false")
    plot = page.locator("#curves-plot")
    plot.evaluate("(plot) => plot.scrollIntoView({ block: 'center' })")
    before, range_ = page.evaluate("scrollY"), plot.evaluate("(plot) => plot.layout.yaxis2.range")
    swipe_up(page, plot.bounding_box())
    wait_until(lambda: page.evaluate("scrollY") > before + 100, "the page scrolls", 5)
    assert plot.evaluate("(plot) => plot.layout.yaxis2.range") == range_


def swipe_up(page: Page, box: dict[str, float] | None) -> None:
    """A thumb that begins in the middle of the box, as events of the screen."""
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    screen = page.context.new_cdp_session(page)
    for k in range(11):
        touch = {"type": "touchMove" if k else "touchStart", "touchPoints": [{"x": x, "y": y - 20 * k}]}
        screen.send("Input.dispatchTouchEvent", touch)
        page.wait_for_timeout(16)
    screen.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
