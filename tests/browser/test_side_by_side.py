"""Searches side by side in the browser: chosen in the list, drawn as a group, with the numbers behind the charts."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import launch
from tests.browser.site import Site
from tests.browser.test_search_page import saved


def test_two_seeds_are_chosen_in_the_list_and_compared_as_one_group(
    open_page: Callable[..., Page], site: Site, finished: str
):
    page = open_page()
    other = launch(page, "Ended, seed 1", seed=1, n_NM=6)
    expect(page.locator("#state")).to_contain_text("Finished:", timeout=180_000)
    page.goto("/?q=Ended")
    for name in ("Ended", "Ended, seed 1"):
        page.get_by_role("checkbox", name=f"Choose {name}", exact=True).check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="2 searches side by side")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/compare/\?s=[0-9a-f-]{36}&s=[0-9a-f-]{36}$"))
    expect(page.locator("#groups > li")).to_have_count(1)
    expect(page.locator("#groups")).to_contain_text("2 seeds")
    for chart in ("best", "cost", "size"):
        expect(page.locator(f"#{chart}-plot .main-svg").first).to_be_visible()
    settings = page.locator("section", has=page.get_by_role("heading", name="What differs")).locator("tbody tr")
    expect(settings).to_have_count(1)
    expect(settings).to_contain_text("seed")
    query = """SELECT c.step, AVG(c.val_accuracy)
               FROM searches_candidate c JOIN searches_search s ON s.id = c.search_id
               WHERE s.uuid IN (?, ?) AND (c.is_winner OR c.kind = 'pretrain') AND c.val_accuracy IS NOT NULL
               GROUP BY c.step ORDER BY c.step"""
    means = site.rows(query, *(uuid.replace("-", "") for uuid in (finished, other)))
    head, *rows = saved(page, "#best-data")
    column = head.index("mean validation accuracy")
    assert [(int(row[1]), round(float(row[column]), 9)) for row in rows] == [(s, round(m, 9)) for s, m in means]
    page.get_by_role("button", name="Seconds").click()
    expect(page.get_by_role("button", name="Seconds")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#cost-plot .xtitle")).to_contain_text("seconds of training")
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
