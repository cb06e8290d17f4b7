"""The list of searches in the browser: its address, whatever is asked for; what is done to the chosen ones."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import launch
from tests.browser.site import Site
from tests.browser.test_controls import LONG

NAMES = ("Night one", "Night two")


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_a_column_head_clicked_before_a_filtered_list_has_arrived_keeps_the_filter(
    open_page: Callable[..., Page], finished: str
):
    page = open_page("/")
    page.route("**/?*", lambda route: None)  # no answer comes until the test lets it
    page.get_by_label("Name, tag or note").fill("nothing is called this")
    page.get_by_role("link", name="Parameters").click()  # the typed text is not even in the address yet
    page.get_by_role("link", name="Finished").click()
    assert asked(page) == {"q": ["nothing is called this"], "sort": ["-parameters"], "state": ["finished"]}
    page.unroute("**/?*")  # what was held goes on
    expect(page.get_by_role("heading", name="No search is like that")).to_be_visible()
    expect(page.get_by_label("Name, tag or note")).to_have_value("nothing is called this")
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_label("Name, tag or note")).to_have_value("")
    expect(page.get_by_role("link", name="Ended")).to_be_visible()
    assert asked(page) == {}


@pytest.fixture(scope="module")
def nights(browser: Browser, site: Site, signed_in) -> None:
    """Two searches that run or wait, until the last test here has deleted one and stopped the other."""
    context = browser.new_context(base_url=site.address, storage_state=signed_in)
    for name in NAMES:
        launch(context.new_page(), name, epoch_pretrain=200, **LONG)
    context.close()


def line(page: Page, name: str) -> Locator:
    return page.locator(".searches tbody tr", has_text=name)


def do(page: Page, button: str, *names: str, tags: str = "") -> None:
    """A button of the bar over the list, about these searches; the bar is there once one is chosen."""
    for name in names:
        page.get_by_label(f"Choose {name}").check()
    bar = page.get_by_role("form", name="Chosen searches")
    bar.get_by_label("Tags, with commas between them").fill(tags)
    bar.get_by_role("button", name=button, exact=True).click()


def undo(page: Page) -> None:
    page.get_by_role("alert").get_by_role("button", name="Undo").click()


def test_the_chosen_searches_are_tagged_and_deleted_and_each_is_undone(open_page, nights: None):
    page = open_page("/")
    do(page, "Tag", *NAMES, tags="night")
    expect(page.get_by_role("alert")).to_have_text("2 searches are tagged “night”.Undo")
    for name in NAMES:
        expect(line(page, name).locator(".tag")).to_have_text(["night"])
    undo(page)
    expect(page.get_by_role("alert")).to_contain_text("2 searches are no longer tagged “night”.")
    for name in NAMES:
        expect(line(page, name).locator(".tag")).to_have_count(0)
    do(page, "Delete", *NAMES)
    expect(page.get_by_role("region", name="Deleted")).to_contain_text("Night two")
    for name in NAMES:
        expect(line(page, name)).to_have_count(0)
    undo(page)
    expect(page.get_by_role("alert")).to_contain_text("2 searches were brought back.")
    for name in NAMES:
        expect(line(page, name)).to_have_count(1)


def test_the_chosen_searches_are_stopped_and_what_was_not_emptied_before_stays(open_page, site: Site, nights: None):
    page = open_page("/")
    do(page, "Delete", "Night two")
    page.get_by_role("button", name="Empty now").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Leave it").click()
    do(page, "Stop", "Night one")
    expect(dialog).to_contain_text("“Night one”. What trains now ends at once")
    dialog.get_by_role("button", name="Leave it").click()
    do(page, "Stop")
    dialog.get_by_role("button", name="Stop for good").click()
    expect(page.get_by_role("alert")).to_contain_text("“Night one” was stopped.")
    expect(line(page, "Night one")).to_contain_text("Stopped")
    expect(page.get_by_role("region", name="Deleted")).to_contain_text("Night two")
    assert site.rows("SELECT 1 FROM searches_search WHERE name = 'Night two'") == [(1,)]
