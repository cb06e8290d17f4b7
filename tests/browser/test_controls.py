"""Every button of a search's page and of the lists, driven for real: what it says first, and that it happens."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import launch
from tests.browser.site import Site

AT_ONCE = 5_000
"""Milliseconds in which every button takes effect."""
LONG = {"n_steps": 6, "n_neigh": 3, "epoch_neigh": 60}
STOP_ALL = """
from searches import services
from searches.models import Search
for search in Search.objects.filter(status__in=("waiting", "running", "paused"), deleted=None):
    services.stop(search, "the end of a test")
"""
FAIL = """
from django.db import transaction
from searches.models import Search
from searches.services.events import append, candidate_of, lock_search
with transaction.atomic():
    search = lock_search(Search.objects.get(uuid="{uuid}").pk)
    search.candidates.filter(status="pending").update(status="diverged", reason="the loss became NaN")
    Search.objects.filter(pk=search.pk).update(status="failed", reason="no candidate of pretraining survived")
    candidates = [candidate_of(search, pk) for pk in search.candidates.values_list("pk", flat=True)]
    append(search, "search_ended", "Search failed: no candidate of pretraining survived", candidates=candidates)
"""


@pytest.fixture
def page(open_page, site: Site) -> Iterator[Page]:
    """A page of ada's; what she launched is stopped in the end, so that the next test has the worker."""
    yield open_page()
    site.manage("shell", "-c", STOP_ALL)


def press(page: Page, name: str, *, yes: str = "", in_menu: bool = False) -> None:
    """A button of the page, or an item of its menu; `yes` is the answer to what it asks."""
    if in_menu:
        page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem" if in_menu else "button", name=name, exact=True).click()
    if yes:
        page.get_by_role("dialog").get_by_role("button", name=yes, exact=True).click()


def says(page: Page, words: str, *, timeout: float = AT_ONCE) -> None:
    """The log has a line with these words."""
    expect(page.locator("#log-list")).to_contain_text(words, timeout=timeout)


def offered(page: Page) -> list[str]:
    buttons = page.get_by_role("group", name="This search").get_by_role("button")
    return [each.inner_text().strip() for each in buttons.all() if each.is_visible()]


def test_a_search_is_paused_resumed_finished_early_extended_and_stopped(page: Page):
    launch(page, "Told what to do", **{**LONG, "epoch_neigh": 40})  # the step must be open at "Finish now"
    page.evaluate("window.neverReloaded = true")
    expect(page.locator("#state")).to_contain_text("trains", timeout=30_000)
    assert offered(page) == ["Pause", "Stop", "More"]
    press(page, "Pause", yes="Pause")
    expect(page.locator("#state")).to_contain_text("Paused by ada", timeout=AT_ONCE)
    assert offered(page) == ["Resume", "Stop", "More"]
    press(page, "Resume")
    says(page, "Resumed by ada")
    says(page, "Child 1.", timeout=90_000)
    expect(page.locator("#children-body")).to_contain_text("%", timeout=90_000)  # a first child is done
    press(page, "Finish now", yes="Finish now", in_menu=True)
    says(page, "Told to finish now by ada")
    expect(page.locator("#state")).to_contain_text("Finished:", timeout=40_000)
    expect(page.locator("#chip-n_steps")).to_have_text("n_steps 1")
    assert offered(page) == ["Extend", "Compare", "More"]

    press(page, "Extend")
    dialog = page.get_by_role("dialog", name="Extend the search")
    expect(dialog).to_contain_text("Step 1 stays as it is")
    dialog.get_by_label("n_steps").fill("3")
    expect(dialog.locator("#extend-total")).to_have_text("2 more steps: 2 × 3 × 40 + 2 = 242 epochs.")
    dialog.get_by_role("button", name="Extend").click()
    says(page, "Extended by ada from 1 to 3 steps")
    expect(page.locator("#tree")).to_contain_text("Final, 1 step")
    expect(page.get_by_role("link", name="Download the model of 1 step")).to_be_visible()
    expect(page.locator("#overview .cycle-name", has_text="Step 3")).to_have_count(1)
    press(page, "Stop", yes="Stop for good")
    expect(page.locator("#state")).to_contain_text("topped by ada", timeout=AT_ONCE)
    expect(page.get_by_role("link", name="Download the model of 1 step")).to_be_visible()


def test_the_menu_is_walked_by_keyboard_and_says_what_is_not_possible_yet(page: Page):
    launch(page, "By keyboard", epoch_pretrain=200, **LONG)
    expect(page.locator("#state")).to_contain_text("trains", timeout=30_000)
    more = page.get_by_role("button", name="More")
    menu = page.get_by_role("menu")
    expect(more).to_be_enabled()
    more.focus()
    page.keyboard.press("ArrowDown")
    expect(more).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("menuitem", name="Run next", exact=True)).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("menuitem", name="Delete", exact=True)).to_be_focused()
    page.keyboard.press("c")
    expect(page.get_by_role("menuitem", name="Clone", exact=True)).to_be_focused()
    page.keyboard.press("f")
    finish = page.get_by_role("menuitem", name="Finish now", exact=True)
    expect(finish).to_be_focused()
    expect(finish).to_have_attribute("aria-disabled", "true")
    expect(finish).to_have_accessible_description(re.compile("Possible once model_0 has been trained"))
    page.keyboard.press("Enter")  # reached and read; it does nothing
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(more).to_be_focused()
    more.click()
    page.locator("h1").click()
    expect(menu).to_be_hidden()
    press(page, "Delete", in_menu=True)
    expect(page.get_by_role("dialog", name="Delete this search?")).to_contain_text("Undo brings it back")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(more).to_be_focused()
    press(page, "Clone", in_menu=True)
    expect(page.get_by_label("Name")).to_have_value("By keyboard, copy")
    expect(page.locator("[name=epoch_neigh]")).to_have_value("60")
    page.locator("[name=seed]").fill("9")
    expect(page.get_by_label("Name")).to_have_value("By keyboard, copy")  # somebody's own name is left alone


def test_the_waiting_order_is_changed_and_what_was_deleted_comes_back(page: Page, browser, site: Site, signed_in):
    uuids = [launch(page, name, **LONG) for name in ("First", "Second", "Third")]
    other = browser.new_context(base_url=site.address, storage_state=signed_in).new_page()
    other.goto(f"/searches/{uuids[2]}/")  # somebody else looks at it
    page.goto("/")
    page.evaluate("window.neverReloaded = true")
    lines = {name: page.locator("tr", has_text=name) for name in ("First", "Second", "Third")}
    expect(lines["Third"]).to_contain_text("2 before it")
    lines["Third"].get_by_role("button", name="Run next").click()
    expect(lines["Third"]).not_to_contain_text("before it", timeout=AT_ONCE)
    expect(lines["Second"]).to_contain_text("2 before it")

    page.goto(f"/searches/{uuids[2]}/")
    press(page, "Delete", yes="Delete", in_menu=True)
    expect(page.get_by_role("alert")).to_contain_text("“Third” was deleted.")
    expect(other.locator("#state")).to_contain_text("Deleted.", timeout=AT_ONCE)
    expect(other.get_by_role("group", name="This search")).to_be_hidden()
    other.get_by_role("button", name="Undo").click()
    says(other, "Brought back by ada")
    expect(lines["Third"]).to_contain_text("digits")  # the list learns of it by itself
    expect(page.locator(".deleted")).to_have_count(0)

    for name in ("Third", "Second"):
        lines[name].get_by_role("link", name=name).click()
        press(page, "Delete", yes="Delete", in_menu=True)
    page.get_by_role("alert").get_by_role("button", name="Undo").click()
    expect(page.locator("h1")).to_have_text("Second")
    page.goto("/")
    deleted = page.get_by_role("region", name="Deleted")
    expect(deleted).to_contain_text("Third")
    deleted.get_by_role("button", name="Undo: bring back Third").click()
    expect(lines["Third"].get_by_role("link", name="Third")).to_be_visible()
    lines["Third"].get_by_role("link", name="Third").click()
    press(page, "Delete", yes="Delete", in_menu=True)
    press(page, "Empty now", yes="Empty now")
    expect(page.get_by_role("alert")).to_contain_text("1 deleted search is gone")
    assert site.rows("SELECT 1 FROM searches_search WHERE uuid = ?", uuids[2].replace("-", "")) == []
    assert not (site.folder / "searches" / uuids[2]).exists()
    other.context.close()


def test_what_failed_is_tried_again(page: Page, site: Site):
    uuid = launch(page, "Diverges", epoch_pretrain=200)
    press(page, "Pause", yes="Pause")
    expect(page.locator("#state")).to_contain_text("Paused by ada", timeout=AT_ONCE)
    site.manage("shell", "-c", FAIL.format(uuid=uuid))
    page.reload()
    expect(page.locator("#state")).to_contain_text("Failed.")
    expect(page.locator("#state")).to_contain_text("a lower lambda_start often helps")
    assert offered(page) == ["Retry", "More"]
    press(page, "Retry", yes="Retry")
    says(page, "Tried again by ada: model_0")
    expect(page.locator("#state")).to_contain_text("Pretraining. model_0 trains", timeout=30_000)


def test_a_search_of_another_engine_version_says_that_every_worker_refuses_it_and_goes_on(page: Page, site: Site):
    uuid = launch(page, "Of an older version", epoch_pretrain=200, **LONG)
    expect(page.locator("#state")).to_contain_text("trains", timeout=30_000)
    press(page, "Pause", yes="Pause")
    expect(page.locator("#state")).to_contain_text("Paused by ada", timeout=AT_ONCE)
    expect(page.locator("#chip-engine")).to_be_hidden()
    with closing(sqlite3.connect(site.folder / "nash.sqlite3", timeout=20)) as database, database:
        database.execute("UPDATE searches_search SET engine_version = 1 WHERE uuid = ?", (uuid.replace("-", ""),))
    press(page, "Resume")
    expect(page.locator("#state")).to_contain_text(
        "Every worker refuses it. Its engine version is 1", timeout=AT_ONCE
    )
    expect(page.locator("#hint-left")).to_have_text("known again once it goes on")
    assert offered(page) == ["Go on", "Pause", "Stop", "More"]
    page.goto("/")
    line = page.locator("tr", has_text="Of an older version")
    expect(line).to_contain_text("Refused")
    line.get_by_role("link", name="Of an older version").click()
    press(page, "Go on", yes="Go on")
    says(page, "Told to go on by ada, with engine version")
    expect(page.locator("#chip-engine")).to_contain_text("engine 1, from the pretraining")
    expect(page.locator("#state")).to_contain_text("Pretraining. model_0 trains", timeout=30_000)
    assert offered(page) == ["Pause", "Stop", "More"]


def test_the_workers_page_follows_those_that_come_and_go(page: Page, site: Site):
    launch(page, "Trains", **LONG)
    expect(page.locator("#state")).to_contain_text("trains", timeout=30_000)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Workers").click()
    page.evaluate("window.neverReloaded = true")
    rows = page.locator(".workers tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Trains", timeout=AT_ONCE)
    expect(page.locator("#workers-lede")).to_contain_text("1 worker answers.")
    with closing(sqlite3.connect(site.folder / "nash.sqlite3", timeout=20)) as database:
        with database:
            database.execute(
                "INSERT INTO searches_worker (name, host, pid, device, versions, refusal, started, last_beat)"
                " SELECT 'gpu-7', 'attic', 7, 'CUDA device 7', versions, 'The data set is another.', started,"
                " last_beat FROM searches_worker LIMIT 1"
            )
        expect(page.locator(".workers")).to_contain_text("The data set is another.", timeout=AT_ONCE)
        with database:
            database.execute("UPDATE searches_worker SET last_beat = '2000-01-01 00:00:00' WHERE name = 'gpu-7'")
        expect(rows).to_have_count(1, timeout=AT_ONCE)  # it left by itself
    rows.get_by_role("link").click()
    expect(page.locator("#candidate-h")).to_be_visible()
