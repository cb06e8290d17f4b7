"""Rows and skips of an architecture drawing as SVG, from where layout.py put them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from searches.diagrams.fitting import Column, label_width, passing, tag_of, tag_width
from searches.diagrams.glyphs import glyph
from searches.diagrams.lanes import Leg
from searches.diagrams.layout import Placed, Sizes
from searches.diagrams.parts import Row, Skip
from searches.diagrams.svg import (
    Point,
    element,
    escape,
    group,
    number,
    path,
    polyline,
    rect,
    text,
    text_width,
)
from searches.diagrams.words import short

PROJECTION_WIDTH = 30.0


def row_svg(
    placed: Placed,
    column: Column,
    sizes: Sizes,
    legs: Sequence[Leg],
    skip: Skip | None,
    lambdas: Mapping[str, float],
) -> str:
    """One row as a group at the trunk's height, so that a script can slide it; `skip` is the one a join ends."""
    row = placed.row
    marks = [*_shape(row, placed.height, column, sizes)]
    if sizes.words:
        marks = [element("title", escape(_told(row))), *marks, *_side_texts(placed, column, legs, skip, lambdas)]
        marks += _label(row, column, sizes) + _join_word(placed, column, sizes, legs, skip)
    state = "is-new" if row.is_new else "is-wide" if row.is_widened else None
    return group(
        *marks,
        class_=f"row row-{row.op}" + (f" {state}" if state else ""),
        data_node=row.name,
        transform=f"translate({number(column.centre)} {number(placed.mid)})",
    )


def _told(row: Row) -> str:
    if row.is_new:
        return f"{row.title}; new"
    return f"{row.title}; widened from {row.old_channels} channels" if row.is_widened else row.title


def _shape(row: Row, height: float, column: Column, sizes: Sizes) -> list[str]:
    h, top = height, -height / 2
    if row.is_block:
        return _block(row, h, column, sizes)
    if row.op == "norm":
        w = column.block_width(row.channels)
        return [rect(-w / 2, top, w, h, "norm", h / 2)]
    if row.op == "input":
        w = max(92 * sizes.scale, text_width(row.label, sizes.font) + 22) if sizes.words else 44.0
        return [rect(-w / 2, top, w, h, "io", h / 2)]
    if row.op == "linear":
        w = max(column.block_width(64), label_width(row, sizes) + 24) if sizes.words else column.block_width(64)
        return [rect(-w / 2, top, w, h, "head", 6.0 if sizes.words else min(3.0, h / 3))]
    if row.op == "max_pool":
        return [path(funnel(0, 0, sizes.pool, h), "pool")]
    r = sizes.join
    if row.op == "concat":
        shape = rect(-r, -r, 2 * r, 2 * r, "join", 4.0 if sizes.words else min(2.0, r / 2))
        return [shape, glyph("concat", -r / 2 - 0.5, -r / 2 - 0.5, r + 1, "join-glyph")] if sizes.words else [shape]
    shape = element("circle", class_="join", r=float(r))
    return [shape, glyph("plus", -r / 2, -r / 2, r, "join-glyph")] if sizes.words else [shape]


def funnel(x: float, y: float, width: float, height: float) -> str:
    """A max-pool: a trapezoid that narrows downwards, its middle at (x, y)."""
    a, b = width / 2, width / 2 - max(2.0, min(12.0, width * 0.18))
    top, bottom = number(y - height / 2), number(y + height / 2)
    return f"M{number(x - a)} {top}H{number(x + a)}L{number(x + b)} {bottom}H{number(x - b)}Z"


def _block(row: Row, h: float, column: Column, sizes: Sizes) -> list[str]:
    w, top = column.block_width(row.channels), -h / 2
    if row.stride > 1:
        return [path(funnel(0, 0, w, h), "block")]
    radius = 6.0 if sizes.words else min(3.0, h / 3)
    outer = rect(-w / 2, top, w, h, "block", radius)
    if not row.is_widened or row.is_new or not row.old_channels:
        return [outer]
    core = min(column.block_width(row.old_channels), w - 8)
    return [
        outer,
        rect(-core / 2, top + 0.8, core, h - 1.6, "block-core"),
        path(f"M{number(-core / 2)} {number(top)}v{number(h)}M{number(core / 2)} {number(top)}v{number(h)}", "joint"),
    ]


def _label(row: Row, column: Column, sizes: Sizes) -> list[str]:
    """The words inside: kernel and channels; those of a widened block with the old channels where they fit."""
    if not row.label:
        return []
    label = row.label
    if row.is_widened and not row.is_new and row.old_channels:
        told = f"{row.kernel}×{row.kernel} · {row.old_channels} → {row.channels}"
        core = min(column.block_width(row.old_channels), column.block_width(row.channels) - 8)
        if text_width(told, sizes.font, bold=True) + 4 <= core:
            label = told
    bold = row.is_block or row.op == "linear"
    size = "label" if sizes.font > 12 and row.op != "max_pool" else "label small"
    return [text(0, 4.5 if sizes.font > 12 else 4.2, label, f"{size} strong" if bold else size, "middle")]


def _side_texts(
    placed: Placed, column: Column, legs: Sequence[Leg], skip: Skip | None, lambdas: Mapping[str, float]
) -> list[str]:
    """The name at the left, with its tag where a lane leaves room, and parameters (of a mix its lambda) right."""
    row = placed.row
    if row.op in ("input", "max_pool"):
        return []
    x = column.left - column.centre
    taken = text_width(row.name) + 6
    lanes = passing(legs, column, -1, placed.top, placed.bottom)
    limit = (lanes[-1] if lanes else column.centre - column.block_width(row.channels) / 2) - 4
    tag = tag_of(row) if row.op == "conv" and column.left + taken + tag_width(row) <= limit else ""
    spans = [escape(row.name)] + ([element("tspan", escape(tag), dx=6, class_="tag")] if tag else [])
    out = [element("text", *spans, class_="name", x=float(x), y=4.0)]
    if column.show_parameters and (words := _cost(row, skip, lambdas)):
        out.append(text(column.right - column.centre, 4, words, "cost", "end"))
    return out


def _cost(row: Row, skip: Skip | None, lambdas: Mapping[str, float]) -> str:
    if row.op == "add":
        return short(skip.parameters) if skip and skip.parameters else ""
    if row.op == "mix":
        value = lambdas.get(row.name)
        if value is not None:
            return f"λ {value:.2f}"
        return short(row.parameters + skip.parameters) if skip and skip.parameters else "λ"
    return short(row.parameters) if row.parameters else ""


def _join_word(placed: Placed, column: Column, sizes: Sizes, legs: Sequence[Leg], skip: Skip | None) -> list[str]:
    """What a join adds, said opposite its lane: "concat c4", or where a lane is near "c4"."""
    if skip is None or placed.row.op == "add":  # a shortcut of a residual block is not to be mistaken
        return []
    side, start = skip.side, sizes.join + 6
    if lanes := passing(legs, column, -side, placed.top, placed.bottom):
        room = abs(lanes[0] - column.centre)
    elif side < 0:
        room = column.right - (46 if column.show_parameters else 0) - column.centre
    else:
        room = column.centre - column.left - text_width(placed.row.name) - 4
    for words in (f"{skip.kind} {skip.block}", skip.block):
        if start + text_width(words, bold=skip.is_new) + 3 <= room:
            return [text(-side * start, 4, words, "word", "end" if side > 0 else "start")]
    return []


# ------------------------------------------------------------------ skips


def skip_svg(
    skip: Skip, points: Sequence[Point], sizes: Sizes, step: float, pools: Sequence[Point], from_trunk: bool
) -> str:
    """A skip along an orthogonal line from its source to its join, with its pools on the way.

    `step`: the distance of neighbouring lanes, which a pool does not exceed.

    A concatenation is a double line, an addition a dashed one.
    """
    end, side = points[-1], skip.side
    marks = [element("title", escape(skip.title))] if sizes.words else []
    gauge = 1.75 if sizes.font > 12 else 1.5
    if skip.kind == "concat":
        offsets = (gauge, -gauge) if sizes.words else (1.25, -1.25)
        marks += [path(polyline(points, offset=o), "line") for o in offsets]
    else:
        marks.append(path(polyline(points), "line"))
    if from_trunk:
        marks.append(element("circle", class_="tap", cx=float(points[0][0]), cy=float(points[0][1]), r=2.5))
    if sizes.words:
        reach = 5.5 if sizes.font > 12 else 4.5
        x, y = end
        tip = (
            f"M{number(x + reach * side)} {number(y - reach * 0.8)}L{number(x)} {number(y)}"
            f"L{number(x + reach * side)} {number(y + reach * 0.8)}"
        )
        marks.append(path(tip, "tip"))
    across = min(14.0, step - 1.5) if sizes.words else 5.0
    marks += [path(funnel(x, y, across, 0.65 * across), "lane-pool") for x, y in pools]
    marks += _projection(skip, end, sizes)
    return group(*marks, class_=f"skip skip-{skip.kind}" + (" is-new" if skip.is_new else ""), data_skip=skip.join)


def _projection(skip: Skip, end: Point, sizes: Sizes) -> list[str]:
    if skip.projection is None or not sizes.words:
        return []
    height = 16.0
    x = end[0] + skip.side * (8 + PROJECTION_WIDTH / 2)
    return [
        rect(x - PROJECTION_WIDTH / 2, end[1] - height / 2, PROJECTION_WIDTH, height, "projection", 3),
        text(x, end[1] + 4.2, "1×1", "small", "middle"),
    ]


def stub_svg(skip: Skip, start: Point, end: Point, sizes: Sizes) -> str:
    """A skip for which no lane is left: a short end at its source and one at its join, which names the source."""
    side = skip.side
    (x0, y0), (x1, y1) = start, end
    marks = [element("title", escape(skip.title))] if sizes.words else []
    for x, y in ((x0, y0), (x1, y1)):
        marks.append(path(f"M{number(x)} {number(y)}h{number(14.0 * side)}", "line"))
        marks.append(element("circle", class_="stub", cx=float(x + 16 * side), cy=float(y), r=2.5))
    return group(*marks, class_=f"skip skip-{skip.kind}" + (" is-new" if skip.is_new else ""), data_skip=skip.join)


def trunk_svg(placed: Sequence[Placed], column: Column) -> list[str]:
    """The straight line from row to row."""
    return [
        path(f"M{number(column.centre)} {number(a.bottom)}V{number(b.top)}", "trunk") for a, b in pairwise(placed)
    ]
