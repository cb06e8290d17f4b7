"""The drawings as somebody uses them: the growth slider, files of a network, what is asked for while it happens."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.site import wait_until
from tests.browser.test_axe import broken_rules

MARKED = """() => {
  const titles = (selector) => [...document.querySelectorAll(`#network-drawing ${selector} > title`)];
  const texts = (selector) => titles(selector).map((title) => title.textContent);
  const first = (pattern) => (text) => text.match(pattern)[1];
  return {
    deepen: texts(".row-conv.is-new").map(first(/^(\\w+): /)),
    widen: texts(".row-conv.is-wide").map(first(/^(\\w+): /)),
    joined: texts(".skip.is-new").map(first(/: (concat|add) from /)).sort(),
  };
}"""
"""What the drawing marks against the parent: the names of new and of widened blocks, the kinds of new joins."""


def slid(page: Page) -> int:
    """How many parts of the drawing are moving."""
    return page.evaluate("document.querySelector('#network-drawing').getAnimations({subtree: true}).length")


def test_the_growth_slider_walks_the_winning_line_by_arrow_keys_and_asks_for_drawings_alone(open_page, finished):
    page = open_page(f"/searches/{finished}/")
    slider = page.get_by_role("slider", name="Growth along the winning line")
    expect(page.locator("#network-drawing svg")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#network-h")).to_have_text("Network model_0")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^model_0, step 0, [\d,]+ parameters$"))
    page.keyboard.press("ArrowRight")
    expect(page.locator("#network-h")).to_have_text(re.compile(r"Network 1\.\d"))
    expect(page.locator("#tree .is-chosen")).to_have_class(re.compile("is-win"))
    page.wait_for_timeout(300)
    kept = re.compile(r"/architectures/[0-9a-f]{16}\.svg\?.*v=[0-9a-f]{8}$|/static/favicon")  # never change
    assert [url for url in asked if not kept.search(url)] == []


def test_the_parts_that_are_marked_against_the_parent_are_those_of_the_morphisms_and_their_list(open_page, finished):
    page = open_page(f"/searches/{finished}/?node=1.1")
    expect(page.locator("#network-drawing .is-wide").first).to_be_visible()
    morphisms = page.evaluate("nash.byCode('1.1').morphisms")
    drawn = {kind: [m for m in morphisms if m["kind"] == kind] for kind in ("deepen", "widen", "concat", "add")}
    assert all(drawn.values())
    marked = page.evaluate(MARKED)
    assert len(marked["deepen"]) == len(drawn["deepen"])
    assert set(marked["widen"]) == {m["block"] for m in drawn["widen"]}
    assert marked["joined"] == sorted(m["kind"] for m in drawn["concat"] + drawn["add"])
    expect(page.locator("#network-morphisms li strong")).to_have_text([m["words"] for m in morphisms])
    gained = page.locator("#network-morphisms li .num").all_inner_texts()
    gains = [int(text.replace("−", "-").replace(",", "")) for text in gained]
    assert sum(gains) == page.evaluate("nash.byCode('1.1').n_parameters - nash.byCode('model_0').n_parameters")
    expect(page.locator("#network-morphisms")).to_contain_text(re.compile(r"\d+ → \d+ channels"))
    page.evaluate("nash.choose('model_0')")
    expect(page.locator("#network-drawing :is(.is-new, .is-wide)")).to_have_count(0)


def test_playing_goes_from_model_0_to_the_last_and_stops_there(open_page, finished):
    page = open_page(f"/searches/{finished}/?node=model_0")
    page.get_by_role("button", name="Play the growth").click()
    expect(page.get_by_role("button", name="Hold the growth here")).to_be_visible()
    expect(page.locator("#network-h")).to_have_text(re.compile(r"Network 1\.\d"), timeout=3_000)
    expect(page.get_by_role("button", name="Play the growth")).to_be_visible()


def test_parts_slide_unless_somebody_wants_no_motion(open_page, finished):
    page = open_page(f"/searches/{finished}/?node=1.1")
    expect(page.locator("#network-drawing svg")).to_be_visible()
    page.evaluate("nash.choose('model_0')")
    wait_until(lambda: slid(page) > 0, "known parts move", 5)
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("nash.choose('1.1')")
    page.wait_for_timeout(400)
    assert slid(page) == 0


def test_no_drawing_of_another_network_stands_under_the_name_of_one_that_cannot_be_fetched(open_page, finished):
    page = open_page(f"/searches/{finished}/?node=model_0")
    box = page.locator("#network-drawing")
    expect(box.locator("svg")).to_be_visible()
    page.evaluate("() => { window.real = fetch; window.fetch = () => Promise.reject(new TypeError('cut off')); }")
    page.evaluate("nash.choose('1.1')")
    expect(box).to_contain_text("The drawing of 1.1 is not here: the server did not answer.")
    expect(box.locator("svg")).to_have_count(0)
    page.evaluate("() => { window.fetch = real; document.dispatchEvent(new CustomEvent('connected')); }")
    expect(box.locator("svg")).to_be_visible()
    expect(box).not_to_contain_text("not here")


def test_a_drawing_is_saved_as_svg_and_as_png_under_names_that_say_which(open_page, finished, tmp_path: Path):
    page = open_page(f"/searches/{finished}/?node=1.1")
    box = page.locator("#network-save")
    for kind, head in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with page.expect_download() as download:
            box.get_by_text(kind).click()
        assert download.value.suggested_filename == f"ended-1-1-{finished[:8]}.{kind.lower()}"
        file = tmp_path / kind
        download.value.save_as(file)
        assert file.read_bytes().startswith(head)
    picture = (tmp_path / "PNG").read_bytes()
    assert int.from_bytes(picture[16:20], "big") >= 2 * 280  # its width: two pixels for each of the drawing
    assert len(picture) > 8_000  # more than a white ground


def test_a_search_as_one_file_opens_without_a_network_and_says_nothing(open_page, finished, browser, tmp_path: Path):
    page = open_page(f"/searches/{finished}/")
    with page.expect_download() as download:
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name="Save as one HTML file").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    for scheme in ("light", "dark"):
        context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": 390, "height": 800})
        alone, said, asked = context.new_page(), [], []
        alone.on("console", lambda message, said=said: said.append(message.text))
        alone.on("request", lambda request, asked=asked: asked.append(request.url))
        alone.goto(file.as_uri())
        expect(alone.get_by_role("heading", name="Ended", level=1)).to_be_visible()
        expect(alone.locator("svg.chart").first).to_be_visible()
        assert broken_rules(alone) == []
        assert said == []
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert alone.evaluate("document.documentElement.scrollWidth") <= 390
        context.close()
