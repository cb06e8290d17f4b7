"""What holds on every page: both themes, all widths, no sideways scroll, keyboard, asking before it is done."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import launch

SITE = ["/", "/workers/", "/results/", "/datasets/", "/datasets/digits/", "/ensembles/", "/searches/new/"]
SEARCH = ["/searches/{uuid}/", "/searches/{uuid}/neighbour-1-1/", "/searches/{uuid}/model/"]
PAGES = [*SITE, "/accounts/login/", *SEARCH, "/compare/?s={uuid}&s={failed}", "/ensembles/{ensemble}/"]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_scrolls_sideways_at_any_width_nor_when_it_shrinks(open_page, finished, failed, ensemble, path):
    address = path.format(uuid=finished, failed=failed, ensemble=ensemble)
    page = open_page(address, viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page.wait_for_load_state("networkidle")
    for width in (1440, 1200, 940, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width, timeout=5000)


def background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_theme_follows_the_system_until_one_is_chosen(open_page):
    page = open_page("/", color_scheme="dark")
    dark = background(page)
    page.emulate_media(color_scheme="light")
    light = background(page)
    assert dark != light
    page.get_by_role("button", name="Theme: system").click()
    page.emulate_media(color_scheme="dark")
    assert background(page) == light
    page.get_by_role("button", name="Theme: light").click()
    page.emulate_media(color_scheme="light")
    page.reload()
    assert background(page) == dark  # kept, and set before the first paint: a blocking script in <head>
    first_script = page.locator("head script").first
    assert first_script.get_attribute("defer") is None
    assert first_script.get_attribute("type") is None


def test_the_skip_link_is_the_first_stop_and_leads_to_the_content(open_page):
    page = open_page("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_stopping_says_what_will_happen_first(open_page):
    page = open_page("/")
    launch(page, "To be stopped", n_steps=5)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("dialog")).to_contain_text("no final model and no test error")
    page.get_by_role("button", name="Leave it").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop for good").click()
    expect(page.locator("#state")).to_contain_text("topped by ada")
