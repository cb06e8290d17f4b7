"""The keys to the drawings: pairs of a small picture and its words, for a list beside or under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from searches.diagrams.family import RAMP_STEPS, ramp_of
from searches.diagrams.glyphs import MORPHISM_GLYPHS, icon
from searches.diagrams.layout import NORMAL
from searches.diagrams.paint import funnel
from searches.diagrams.svg import document, element, group, path, rect
from searches.diagrams.words import percent


class Key(TypedDict):
    """`svg`: markup, safe as it is; `words`: plain text."""

    svg: str
    words: str


class RampKey(TypedDict):
    """The accuracy ramp with the words of its two ends."""

    svg: str
    low: str
    high: str


def architecture_legend() -> list[Key]:
    """New and widened, the two joins, pool and projection."""
    block = rect(2, 2, 30, 14, "block", 4)
    core = rect(9, 2.8, 16, 12.4, "block-core")
    joints = path("M9 2v14M25 2v14", "joint")
    return [
        Key(svg=_key("arch", 34, group(block, class_="is-new")), words="new"),
        Key(svg=_key("arch", 34, group(block, core, joints, class_="is-wide")), words="widened"),
        Key(
            svg=_key("arch", 34, group(path("M1 7.2H33M1 10.8H33", "line"), class_="skip skip-concat")),
            words="concat",
        ),
        Key(svg=_key("arch", 34, group(path("M1 9H33", "line"), class_="skip skip-add")), words="add"),
        Key(
            svg=_key("arch", 22, group(path(funnel(11, 9, 16, 10), "lane-pool"), class_="skip")),
            words="pool on a skip",
        ),
    ]


def width_legend() -> list[Key]:
    """How wide 16, 64 and 256 channels are: the ruler of the log scale."""
    keys = []
    for channels in (16, 64, 256):
        width = round(NORMAL.block_width(channels) / NORMAL.block_width(256) * 50)
        keys.append(Key(svg=_key("arch", width + 2, rect(1, 3, width, 12, "block", 3)), words=str(channels)))
    return keys


def lineage_legend() -> list[Key]:
    """The forms and states of a node."""
    box = rect(2, 2, 26, 14, "shape", 4)
    hexagon = path("M7 2H23L28 9L23 16H7L2 9Z", "shape")
    cross = element("path", d="M11 5l8 8M19 5l-8 8")
    states = [
        ("done acc-2", box, "child"),
        ("done acc-2 is-parent", hexagon, "the parent’s own slot"),
        ("done acc-2 is-win", box, "winner"),
        ("done acc-2 is-lead", box, "leads so far"),
        ("running", box, "training"),
        ("pending", box, "waits"),
        ("failed", box + group(cross, class_="glyph x"), "failed"),
    ]
    return [
        Key(svg=_key("tree", 30, group(shape, class_=f"node {state}")), words=words) for state, shape, words in states
    ]


def morphism_legend() -> list[Key]:
    """The glyph of each kind of morphism."""
    return [Key(svg=icon(kind), words=kind) for kind in MORPHISM_GLYPHS]


def ramp_legend(snapshot: Mapping[str, Any]) -> RampKey:
    """The ramp of this search's tree, from its low end to its high one."""
    ramp = ramp_of(snapshot)
    steps = [rect(20 * k, 2, 20, 12, f"ramp-{k + 1}") for k in range(RAMP_STEPS)]
    return RampKey(
        svg=_key("tree", 20 * RAMP_STEPS, *steps),
        low=percent(ramp.low, 0),
        high=percent(ramp.high, 0),
    )


def _key(drawing: str, width: float, *marks: str) -> str:
    return document(width, 18, marks, class_=f"{drawing} key")
