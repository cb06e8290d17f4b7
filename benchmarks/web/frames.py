"""The tree of 2,000 networks while it is scrolled and walked through: how long each frame takes.

A headless Chromium without a GPU draws by software, at most sixty times a second: a gap between two callbacks of
requestAnimationFrame is 16.7 ms where scripts, layout and painting were done in time, a multiple where they were not.
What it cannot say is how smooth a GPU's compositor would be beside that; it is slower than one.
"""

from __future__ import annotations

from playwright.sync_api import Page

from benchmarks.measures import Measure, Measures
from benchmarks.web.site import percentile

SCROLL = """(seconds) => new Promise((done) => {
  const box = document.getElementById("tree");
  box.scrollIntoView({ block: "center" });
  const gaps = [];
  let first = null, last = null, way = 1;
  const frame = (now) => {
    first ??= now;
    if (last !== null) gaps.push(now - last);
    last = now;
    if (now - first > 1000 * seconds) return done(gaps.slice(5));
    if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) way = -1;
    else if (box.scrollTop === 0) way = 1;
    box.scrollTop += 18 * way;
    requestAnimationFrame(frame);
  };
  box.scrollTop = 0;
  requestAnimationFrame(frame);
})"""
"""Down and up again, 1,080 px a second; the gaps between frames in milliseconds."""
IDLE = """(seconds) => new Promise((done) => {
  const gaps = [];
  let first = null, last = null;
  const frame = (now) => {
    first ??= now;
    if (last !== null) gaps.push(now - last);
    last = now;
    if (now - first > 1000 * seconds) return done(gaps.slice(5));
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""
"""The same while nothing moves: what this browser on this machine can do at all."""
WALK = """(steps) => new Promise((done) => {
  const took = [];
  const step = (k) => {
    if (k === steps) return done(took);
    const node = document.querySelector("#tree [tabindex='0']");
    node.focus({ preventScroll: true });
    const began = performance.now();
    const key = k % 2 ? "ArrowLeft" : "ArrowUp";
    node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    requestAnimationFrame(() => setTimeout(() => { took.push(performance.now() - began); step(k + 1); }, 0));
  };
  step(0);
})"""
"""Up the tree by arrow keys: from the key to the end of the frame that shows the network chosen, curves included."""


def frames_of(page: Page, *, seconds: float) -> Measures:
    """Of the page of a large search that stands open and is drawn."""
    idle = [float(gap) for gap in page.evaluate(IDLE, seconds / 2)]
    gaps = [float(gap) for gap in page.evaluate(SCROLL, seconds)]
    walk = [float(took) for took in page.evaluate(WALK, 40 if seconds > 1 else 4)]
    return {
        "tree_2000_frame_p95_ms": Measure(percentile(gaps, 0.95), "ms"),
        "tree_2000_frame_p50_ms": Measure(percentile(gaps, 0.5), "ms"),
        "tree_2000_frames_late": Measure(sum(gap > 25.0 for gap in gaps) / len(gaps), "share"),
        "tree_2000_choose_p95_ms": Measure(percentile(walk, 0.95), "ms"),
        "idle_frame_p95_ms": Measure(percentile(idle, 0.95), "ms"),
    }
