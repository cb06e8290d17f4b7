"""A network of 60 blocks is legible at 1280 px: text of at least 12 px, none over another, none cut off."""

import pytest
from playwright.sync_api import Browser

from searches.diagrams import architecture_svg
from tests.searches.drawings import large

MEASURED = """() => {
  const svg = document.querySelector("svg").getBoundingClientRect();
  const texts = [...document.querySelectorAll("svg text")].filter((t) => t.textContent.trim());
  const scale = svg.width / Number(document.querySelector("svg").getAttribute("width"));
  const size = (t) => scale * parseFloat(getComputedStyle(t).fontSize);
  const boxes = texts.map((t) => ({ words: t.textContent, size: size(t), ...t.getBoundingClientRect().toJSON() }));
  const across = (a, b) => a.left + 0.5 < b.right && b.left + 0.5 < a.right;
  const meet = (a, b) => across(a, b) && a.top + 3 < b.bottom && b.top + 3 < a.bottom;
  return {
    n: boxes.length,
    least: Math.min(...boxes.map((b) => b.size)),
    over: boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => meet(a, b)).map((b) => `${a.words} | ${b.words}`)),
    cut: boxes.filter((b) => b.left < svg.left - 0.5 || b.right > svg.right + 0.5).map((b) => b.words),
  };
}"""


@pytest.mark.parametrize("width", [1176, 376])
def test_a_network_of_60_blocks_is_legible(browser: Browser, width: int):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_content(f"<body>{architecture_svg(large(60, 18), large(50, 12), width=width, standalone=True)}</body>")
    found = page.evaluate(MEASURED)
    page.close()
    assert found["n"] > 120
    assert found["least"] >= 12
    assert found["over"] == []
    assert found["cut"] == []
