"""The style sheet of a drawing that leaves the page: drawings.css with the light theme's tokens put in."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from searches.diagrams.svg import element

CSS_FOLDER = Path(__file__).resolve().parents[2] / "static" / "css"


def standalone_head() -> list[str]:
    """A style element and a ground of the page's colour, for the beginning of an SVG file."""
    return [
        element("style", style_sheet().replace("<", "").replace("&", "")),
        element("rect", class_="ground", width="100%", height="100%"),
    ]


@cache
def style_sheet() -> str:
    """drawings.css without any custom property, as a file viewer outside a browser needs it."""
    tokens = (CSS_FOLDER / "tokens.css").read_text(encoding="utf-8")
    drawings = (CSS_FOLDER / "drawings.css").read_text(encoding="utf-8")
    return resolved(drawings, tokens)


def resolved(css: str, tokens: str) -> str:
    """`css` with each var(--token) replaced by its value, the light one of light-dark(); comments dropped."""
    values = dict(re.findall(r"(--[\w-]+):\s*([^;]+);", _without_comments(tokens)))
    css = _without_comments(css)
    while (replaced := re.sub(r"var\((--[\w-]+)\)", lambda m: values.get(m[1], "inherit"), css)) != css:
        css = replaced
    light = re.sub(r"light-dark\(\s*((?:[^(),]|\([^()]*\))+),\s*((?:[^(),]|\([^()]*\))+)\)", r"\1", css)
    return re.sub(r"\s+", " ", light).strip()


def _without_comments(css: str) -> str:
    return re.sub(r"/\*.*?\*/", "", css, flags=re.S)
