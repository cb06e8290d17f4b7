"""From the form to the model: a mistake first, then a search watched to its end without a reload."""

import re
import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import TINY, launch
from tests.browser.site import Site, wait_until

NOTIFIED = """
window.told = [];
window.Notification = class {
  static permission = "granted";
  constructor(name, { body }) {
    told.push([name, body]);
    throw new TypeError("Illegal constructor.");
  }
};
"""
"""Notes what somebody would be told, and then throws, as browsers of Android do."""
CANNOT_NOTIFY = """
window.Notification = class {
  static permission = "default";
  constructor() { throw new TypeError("Illegal constructor."); }
};
"""


def test_a_mistake_is_shown_and_mended_and_the_budget_adds_up(open_page):
    page = open_page("/searches/new/?preset=small")
    expect(page.locator("[data-epochs]").first).to_have_text("42")
    page.get_by_role("radio", name="Paper, 8 steps").check()
    expect(page.locator("[data-epochs]").first).to_have_text("1,208")
    expect(page.locator("#dataset-missing")).to_contain_text("The preset was made for cifar10, which is not here")
    page.get_by_role("radio", name="First try").check()
    expect(page.locator("#dataset-missing")).to_be_hidden()
    page.locator("[name=n_steps]").fill("4")
    expect(page.locator("[data-sum=product]")).to_have_text("4 × 4 × 6")
    says_when_the_time_is_not_known(page)
    page.locator("[name=lambda_end]").fill("0.1")
    page.get_by_role("button", name="Start the search").first.click()
    expect(page.locator("#mistakes")).to_be_focused()
    expect(page.locator("#mistakes")).to_contain_text("One value needs mending")
    page.get_by_role("link", name="lambda_end: 0.1 is above").click()
    expect(page.locator("#id_lambda_end")).to_be_focused()
    expect(page.locator("#id_lambda_end")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[name=n_steps]")).to_have_value("4")


def says_when_the_time_is_not_known(page: Page) -> None:
    """The estimate is refused, then cannot be asked for, then comes again."""
    page.evaluate("() => { window.real = fetch; window.fetch = async () => new Response('', { status: 500 }); }")
    page.locator("[name=n_NM]").fill("2")
    source = page.locator("[data-estimate=source]")
    expect(source).to_contain_text("Not known: the server answered with an error (500)")
    expect(page.locator("#estimate[data-asking]")).to_have_count(0)
    page.evaluate("() => { window.fetch = () => Promise.reject(new TypeError('cut off')); }")
    page.locator("[name=n_NM]").fill("3")
    expect(source).to_contain_text("Not known: the server does not answer.")
    page.evaluate("() => { window.fetch = real; }")
    page.locator("[name=n_NM]").fill("2")
    # "about" where the time is a guess, "under" where this site has searched before.
    expect(page.locator("[data-estimate=time_words]")).to_have_text(re.compile(r"^(about|under)\s\d+\s"))


def test_a_search_is_watched_to_its_end_and_its_model_taken_away(open_page, site: Site, tmp_path: Path):
    page = open_page()
    page.add_init_script(NOTIFIED)
    uuid = launch(page, "Watched", epoch_final=60)
    page.get_by_role("button", name="Tell me at the end").click()
    expect(page.get_by_role("button", name="Tells you at the end")).to_have_attribute("aria-pressed", "true")
    nobody_is_offered_what_the_browser_cannot_do(page)
    page.evaluate("window.neverReloaded = true")
    grow_while_it_trains(page)
    expect(page.locator("#state")).to_contain_text("Finished:", timeout=180_000)
    assert page.evaluate("window.neverReloaded")
    expect(page.locator("#result-error")).to_contain_text("%")
    error = re.sub(r"\s", " ", page.locator("#result-error").inner_text())
    told = [[name, re.sub(r"\s", " ", body)] for name, body in page.evaluate("told")]
    assert told == [["Watched", f"Finished: {error} test error."]]
    expect(page.locator("#announcer")).to_contain_text("Search finished")  # who listens after it hears the end, too
    expect(page.locator("#log-list")).to_contain_text("Search finished")
    expect(page.locator("#tree [role=treeitem]")).to_have_count(1 + TINY["n_neigh"] + 1)
    assert drawn_points(page) == accuracies(site, uuid)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the model").click()
    path = tmp_path / "model.zip"
    download.value.save_as(path)
    assert {"model.safetensors", "architecture.json", "model.py"} <= set(zipfile.ZipFile(path).namelist())


def nobody_is_offered_what_the_browser_cannot_do(page: Page) -> None:
    """In a browser that knows notifications and makes none, the button that promises one is not there."""
    other = page.context.new_page()
    other.add_init_script(CANNOT_NOTIFY)
    other.goto(page.url)
    expect(other.locator("#progress")).to_be_visible()
    other.wait_for_function("document.title.includes('%')")  # what draws the button has drawn
    expect(other.locator("#notify")).to_be_hidden()
    other.close()


def grow_while_it_trains(page: Page) -> None:
    """Walk the growth slider as soon as a step is decided: what arrives meanwhile leaves it where it was put."""
    n_points = "() => [...nash.points.values()].reduce((n, rows) => n + rows.length, 0)"
    slider = page.get_by_role("slider", name="Growth along the winning line")
    expect(slider).to_be_visible(timeout=120_000)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#network-h")).to_have_text(re.compile(r"Network 1\.\d"))
    page.keyboard.press("Home")
    expect(page.locator("#network-h")).to_have_text("Network model_0")
    before = page.evaluate(n_points)
    wait_until(lambda: page.evaluate(n_points) > before + 2, "more points of the final training")
    expect(page.locator("#state")).to_contain_text("Final training.")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^model_0, step 0"))
    expect(page.locator("#network-h")).to_have_text("Network model_0")
    expect(slider).to_be_focused()


def drawn_points(page) -> list[list[float]]:
    """Validation accuracies in the chart of step 1, child after child, epoch 0 left out."""
    page.locator("#overview [data-row='1']").click()
    expect(page.locator("#curves-h")).to_have_text("Learning curves, step 1")
    script = """() => document.getElementById('curves-plot').data.filter((trace) => trace.meta)
        .map((trace) => [...trace.y].filter((_, i) => trace.x[i] > 0).map((y) => Number((y / 100).toFixed(6))))"""
    return wait_until(lambda: page.evaluate(script), "the curves of step 1")


def accuracies(site: Site, uuid: str) -> list[list[float]]:
    query = """SELECT c.id FROM searches_candidate c JOIN searches_search s ON s.id = c.search_id
               WHERE s.uuid = ? AND c.kind = 'neighbour' ORDER BY c."index" """
    points = site.candidate_points(uuid)
    ids = [str(row[0]) for row in site.rows(query, uuid.replace("-", ""))]
    return [[value for step, value in points[i] if value is not None and step > 0] for i in ids]


def test_a_zip_to_start_from_is_chosen_once_whatever_else_needs_mending(open_page, finished, tmp_path: Path):
    page = open_page(f"/searches/{finished}/model/")
    path = tmp_path / "model (1).zip"
    address = page.get_by_role("link", name="model.zip", exact=True).get_attribute("href")
    path.write_bytes(page.request.get(address).body())
    page.goto("/searches/new/?preset=demo")
    page.get_by_label("Name").fill("From a zip")
    for setting, value in {**TINY, "epoch_pretrain": 500}.items():
        page.locator(f"[name={setting}]").fill(str(value))
    page.get_by_role("radio", name="A downloaded model (zip)").check()
    page.locator("#id_start_zip").set_input_files(path)
    page.locator("[name=lambda_end]").fill("0.1")
    start = page.get_by_role("button", name="Start the search").first
    start.click()
    expect(page.locator("#mistakes")).to_contain_text("One value needs mending")
    expect(page.locator("#id_start_kept")).to_contain_text("model (1).zip")
    page.locator("[name=lambda_end]").fill("0")
    expect(page.locator("[data-estimate=time_words]")).not_to_have_text("–", timeout=30_000)
    start.click()
    expect(page.get_by_role("heading", name="From a zip", level=1)).to_be_visible()
    expect(page.get_by_text("started from model (1).zip").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop for good").click()
    expect(page.locator("#state")).to_contain_text("topped")
