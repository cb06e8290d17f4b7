"""The drawing of one network: layers top to bottom, skips on lanes beside them, what is new against the parent.

Pure functions of an Architecture: the same network gives the same bytes, without torch and without Django.
Up to 24 rows are drawn at full size; more are drawn dense, and where there is room in a column for each
resolution (columns.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from searches.diagrams.changes import Entry
from searches.diagrams.columns import columns_svg
from searches.diagrams.fitting import Column, fitted, join_end, source_end
from searches.diagrams.lanes import Leg, leaving, with_lanes, with_ports
from searches.diagrams.layout import DENSE, NORMAL, THUMBNAIL, Sizes, Stack, stacked
from searches.diagrams.paint import row_svg, skip_svg, stub_svg, trunk_svg
from searches.diagrams.parts import Parts, in_words, parts_of
from searches.diagrams.standalone import standalone_head
from searches.diagrams.svg import Point, document, element, escape, rect, text
from searches.nash.architecture import Architecture

MOST_ROWS = 24
COLUMN_WIDTH = 270.0


def architecture_svg(
    architecture: Architecture,
    against: Architecture | None = None,
    *,
    width: float = 376,
    label: str = "",
    lambdas: Mapping[str, float] | None = None,
    standalone: bool = False,
    record: Sequence[Entry] = (),
) -> str:
    """The network as an SVG laid out for `width` px; its height follows from its rows.

    `against`: the parent; what it does not have is drawn as new, what has more channels as widened.
    `label`: what a screen reader hears; by default the network in words. `lambdas`: the trained value of each
    mix by name. `standalone`: with its own light style sheet, for a file that is looked at by itself (its style
    element is not for a page under our content security policy). `record`: how it was made from the parent, for a
    page to list beside it; carried as JSON in the drawing's metadata.
    """
    parts = parts_of(architecture, against)
    least = _columns_from(parts)
    if least is not None and width >= least:
        height, body = columns_svg(parts, width, lambdas or {})
    else:
        sizes = DENSE if len(parts.rows) > MOST_ROWS else NORMAL
        height, body = _one_column(parts, sizes, width, lambdas or {})
    return document(
        width,
        height,
        [
            *([element("metadata", escape(json.dumps(record)))] if record else []),
            *(standalone_head() if standalone else []),
            *body,
        ],
        class_="arch",
        role="img",
        aria_label=label or f"Network: {in_words(architecture)}",
    )


def columns_from(architecture: Architecture) -> float | None:
    """The width in px from which this network is drawn in a column for each resolution; None if it never is."""
    return _columns_from(parts_of(architecture, None))


def _columns_from(parts: Parts) -> float | None:
    n_columns = 1 + sum(row.op == "max_pool" for row in parts.rows)
    return n_columns * COLUMN_WIDTH + 40 if n_columns > 1 and len(parts.rows) > MOST_ROWS else None


def thumbnail_svg(
    architecture: Architecture,
    against: Architecture | None = None,
    *,
    width: float = 168,
    scale: float = 1.0,
    label: str = "",
) -> str:
    """The network as a sketch without words; without a label it is hidden from readers.

    `scale` shrinks heights, so that sketches of a growing line can stand side by side (see thumbnail_scale).
    """
    height, body = _one_column(parts_of(architecture, against), _scaled(scale), width, {})
    return document(width, height, body, class_="arch sketch", role="img", aria_label=label or None)


def thumbnail_scale(architectures: Sequence[Architecture], height: float = 300) -> float:
    """The scale at which the tallest of these sketches is at most `height` px tall; never above 1."""
    tallest = max((stacked(parts_of(a).rows, THUMBNAIL).height for a in architectures), default=height)
    return min(1.0, height / tallest)


def _scaled(scale: float) -> Sizes:
    s = THUMBNAIL
    return Sizes(
        heights={op: h * scale for op, h in s.heights.items()},
        block={kernel: h * scale for kernel, h in s.block.items()},
        gap=s.gap * scale, pad=s.pad * scale, band_pad=s.band_pad * scale, join=s.join * min(1.0, 2 * scale),
        first_lane=s.first_lane, lane_steps=s.lane_steps, font=s.font, pool=s.pool, scale=s.scale, words=False,
    )  # fmt: skip


def one_column_layout(parts: Parts, sizes: Sizes, width: float) -> tuple[Stack, Column, list[Leg]]:
    """Where everything stands in a drawing of one column."""
    stack = stacked(parts.rows, sizes)
    legs = with_lanes(
        [
            Leg(
                skip,
                leaving(stack.at(skip.source), sizes),
                stack.at(skip.join).mid,
                leaving(stack.at(skip.source), sizes),
            )
            for skip in parts.skips
        ]
    )
    legs = with_ports(legs, stack, sizes)
    column, legs = fitted(stack, legs, sizes, 0.0, width)
    return stack, column, legs


def _one_column(parts: Parts, sizes: Sizes, width: float, lambdas: Mapping[str, float]) -> tuple[float, list[str]]:
    stack, column, legs = one_column_layout(parts, sizes, width)
    body = []
    if sizes.words:
        body += [rect(0.5, b.top, width - 1, b.bottom - b.top, "band", 10) for b in stack.bands]
        body += [text(12, b.top - 6, b.label, "band-label") for b in stack.bands]
    body += trunk_svg(stack.placed, column)
    body += [_skip(leg, stack, column, sizes) for leg in sorted(legs, key=lambda leg: -(leg.lane or 0))]
    joins = {skip.join: skip for skip in parts.skips}
    body += [row_svg(p, column, sizes, legs, joins.get(p.row.name), lambdas) for p in stack.placed]
    return stack.height, body


def _skip(leg: Leg, stack: Stack, column: Column, sizes: Sizes) -> str:
    start, end = source_end(leg, stack, column), join_end(leg.skip, stack, column, sizes)
    if leg.lane is None:
        return stub_svg(leg.skip, start, end, sizes)
    x = column.lane_x(leg)
    inside = [p for p in stack.placed if p.row.op == "max_pool" and leg.top < p.mid < leg.bottom]
    pools: list[Point] = [(x, p.mid) for p in inside[: leg.skip.pools]]
    from_trunk = not stack.at(leg.skip.source).row.is_block
    return skip_svg(leg.skip, [start, (x, start[1]), (x, end[1]), end], sizes, column.step, pools, from_trunk)
