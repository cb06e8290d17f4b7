"""Comparisons in the browser: ticked in the form, followed to the end, added to a search that has finished."""

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import launch
from tests.browser.site import Site

LONGER = {"epoch_final": 12}
WATCH = """() => {
    window.seen = [];
    const state = document.getElementById("state");
    const isOffered = () => document.getElementById("result-download").closest("[hidden]") === null;
    const look = () => window.seen.push([state.textContent, isOffered()]);
    const afterTheFrame = () => setTimeout(look);
    new MutationObserver(afterTheFrame).observe(state, { childList: true, subtree: true, characterData: true });
}"""
"""Notes each state that the page tells, and whether the model is offered then; a page loaded anew notes nothing."""


def rows(page: Page) -> list[list[str]]:
    """The table's cells as they are read, without the drawn intervals and the buttons."""
    read = """(body) => {
        const read = (cell) => [...cell.childNodes].filter((node) => node.nodeName !== "BUTTON");
        const words = (cell) => read(cell).map((node) => node.textContent);
        const cells = (row) => [...row.cells].filter((cell) => !cell.classList.contains("plot"));
        return [...body.rows].map((row) => cells(row).map((cell) => words(cell).join(" | ")));
    }"""
    cells: list[list[str]] = page.locator("#comparisons-body").evaluate(read)
    return [[re.sub(r"\s", " ", cell) for cell in row] for row in cells]


def measured(site: Site, uuid: str) -> dict[str, tuple[Any, ...]]:
    """kind -> (test error as the page writes it, epochs, parameters)."""
    query = """SELECT c.kind, c.test_accuracy, c.epochs, c.n_parameters FROM searches_candidate c
               JOIN searches_search s ON s.id = c.search_id WHERE s.uuid = ? AND c.test_accuracy IS NOT NULL"""
    found = site.rows(query, uuid.replace("-", ""))
    return {
        kind: (f"{100 * (1 - accuracy):.2f} %", str(epochs), f"{size:,}") for kind, accuracy, epochs, size in found
    }


def test_the_form_counts_what_is_ticked(open_page):
    page = open_page("/searches/new/?preset=paper-5")
    expect(page.locator("[data-epochs]").first).to_have_text("800")
    expect(page.locator("#cost-comparisons")).to_be_hidden()
    costs = {"snapshots": 400, "scratch": 205, "model_0-final": 100}
    costs |= dict.fromkeys(["model_0-total", "wrn-16-4", "wrn-28-10"], 800)
    for name, epochs in costs.items():
        expect(page.locator(f"[data-epochs-of='{name}']")).to_have_text(f"{epochs} epochs")
    page.get_by_role("checkbox", name=re.compile("^Snapshots")).check()
    page.get_by_label("From scratch").check()
    expect(page.locator("[data-epochs]").first).to_have_text("1,405")
    expect(page.locator("#cost-comparisons")).to_contain_text("5 trainings")
    expect(page.locator("#cost-comparisons")).to_contain_text("605")
    page.get_by_role("radio", name="First try").check()  # a preset compares with nothing
    expect(page.locator("[data-epochs]").first).to_have_text("74")


def test_a_search_is_followed_to_the_end_of_its_comparisons(open_page, site: Site):
    page = open_page()
    uuid = launch(page, "Compared", comparisons=["model_0-final", "scratch"], **LONGER)
    page.evaluate(WATCH)
    expect(page.locator("#budget .budget-group").last).to_contain_text("Comparisons")
    expect(page.locator("#state")).to_contain_text("Finished:", timeout=180_000)
    comparing = [ready for words, ready in page.evaluate("window.seen") if "Comparing." in words]
    assert comparing
    assert all(comparing), "the model is there to be downloaded while comparisons are trained"
    hill, scratch, model_0 = rows(page)
    facts = measured(site, uuid)
    assert [row[0] for row in (hill, scratch, model_0)] == [
        "hill climbing | the whole search", "from scratch", "model_0, final budget",
    ]  # fmt: skip
    for row, kind in ((hill, "final"), (scratch, "scratch"), (model_0, "reference")):
        error, epochs, n_parameters = facts[kind]
        assert re.fullmatch(rf"{error} \| (?:[+−]\d+\.\d\d points · )?\d+\.\d to \d+\.\d %", row[1]), row[1]
        assert row[2] == (epochs if kind != "final" else str(2 + 1 * 2 * 2 + 12))
        assert row[4] == n_parameters
    expect(page.locator("#tree [role=treeitem]")).to_have_count(1 + 2 + 1)
    expect(page.locator("#log-list")).to_contain_text("look 3 at the test set, 300 images")
    page.locator("#comparisons-body tr", has_text="from scratch").locator(".accuracy").click()
    expect(page.locator("#network-h")).to_have_text("Network “from scratch”")
    expect(page.locator("#curves-h")).to_have_text("Learning curves, comparisons")
    show = page.get_by_role("button", name="Show model_0, final budget in drawing and curves")
    show.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#network-h")).to_have_text("Network “model_0, final budget”")
    expect(show).to_have_attribute("aria-pressed", "true")
    expect(show).to_be_focused()
    expect(page).to_have_url(re.compile(r"node=model_0%2C"))
    page.reload()
    expect(page.locator("#network-h")).to_have_text("Network “model_0, final budget”")
    page.get_by_role("link", name="from scratch").click()
    expect(page.locator("#candidate-h")).to_have_text("from scratch")
    expect(page.locator("#candidate-figures")).to_contain_text("FLOP/s")
    expect(page.locator("#record-pairs")).not_to_contain_text("Seal")


def test_a_finished_search_is_compared_from_its_page(open_page):
    page = open_page()
    launch(page, "Compared later")
    expect(page.locator("#state")).to_contain_text("Finished:", timeout=180_000)
    expect(page.locator("#comparisons")).to_be_hidden()
    page.get_by_role("button", name="Compare").click()
    dialog = page.get_by_role("dialog", name="Compare with")
    expect(dialog.get_by_label("Snapshots")).to_be_hidden()  # of one step there are none
    expect(dialog.get_by_role("button", name="Train them")).to_be_disabled()
    dialog.get_by_label("model_0, final budget").check()
    expect(dialog.locator("#compare-total")).to_have_text("1 training, 2 epochs.")
    dialog.get_by_role("button", name="Train them").click()
    words = "Compared by ada. Comparisons planned: “model_0, final budget”; 2 epochs"
    expect(page.locator("#log-list")).to_contain_text(words)
    expect(page.locator("#state")).to_contain_text("Finished:", timeout=180_000)
    expect(page.locator("#comparisons-body tr")).to_have_count(2)
    expect(page.locator("#comparisons-body")).to_contain_text("points")
    page.get_by_role("button", name="Compare").click()
    expect(dialog.get_by_label("model_0, final budget")).to_be_hidden()
    expect(dialog.get_by_label("From scratch")).to_be_visible()
    dialog.get_by_role("button", name="Leave it").click()
    expect(dialog).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 800})
    for address in (page.url, f"{page.url}reference-0-1/"):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
