"""The network goes for 20 s: the page says so, goes on by itself, and has every point of the database once."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import launch
from tests.browser.site import Site, wait_until

HELD = "() => Object.fromEntries([...nash.points].map(([id, rows]) => [id, rows.map((r) => [r[0], r[4]])]))"
CUT_MS = 20_000


def test_a_page_whose_network_was_cut_for_20_seconds_has_every_point_once(browser, site: Site, signed_in):
    context = browser.new_context(base_url=site.address, storage_state=signed_in)
    page = context.new_page()
    uuid = launch(page, "Cut off", epoch_pretrain=300)
    expect(page.locator("#state")).to_contain_text(re.compile("trains"), timeout=60_000)
    wait_until(lambda: len(page.evaluate(HELD)) > 0, "the first point")
    before = sum(map(len, site.candidate_points(uuid).values()))
    context.set_offline(True)
    page.wait_for_timeout(CUT_MS)
    assert sum(map(len, site.candidate_points(uuid).values())) > before, "the search went on meanwhile"
    context.set_offline(False)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop for good").click()
    expect(page.locator("#state")).to_contain_text("topped", timeout=30_000)
    expect(page.locator("#offline")).to_be_hidden()
    wait_until(lambda: page.evaluate(HELD) == site.candidate_points(uuid), "the page holds every point once")
    context.close()
