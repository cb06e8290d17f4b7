"""Line glyphs on a 14 x 14 field: one for each kind of morphism, and the marks of the tree."""

from __future__ import annotations

from searches.diagrams.svg import element, group, number

MORPHISM_GLYPHS = {
    "deepen": "M2 2.5h10M7 5v7M4 9.2 7 12.2l3-3",
    "widen": "M1.5 7h11M4.4 4 1.4 7l3 3M9.6 4l3 3-3 3",
    "concat": "M4.5 1.5v11M9.5 1.5v11",
    "add": "M7 4v6M4 7h6M7 1.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6",
}
GLYPHS = MORPHISM_GLYPHS | {
    "check": "M2.5 7.5 5.8 10.8 11.8 3.6",
    "cross": "M3 3l8 8M11 3l-8 8",
    "plus": "M7 2v10M2 7h10",
    "dash": "M3 7h8",
    "dot": "M7 4.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 1 1 0-5",
}


def glyph(name: str, x: float, y: float, size: float = 14, class_: str = "") -> str:
    """A glyph whose field's top left corner is (x, y). A kind without a glyph of its own is a dot."""
    scale = f"{size / 14:.3f}".rstrip("0").rstrip(".")
    return group(
        element("path", d=GLYPHS.get(name, GLYPHS["dot"])),
        class_=f"glyph {class_}".rstrip(),
        transform=f"translate({number(x)} {number(y)})" + ("" if scale == "1" else f" scale({scale})"),
    )


def icon(name: str) -> str:
    """The glyph as a small drawing of its own, for a line of text; hidden from readers."""
    return element(
        "svg",
        element("path", d=GLYPHS.get(name, GLYPHS["dot"])),
        xmlns="http://www.w3.org/2000/svg",
        class_="icon",
        viewBox="0 0 14 14",
        width=14,
        height=14,
        aria_hidden="true",
        focusable="false",
    )
