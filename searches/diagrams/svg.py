"""SVG as text: elements from escaped values, rounded orthogonal lines, and how wide a text comes out.

Classes and presentation attributes only, so that a drawing stands under a policy without inline styles.
Numbers have at most one decimal, so that equal drawings are equal bytes on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape as _escape
from itertools import pairwise

Point = tuple[float, float]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SAFE = re.compile("[\\w .,:;·%()#/+×–−\u202f-]*", re.ASCII)
"""Most texts: to look for what must be escaped takes a fifth of escaping it."""


@lru_cache(maxsize=16_384, typed=True)
def escape(text: object) -> str:
    """Text that is safe between tags and inside quotes; characters that XML forbids become U+FFFD."""
    shown = str(text)
    return shown if _SAFE.fullmatch(shown) else _escape(_NOT_XML.sub("\ufffd", shown), quote=True)


@lru_cache(maxsize=16_384)
def number(value: float) -> str:
    """A coordinate with at most one decimal: 12, 12.5; never -0."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def element(tag: str, *children: str, **attributes: object) -> str:
    """An element; children are markup as it is, attributes are escaped and None leaves one out.

    A trailing underscore is dropped from an attribute's name (class_), others become hyphens.
    """
    opened = tag
    for name, value in attributes.items():
        if value is not None:
            opened += f' {_attribute(name)}="{number(value) if isinstance(value, float) else escape(value)}"'
    return f"<{opened}>{''.join(children)}</{tag}>" if children else f"<{opened}/>"


@lru_cache(maxsize=256)
def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def group(*children: str, **attributes: object) -> str:
    return element("g", *children, **attributes)


def text(x: float, y: float, content: str, class_: str = "", anchor: str = "start") -> str:
    """A line of text; y is the baseline, anchor "start", "middle" or "end"."""
    return element(
        "text",
        escape(content),
        x=float(x),
        y=float(y),
        class_=class_ or None,
        text_anchor=None if anchor == "start" else anchor,
    )


def rect(x: float, y: float, width: float, height: float, class_: str, rx: float | None = None) -> str:
    return element(
        "rect",
        class_=class_,
        x=float(x),
        y=float(y),
        width=float(width),
        height=float(height),
        rx=None if rx is None else float(rx),
    )


def path(d: str, class_: str, **attributes: object) -> str:
    return element("path", class_=class_, d=d, **attributes)


def document(width: float, height: float, children: Iterable[str], **attributes: object) -> str:
    """A whole drawing, laid out for `width` x `height` px. Without aria_label it is hidden from readers."""
    named = attributes.get("aria_label")
    if not named:
        attributes |= {"aria_label": None, "aria_hidden": "true", "role": None}
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=float(width),
        height=float(height),
        **attributes,
    )


def hexagon(x: float, y: float, width: float, height: float) -> str:
    """Path data of a box with pointed sides."""
    c = min(11.0, height / 3.5)
    top, middle, bottom = number(y), number(y + height / 2), number(y + height)
    left, right = number(x + c), number(x + width - c)
    return f"M{left} {top}H{right}L{number(x + width)} {middle}L{right} {bottom}H{left}L{number(x)} {middle}Z"


def rounded_box(x: float, y: float, width: float, height: float) -> str:
    """Path data of a box with round corners, for many in one path."""
    r = min(8.0, height / 4)
    across, down, q = number(width - 2 * r), number(height - 2 * r), number(r)
    return (
        f"M{number(x + r)} {number(y)}h{across}q{q} 0 {q} {q}v{down}q0 {q} -{q} {q}"
        f"h-{across}q-{q} 0 -{q} -{q}v-{down}q0 -{q} {q} -{q}z"
    )


def polyline(points: Sequence[Point], radius: float = 10.0, offset: float = 0.0) -> str:
    """Path data of an orthogonal line with round corners, moved sideways by `offset` px.

    Two lines of opposite offset are the double line of a concatenation, on any ground.
    """
    corners = _without_repeats(points)
    directions = [_direction(a, b) for a, b in pairwise(corners)]
    moved = _moved(corners, directions, offset)
    out = [f"M{number(moved[0][0])} {number(moved[0][1])}"]
    for i in range(1, len(moved) - 1):
        (dx, dy), (ex, ey) = directions[i - 1], directions[i]
        x, y = moved[i]
        room = min(_length(corners[i - 1], corners[i]), _length(corners[i], corners[i + 1])) / 2
        r = max(0.0, min(radius, room) - offset * (dx * ey - dy * ex))
        out.append(f"L{number(x - dx * r)} {number(y - dy * r)}")
        out.append(f"Q{number(x)} {number(y)} {number(x + ex * r)} {number(y + ey * r)}")
    out.append(f"L{number(moved[-1][0])} {number(moved[-1][1])}")
    return "".join(out)


def _without_repeats(points: Sequence[Point]) -> list[Point]:
    kept: list[Point] = []
    for point in points:
        if not kept or _length(kept[-1], point) > 0:
            kept.append(point)
    return kept


def _length(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _direction(a: Point, b: Point) -> Point:
    return (b[0] > a[0]) - (b[0] < a[0]), (b[1] > a[1]) - (b[1] < a[1])


def _moved(corners: Sequence[Point], directions: Sequence[Point], offset: float) -> list[Point]:
    moved: list[Point] = []
    for i, (x, y) in enumerate(corners):
        meeting = {directions[max(0, i - 1)], directions[min(i, len(directions) - 1)]}
        moved.append((x - offset * sum(d[1] for d in meeting), y + offset * sum(d[0] for d in meeting)))
    return moved


_EMS = {
    **dict.fromkeys("ijl", 0.28),
    **dict.fromkeys("It.,:;·|[]' \u00a0", 0.36),
    **dict.fromkeys("frt()", 0.41),
    **dict.fromkeys("csz", 0.55),
    **dict.fromkeys("kvxy", 0.59),
    **dict.fromkeys("MWmw%@×→←+−", 0.92),
    "\u202f": 0.2,
}


def text_width(content: str, size: float = 12.0, *, bold: bool = False) -> float:
    """About how many px a line takes, from the wide end of the fonts in use (DejaVu, Verdana)."""
    return sum(_EMS.get(character, 0.64) for character in content) * size * (1.1 if bold else 1.0)
