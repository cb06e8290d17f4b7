"""The search page as people use it: why one network won, its name, its notes, the numbers behind its charts."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import launch, make_files
from tests.browser.site import wait_until

RANGE = "() => document.getElementById('curves-plot').layout.xaxis.range.map((x) => Number(x.toFixed(6)))"
BROKEN = """() => {
  const { id, seal } = nash.byCode("1.1");
  const broken = { ...seal, float32: 0.5, holds: false, broken_by: "Deepen" };
  nash.apply({ kind: "progress", candidates: [{ id, seal: broken }] });
}"""
"""As an event would bring it."""
N_POINTS = "() => document.getElementById('curves-plot').data.slice(3).reduce((n, trace) => n + trace.x.length, 0)"

LAST_POINT = """() => {
  const plot = document.getElementById("curves-plot");
  const { xaxis, yaxis2 } = plot._fullLayout;
  const { x, y } = plot.data[3];
  const box = plot.getBoundingClientRect();
  return [box.x + xaxis._offset + xaxis.d2p(x.at(-1)), box.y + yaxis2._offset + yaxis2.d2p(y.at(-1))];
}"""
"""Where the newest point of the first child lies in the window."""


def hovered(page: Page) -> str:
    """What the card says at the newest point of the first child."""
    page.mouse.move(2, 2)
    page.mouse.move(*page.evaluate(LAST_POINT))
    expect(page.locator("#curves-card")).to_be_visible()
    return page.locator("#curves-card").inner_text()


def saved(page: Page, button: str) -> list[list[str]]:
    """The CSV of the chart whose data this button shows."""
    page.locator(button).click()
    with page.expect_download() as download:
        page.locator("#data-csv").click()
    page.keyboard.press("Escape")
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_why_one_won_opens_on_the_last_decided_step(open_page: Callable[..., Page], finished: str):
    page = open_page(f"/searches/{finished}/")
    expect(page.locator("#children-h")).to_have_text("Why this one won")
    expect(page.locator("#curves-h")).to_have_text("Learning curves, step 1")
    expect(page.locator("#children-body tr")).to_have_count(2)
    won, lost = page.locator("#children-body tr").all()
    expect(won.get_by_role("rowheader")).to_have_accessible_name(re.compile(r"^Rank 1 1\.\d .*won$"))
    expect(lost.locator("[data-label='Gap, points'] .badge")).to_have_text("within noise")
    expect(page.locator("#children-why")).to_contain_text("validation images")
    expect(page.locator("#children-why")).to_contain_text("McNemar p")
    header, first, second = saved(page, "#children-data")
    assert first[header.index("rank")] == "1"
    gap = float(second[header.index("validation accuracy")]) - float(first[header.index("validation accuracy")])
    column = next(i for i, name in enumerate(header) if name.startswith("gap to"))
    assert abs(float(second[column]) - gap) < 1e-12


def test_every_chart_has_its_numbers(open_page: Callable[..., Page], finished: str):
    page = open_page(f"/searches/{finished}/")
    rows = {of: len(saved(page, f"#{of}-data")) - 1 for of in ("curves", "overview", "best", "seal", "operators")}
    assert rows["curves"] > 2
    assert {of: rows[of] for of in rows if of != "curves"} == {"overview": 3, "best": 2, "seal": 1, "operators": 4}
    head, model_0, first, *_, final = saved(page, "#lineage-data")
    known = "network,parent,step,status,validation accuracy,test accuracy,winner,parameters,morphisms"
    assert head == known.split(",")
    assert model_0[:4] == ["model_0", "", "0", "done"]
    assert first[:4] == ["1.1", "model_0", "1", "done"]
    assert first[-1]
    assert final[0] == "final"
    assert 0 < float(final[5]) <= 1


def test_a_child_whose_seal_is_broken_is_shown_red_and_named(open_page: Callable[..., Page], finished: str):
    page = open_page(f"/searches/{finished}/?node=1.1")
    expect(page.locator("#seal-line svg")).not_to_have_class(re.compile("is-broken"))
    page.evaluate(BROKEN)
    expect(page.locator("#seal-line svg")).to_have_class("seal is-broken")
    expect(page.locator("#seal-line")).to_contain_text("1 of 1 candidate did not begin as its parent.")
    expect(page.locator("#seal-line")).to_contain_text("1.1 by Deepen. Not trained; the step goes on without.")
    expect(page.locator("#seal-plot .seal-dot.is-broken")).to_have_count(1)
    verdict = page.locator("#seal-rows .badge")
    expect(verdict).to_have_text("broken")
    (red,) = page.evaluate("async () => (await import('/static/js/dom.js')).colours('bad')")
    assert verdict.evaluate("(badge) => getComputedStyle(badge).color") == red
    assert page.locator("#seal-line .seal-edge").evaluate("(path) => getComputedStyle(path).fill") == red


def test_no_text_of_a_csv_is_left_to_be_read_as_a_formula(open_page: Callable[..., Page]):
    page = open_page("/")
    csv_of = "async (rows) => (await import('/static/js/data.js')).csv(rows)"
    text = page.evaluate(csv_of, [["=1+1", "@a", '-"b"', "plain", -0.5, None]])
    assert text == "'=1+1,'@a,\"'-\"\"b\"\"\",plain,-0.5,\r\n"


def test_what_is_told_as_text_has_no_marks_of_markdown(open_page: Callable[..., Page]):
    page = open_page("/")
    words_of = "async (store) => (await import('/static/js/words.js')).stateWords(store, null).rest"
    waiting = {"search": {"status": "waiting", "reason": "", "deleted": None, "workers": []}}
    told = page.evaluate(words_of, waiting)
    assert told == "No worker answers. The command manage.py up starts the workers of this machine."


def test_a_name_is_written_over_by_keyboard_and_followed_by_another_page(
    open_page: Callable[..., Page], finished: str
):
    other = open_page(f"/searches/{finished}/")
    page = open_page(f"/searches/{finished}/")
    page.locator("#name-edit").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Another name")
    page.keyboard.press("Enter")
    for each in (page, other):
        expect(each.locator("h1")).to_have_text("Another name")
        expect(each).to_have_title("Another name · finished")
    expect(page.locator("#name-edit")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("#name-field").fill("   ")
    page.keyboard.press("Enter")
    expect(page.locator("#name-error")).to_have_text("A search needs a name.")
    page.keyboard.press("Escape")
    expect(page.locator("#name-edit")).to_be_focused()
    page.locator("#name-edit").click()
    page.locator("#name-field").fill("Ended")
    page.keyboard.press("Enter")
    expect(other.locator("h1")).to_have_text("Ended")


def test_a_note_is_shown_where_it_was_written_and_elsewhere(open_page: Callable[..., Page], finished: str):
    other = open_page(f"/searches/{finished}/")
    page = open_page(f"/searches/{finished}/")
    page.locator("#notes-edit").click()
    page.locator("#notes-tags").fill("Night, browser")
    page.locator("#notes-note").fill("It **ended**.\n\n<img src=x onerror=alert(1)>")
    page.keyboard.press("Control+Enter")
    for each in (page, other):
        expect(each.locator("#notes-body strong")).to_have_text("ended")
        expect(each.locator("#notes-body .tag")).to_have_text(["browser", "night"])
        expect(each.locator("#notes-body img")).to_have_count(0)


def test_curves_name_the_child_and_its_morphisms_by_epoch_and_by_time_in_accuracy_and_loss(open_page, finished: str):
    page = open_page(f"/searches/{finished}/", viewport={"width": 1440, "height": 900})
    expect(page.locator("#curves-h")).to_have_text("Learning curves, step 1")
    page.locator(".series-key", has_text="1.2").click()  # on some processors it ends on the very same accuracy
    page.locator("#curves-plot").scroll_into_view_if_needed()
    card = hovered(page)
    assert re.match(r"1\.1 at epoch 2\s+\d+\.\d\d\s%", card)
    for morphism in page.evaluate("nash.byCode('1.1').morphisms"):
        assert morphism["words"] in card
    page.get_by_role("button", name="By time").click()
    page.get_by_role("button", name="Loss").click()
    assert re.match(r"1\.1 at \d+\.\d\d (seconds|minutes)\s+loss \d+\.\d{3}", hovered(page))
    rows = page.evaluate("nash.points.get(nash.byCode('1.1').id)")
    losses = page.evaluate("document.getElementById('curves-plot').data[3].y")
    assert losses[-1] == rows[-1][2]


def test_the_log_is_filtered_and_the_morphisms_of_all_searches_are_summed(open_page, finished: str):
    page = open_page(f"/searches/{finished}/")
    lines = page.locator("#log-list li")
    expect(lines.filter(has_text="Search finished")).to_have_count(1)
    expect(lines.filter(has_text="ended epoch")).to_have_count(0)
    page.get_by_role("group", name="Level").get_by_role("button", name="Decisions").click()
    expect(page.locator("#log-list li:not(.log-decision)")).to_have_count(0)
    expect(lines.filter(has_text="Step 1 decided")).to_have_count(1)
    page.get_by_role("group", name="Level").get_by_role("button", name="All").click()
    expect(lines.filter(has_text="ended epoch")).not_to_have_count(0)
    own = page.locator("#operators-body td:nth-child(2)").all_inner_texts()
    page.get_by_role("group", name="Of which searches").get_by_role("button", name="All").click()
    expect(page.locator("#operators-note")).to_contain_text(re.compile(r"Over \d+ search(es)? with a decided step"))
    summed = page.locator("#operators-body td:nth-child(2)").all_inner_texts()
    assert all(int(over_all) >= int(one) for over_all, one in zip(summed, own, strict=True))


def test_a_zoom_survives_new_points_which_extend_the_curves(open_page: Callable[..., Page]):
    page = open_page()
    launch(page, "Zoomed", epoch_pretrain=1, epoch_neigh=400, n_neigh=2)
    expect(page.locator("#curves-h")).to_have_text("Learning curves, step 1", timeout=60_000)
    wait_until(lambda: page.evaluate(N_POINTS) >= 3, "three points of a curve")
    page.locator(".series-key", has_text="learning rate").click()
    page.locator("#curves-plot").scroll_into_view_if_needed()
    box = page.locator("#curves-plot .nsewdrag").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + 5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + box["height"] - 40, steps=5)
    page.mouse.up()
    zoomed = page.evaluate(RANGE)
    assert zoomed[1] < 300
    page.evaluate("() => (document.getElementById('curves-plot').data[3].untouched = true)")
    before = page.evaluate(N_POINTS)
    wait_until(lambda: page.evaluate(N_POINTS) >= before + 3, "three more points")
    assert page.evaluate(RANGE) == zoomed
    assert page.evaluate("() => document.getElementById('curves-plot').data[3].untouched") is True
    expect(page.locator(".series-key", has_text="learning rate")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#state")).to_contain_text("Stopped")


def test_the_page_of_a_model_has_the_numbers_behind_how_it_errs(open_page: Callable[..., Page], finished: str):
    page = open_page(f"/searches/{finished}/model/")
    make_files(page)  # it is assessed along with that
    expect(page.locator("#evaluation")).to_be_visible(timeout=180_000)
    for of, n_columns in (("confusion", 3), ("calibration", 3)):
        head, *rows = saved(page, f"#{of}-data")
        assert len(head) == n_columns
        assert sum(int(row[-1]) for row in rows) == 300  # the test images of the digits


def test_a_child_that_begins_switches_nothing_on_and_a_stopped_step_is_called_neither_open_nor_without_accuracy(
    open_page: Callable[..., Page],
):
    page = open_page()
    launch(page, "Stopped in a step", n_neigh=8, epoch_neigh=12)
    begun = page.locator(".series-key:not(:disabled)").filter(has_text=re.compile(r"^1\.\d"))
    expect(begun).to_have_count(1, timeout=60_000)
    code = begun.inner_text().strip()
    begun.click()
    expect(page.locator("#children-body .leads")).to_be_visible(timeout=90_000)
    expect(begun.filter(has_not_text=code).first).to_have_attribute("aria-pressed", "true")
    expect(begun.filter(has_text=code)).to_have_attribute("aria-pressed", "false")
    shown = f"document.getElementById('curves-plot').data.find((trace) => trace.name === '{code}').visible"
    assert page.evaluate(shown) is False
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#state")).to_contain_text("Stopped")
    expect(page.locator("#children-sub")).to_have_text("Stopped before it was decided.")
    expect(page.locator("#children-tools")).not_to_contain_text("open")
    expect(page.locator("#children-why")).to_contain_text("led when the search was stopped")
    expect(page.locator("#best-note")).to_contain_text("which was not decided")
