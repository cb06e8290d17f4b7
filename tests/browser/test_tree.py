"""The lineage tree in Chromium: it is the server's drawing, with the rows in sight only, and asks for nothing."""

import json
import re
import xml.etree.ElementTree as ET
from itertools import zip_longest

import pytest
from playwright.sync_api import expect

from searches.diagrams import lineage_svg
from searches.nash import SearchConfig
from tests.searches.drawings import Snapshot, in_state, played

LAYERS = {"xmlns", "viewBox", "width", "height", "role", "data-ramp-low", "data-ramp-high", "aria-label"}
"""What the outermost element has on the server alone."""


def config(n_steps: int, n_neigh: int) -> SearchConfig:
    return SearchConfig(n_steps=n_steps, n_neigh=n_neigh, n_NM=3, epoch_neigh=17)


def failing(snapshot: Snapshot) -> Snapshot:
    broken = in_state(snapshot, "1.1", status="failed", val_accuracy=None, seal={"holds": False})
    return in_state(broken, "1.3", status="diverged", val_accuracy=None)


def balanced() -> Snapshot:
    """Open at step 2; by the mean over the classes another child leads than by accuracy."""
    snapshot = played(config(3, 4), 8)
    snapshot["config"]["selection"] = "balanced"
    for c in snapshot["candidates"]:
        c["val_balanced"] = None if c["val_accuracy"] is None else 0.5 + 0.01 * (c["index"] == 1)
    return snapshot


CASES = {
    "balanced": (balanced(), 896),
    "open": (played(config(3, 4), 7), 896),
    "running": (in_state(played(config(3, 4), 6), "2.2", status="running", epoch=5.3), 896),
    "failed": (failing(played(config(2, 5), 7)), 840),
    "finished": (played(config(3, 8), 99, "finished"), 896),
    "phone": (played(config(2, 5), 9), 334),
    "sideways": (played(config(2, 8), 12), 334),
    "squares": (played(config(2, 24), 40), 896),
    "strips": (played(config(2, 60), 100), 896),
    "long": (played(config(12, 3), 6), 700),
    "fresh": (played(config(3, 4), 0, "waiting"), 896),
}
DRAWN = """async ([state, width, selected]) => {
  const { Picture, whole } = await import("/static/js/tree/picture.js");
  return new XMLSerializer().serializeToString(whole(new Picture(state, { width, selected, best: state.best })));
}"""


def flat(svg: str) -> list[tuple[str, dict[str, str], str]]:
    elements = list(ET.fromstring(svg).iter())
    found = [(e.tag.rpartition("}")[2], dict(e.attrib), e.text or "") for e in elements]
    found[0] = ("svg", {k: v for k, v in found[0][1].items() if k not in LAYERS}, "")
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_browser_draws_the_tree_as_the_server_does(open_page, case):
    page = open_page("/")
    snapshot, width = CASES[case]
    selected = snapshot["candidates"][1]["id"] if len(snapshot["candidates"]) > 1 else None
    theirs = flat(lineage_svg(snapshot, width=width, selected=selected))
    ours = flat(page.evaluate(DRAWN, [json.loads(json.dumps(snapshot)), width, selected]))
    for mine, other in zip_longest(ours, theirs):
        assert mine == other


def test_a_tree_is_walked_by_keyboard_without_asking_for_anything(open_page, finished):
    page = open_page(f"/searches/{finished}/?node=1.1")
    page.locator("#tree .is-chosen").focus()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for key, code in (("End", "1.2"), ("Home", "1.1"), ("ArrowUp", "model_0"), ("ArrowDown", r"1\.\d")):
        page.keyboard.press(key)
        expect(page.locator("#tree :focus")).to_have_attribute("aria-label", re.compile(rf"\b{code}, "))
        expect(page.locator("#tree [tabindex='0']")).to_have_count(1)
    assert [url for url in asked if not re.search("/architectures/|favicon", url)] == []
