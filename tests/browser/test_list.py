"""The list of searches in the browser: its address keeps all that was asked for, however slow the answers are."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect


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
