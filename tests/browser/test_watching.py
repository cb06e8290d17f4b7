"""The search page while things happen to it: choosing, reloading, silence, a web server that dies."""

import json
import os
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.browser.conftest import launch
from tests.browser.site import Site, wait_until

COUNT_PULSES = "nash.listen(({ kind }) => kind === 'progress' && (window.pulses = (window.pulses ?? 0) + 1))"


@pytest.fixture(scope="module")
def running(browser: Browser, site: Site, signed_in) -> Iterator[str]:
    """The uuid of a search whose first step is being trained."""
    context = browser.new_context(base_url=site.address, storage_state=signed_in)
    page = context.new_page()
    uuid = launch(page, "Under way", epoch_pretrain=1, epoch_neigh=150)
    expect(page.locator("#children-body")).to_contain_text("of 150", timeout=60_000)
    yield uuid
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#state")).to_contain_text("Stopped")
    context.close()


def two_pulses(page: Page) -> None:
    """Waits until the page has twice heard how far its search is."""
    page.evaluate(f"window.pulses = 0; {COUNT_PULSES}")
    wait_until(lambda: page.evaluate("window.pulses") >= 2, "two pulses")
    page.evaluate("new Promise(requestAnimationFrame)")


def test_the_tree_is_walked_by_keyboard_and_the_address_follows(open_page, finished):
    page = open_page(f"/searches/{finished}/?node=1.1")
    node = page.locator("#tree .is-chosen")
    expect(page.locator("#network-h")).to_have_text("Network 1.1")
    expect(page.locator("#tree [tabindex='0']")).to_have_count(1)
    node.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#network-h")).to_have_text("Network 1.2")
    expect(page).to_have_url(re.compile(r"\?node=1\.2$"))
    page.keyboard.press("ArrowUp")
    expect(page.locator("#network-h")).to_have_text("Network model_0")
    expect(page.locator("#curves-h")).to_have_text("Learning curve, pretraining")
    page.reload()
    expect(page.locator("#network-h")).to_have_text("Network model_0")
    page.locator("#tree .is-chosen").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#candidate-h")).to_have_text("model_0")


def test_who_does_not_own_a_search_follows_it_without_buttons(open_page, site: Site, finished):
    bob = "from django.contrib.auth.models import User; User.objects.create_user('bob', password='b')"
    site.manage("shell", "-c", bob)
    page = open_page("/accounts/login/", storage_state=None)
    page.get_by_label("Username").fill("bob")
    page.get_by_label("Password").fill("b")
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"/searches/{finished}/")
    expect(page.locator("#state")).to_contain_text("Finished:")
    expect(page.locator("#curves-plot .trace").first).to_be_visible()
    expect(page.get_by_role("group", name="This search")).to_have_count(0)


def test_a_silent_worker_is_noticed_by_the_page_itself(open_page):
    page = open_page("/")
    launch(page, "Forsaken", n_steps=5, n_neigh=4)
    expect(page.locator("#state")).to_contain_text("trains", timeout=60_000)
    sockets: list[WebSocketRoute] = []  # in the server's place: it tells of no worker any more
    page.route_web_socket(re.compile("/ws/"), lambda socket: sockets.append(socket))
    page.clock.install()
    page.reload()
    expect(page.locator("#beat-words")).to_contain_text("heartbeat")
    for _ in range(7):
        page.clock.run_for(5_000)
        sockets[-1].send(json.dumps({"kind": "heartbeat", "workers": []}))
    expect(page.locator("#beat-words")).to_have_text(re.compile(r"^no worker for [3-9]\d"))
    expect(page.locator("#state")).to_contain_text(re.compile(r"^No worker for [3-9]\d"))
    expect(page.locator("#state")).to_contain_text("Nothing is lost")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop for good").click()


def test_a_page_that_hears_nothing_at_all_says_that_it_is_not_connected(open_page, finished):
    page = open_page("/")
    page.route_web_socket(re.compile("/ws/"), lambda socket: None)
    page.clock.install()
    page.goto(f"/searches/{finished}/")
    page.clock.run_for(15_000)
    expect(page.locator("#offline")).to_be_hidden()
    page.clock.run_for(15_000)
    expect(page.locator("#offline")).to_be_visible()


def test_the_page_catches_up_by_itself_after_the_web_server_died(browser, site: Site, signed_in):
    context = browser.new_context(base_url=site.address, storage_state=signed_in)
    page = context.new_page()
    uuid = launch(page, "Interrupted", n_neigh=3, epoch_pretrain=40, epoch_neigh=5, epoch_final=20)
    expect(page.locator("#state")).to_contain_text(re.compile("trains"), timeout=60_000)
    with site.supervisor_asleep():  # else a fast machine has a new server before the page finds a word worth saying
        os.kill(site.web_process(), signal.SIGKILL)
        expect(page.locator("#offline")).to_be_visible(timeout=20_000)
        expect(page.locator("#offline")).to_contain_text("The search goes on")
    expect(page.locator("#state")).to_contain_text("Finished:", timeout=180_000)
    expect(page.locator("#offline")).to_be_hidden()
    held = "() => Object.fromEntries([...nash.points].map(([id, rows]) => [id, rows.map((r) => [r[0], r[4]])]))"
    wait_until(lambda: page.evaluate(held) == site.candidate_points(uuid), "the page holds every point once")
    context.close()


def test_a_page_loaded_anew_in_the_middle_goes_on_with_every_point(open_page, site: Site):
    page = open_page()
    uuid = launch(page, "Loaded anew", epoch_pretrain=400)
    held = "() => Object.fromEntries([...nash.points].map(([id, rows]) => [id, rows.map((r) => [r[0], r[4]])]))"
    n_held = f"() => globalThis.nash ? Object.values(({held})()).flat().length : 0"  # 0 while its script is not there
    wait_until(lambda: page.evaluate(n_held) > 10, "the first points")
    page.reload()
    before = wait_until(lambda: page.evaluate(n_held), "the page holds points again")
    assert before > 10
    wait_until(lambda: page.evaluate(n_held) > before + 10, "more points after the reload")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop for good").click()
    expect(page.locator("#state")).to_contain_text("topped", timeout=30_000)
    wait_until(lambda: page.evaluate(held) == site.candidate_points(uuid), "the page holds every point once")


def test_a_failed_search_says_what_is_safe_and_what_helps(open_page, failed):
    page = open_page(f"/searches/{failed}/")
    words = "What was trained before is safe. Retry trains once more what failed."
    expect(page.locator("#state")).to_contain_text(words)


def test_focus_and_a_click_half_done_outlast_what_a_running_search_tells_each_second(open_page, running: str):
    page = open_page(f"/searches/{running}/?node=model_0")
    page.locator("#children-tools button", has_text="Step 1").click()
    rows = page.locator("#children-body tr")
    expect(rows).to_have_count(2)
    first, second = rows.all()
    epoch = first.locator(".state-running").inner_text()
    first.get_by_role("link").focus()
    page.evaluate("window.held = document.activeElement")
    two_pulses(page)
    expect(first.locator(".state-running")).not_to_have_text(epoch)
    assert page.evaluate("document.activeElement === window.held")
    box = second.locator("td").nth(4).bounding_box()
    assert box
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    two_pulses(page)
    page.mouse.up()
    expect(page.locator("#network-h")).to_have_text("Network 1.2")


def test_title_and_favicon_go_on_in_a_tab_that_gets_no_animation_frames(open_page, running: str):
    page = open_page()
    page.add_init_script("window.requestAnimationFrame = () => 0")
    for address, name in ((f"/searches/{running}/", "Under way"), (f"/searches/{running}/neighbour-1-1/", "1.1")):
        page.goto(address)
        before = page.title()
        wait_until(lambda before=before: page.title() != before, "another title")
        assert re.match(rf"\d+\u202f% · {name}", page.title())
    page.goto(f"/searches/{running}/")
    icon = page.locator("link[rel=icon]")
    drawn = icon.get_attribute("href")
    wait_until(lambda: icon.get_attribute("href") != drawn, "another favicon")  # below 3 % all look alike
