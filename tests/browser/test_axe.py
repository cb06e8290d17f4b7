"""axe-core on every page, in both themes: a running, a failed and a finished search, and a site without any.

What opens on a page, states that are over soon and a form with a mistake are looked at in the width of a phone.
"""

from functools import partial
from pathlib import Path

from django.template.loader import render_to_string
from playwright.sync_api import Page, Route, ViewportSize, expect

from tests.browser.conftest import launch, make_files, watch
from tests.browser.site import Site

AXE = (Path(__file__).parents[1] / "vendor" / "axe" / "axe.min.js").read_text()
RUN = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`)"""


PHONE: ViewportSize = {"width": 390, "height": 844}


def violations(page: Page) -> dict[str, list[str]]:
    """What is serious or critical, by theme; and what speaks unasked beside the one polite live region."""
    expect(page.locator("[aria-live], [role=status], [role=log], output")).to_have_count(1)
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.wait_for_timeout(150)
        found[scheme] = broken_rules(page)
    return {scheme: those for scheme, those in found.items() if those}


def broken_rules(page: Page) -> list[str]:
    """Each rule that is broken in a serious or critical way, with elements that break it."""
    page.evaluate(AXE)
    rules: list[str] = page.evaluate(RUN)
    return rules


def menu(page: Page) -> list[str]:
    """Where the bar at the top leads."""
    return page.eval_on_selector_all("header a[href^='/']", "links => links.map((link) => link.getAttribute('href'))")


def test_no_page_has_a_serious_violation(open_page, finished, failed, ensemble):
    page = open_page(f"/searches/{finished}/model/")
    make_files(page)
    expect(page.get_by_text("Same answers everywhere")).to_be_visible(timeout=180_000)
    page.goto(f"/ensembles/{ensemble}/")
    expect(page.get_by_text("Test error together")).to_be_visible(timeout=90_000)
    page.goto("/")
    running = launch(page, "Long", epoch_pretrain=500)
    expect(page.locator("#state")).to_contain_text("Pretraining")
    searches = [f"/searches/{uuid}/" for uuid in (running, failed, finished)]
    compared = f"/compare/?s={finished}&s={running}"
    networks = [f"/searches/{finished}/neighbour-1-1/", f"/searches/{finished}/model/", f"/ensembles/{ensemble}/"]
    paths = dict.fromkeys(["/", *menu(page), *searches, *networks, compared, "/datasets/digits/"])
    found = {}
    for path in paths:
        page.goto(path)
        page.wait_for_load_state("load")
        found[path] = violations(page)
    page.set_viewport_size(PHONE)
    found |= opened_on(page, f"/searches/{finished}/") | states_of(page, f"/searches/{running}/")
    page.goto("/searches/new/?preset=demo")
    page.locator("[name=lambda_end]").fill("0.1")
    page.get_by_role("button", name="Start the search").locator("visible=true").click()
    expect(page.locator("#mistakes")).to_be_focused()
    found["a form with a mistake"] = violations(page)
    assert {path: those for path, those in found.items() if those} == {}


def opened_on(page: Page, finished: str) -> dict[str, dict[str, list[str]]]:
    """What opens on the page of a search that has finished."""
    page.goto(finished)
    buttons = {name: page.get_by_role("button", name=name) for name in ("More", "Extend", "Compare")}
    buttons |= {"data": page.locator("#lineage-data"), "notes": page.locator("#notes-edit")}
    found = {}
    for name, button in buttons.items():
        button.click()
        found[name] = violations(page)
        page.keyboard.press("Escape")
    return found


def states_of(page: Page, running: str) -> dict[str, dict[str, list[str]]]:
    """The page of a search while it runs, while it is asked what is to be done, paused and stopped."""
    page.goto(running)
    found = {"running": violations(page)}
    page.get_by_role("button", name="Pause").click()
    found["dialog"] = violations(page)
    page.locator("#confirm-yes").click()
    expect(page.locator("#state")).to_contain_text("aused", timeout=60_000)
    found["paused"] = violations(page)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop for good").click()
    expect(page.locator("#state")).to_contain_text("topped")
    return found | {"stopped": violations(page)}


def refusals(page: Page) -> dict[str, dict[str, list[str]]]:
    """The pages that say what went wrong, under addresses that the browser does not log as refused."""
    found = {}
    for name in ("403", "403_csrf", "404", "500"):
        html = render_to_string(f"{name}.html")
        page.route(f"**/refused/{name}/", partial(Route.fulfill, body=html, content_type="text/html"))
        page.goto(f"/refused/{name}/")
        expect(page.get_by_role("link", name="Go to the searches")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.querySelector('.btn-primary')).display") == "flex"
        found[name] = violations(page)
    return found


def test_a_site_without_searches_has_none_either(browser, tmp_path):
    site = Site(tmp_path / "empty", workers=0)
    try:
        context = browser.new_context(base_url=site.address)
        page = context.new_page()
        watch(page, complaints := [], site.address)
        page.goto(site.link)
        found = {"welcome": violations(page)}
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password", exact=True).fill("engine-of-1843")
        page.get_by_label("Password confirmation").fill("engine-of-1843")
        page.get_by_role("button", name="Create the account and sign in").click()
        for path in dict.fromkeys(["/", *menu(page), "/accounts/login/"]):
            page.goto(path)
            found[path] = violations(page)
        found |= refusals(page)
        assert complaints == []
        context.close()
    finally:
        site.end()
    assert {path: those for path, those in found.items() if those} == {}
