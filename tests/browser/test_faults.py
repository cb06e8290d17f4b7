"""The network goes: the page says so, goes on by itself, and misses and doubles nothing of the database."""

import re

from playwright.sync_api import expect

from tests.browser.cable import Cable
from tests.browser.conftest import launch, unexpected, watch
from tests.browser.site import Site, wait_until

HELD = "() => Object.fromEntries([...nash.points].map(([id, rows]) => [id, rows.map((r) => [r[0], r[4]])]))"
CUT_MS = 20_000


def test_a_page_whose_network_was_cut_for_20_seconds_has_every_point_once(browser, site: Site, signed_in):
    with Cable(site.address) as cable:
        context = browser.new_context(base_url=cable.address, storage_state=signed_in)
        page = context.new_page()
        watch(page, complaints := [], cable.address)
        uuid = launch(page, "Cut off", epoch_pretrain=300)
        expect(page.locator("#state")).to_contain_text(re.compile("trains"), timeout=60_000)
        wait_until(lambda: len(page.evaluate(HELD)) > 0, "the first point")
        before = sum(map(len, site.candidate_points(uuid).values()))
        cable.cut()
        expect(page.locator("#offline")).to_contain_text("The search goes on; this page catches up by itself.")
        page.wait_for_timeout(CUT_MS)
        assert sum(map(len, site.candidate_points(uuid).values())) > before, "the search went on meanwhile"
        cable.mend()
        expect(page.locator("#offline")).to_be_hidden(timeout=30_000)
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Stop for good").click()
        expect(page.locator("#state")).to_contain_text("topped", timeout=30_000)
        wait_until(lambda: page.evaluate(HELD) == site.candidate_points(uuid), "the page holds every point once")
        assert unexpected(complaints) == []
        context.close()


def test_a_list_whose_network_was_cut_shows_what_happened_meanwhile(browser, site: Site, signed_in):
    with Cable(site.address) as cable:
        context = browser.new_context(base_url=cable.address, storage_state=signed_in)
        page = context.new_page()
        watch(page, complaints := [], cable.address)
        other = browser.new_context(base_url=site.address, storage_state=signed_in).new_page()
        page.goto("/")
        page.get_by_label("Name, tag or note").fill("meanwhile")
        expect(page).to_have_url(re.compile("q=meanwhile"))
        page.evaluate("window.neverReloaded = true")
        launch(other, "Meanwhile, first")
        first, second = (page.locator("tr", has_text=f"Meanwhile, {name}") for name in ("first", "second"))
        expect(first).to_be_visible()
        cable.cut()
        expect(page.locator("#offline")).to_contain_text("What is shown is of then; this page catches up by itself.")
        launch(other, "Meanwhile, second", n_neigh=1)
        expect(other.locator("#state")).to_contain_text("Finished:", timeout=180_000)
        expect(first).not_to_contain_text("Finished")
        expect(second).to_have_count(0)
        cable.mend()
        for line in (first, second):
            expect(line).to_contain_text("Finished", timeout=30_000)
        expect(page.locator("#offline")).to_be_hidden()
        expect(page.get_by_label("Name, tag or note")).to_have_value("meanwhile")
        expect(page.locator("#list tbody tr")).to_have_count(2)
        assert page.evaluate("window.neverReloaded")
        assert unexpected(complaints) == []
        other.context.close()
        context.close()
