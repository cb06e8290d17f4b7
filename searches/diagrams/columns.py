"""The wide way to draw a large network: a column for each resolution, side by side.

The trunk runs from a column's last pool up the gutter into the next column. A skip into another column leaves
its own lane upwards, crosses above the columns on a track, and comes down a lane of its join's column, with its
pools on the way down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from searches.diagrams.fitting import Column, fitted, join_end, shared_widths, source_end
from searches.diagrams.lanes import OUTSIDE, Leg, leaving, packed, with_lanes, with_ports
from searches.diagrams.layout import DENSE, Sizes, Stack, stacked
from searches.diagrams.paint import row_svg, skip_svg, stub_svg, trunk_svg
from searches.diagrams.parts import Parts, Row, Skip
from searches.diagrams.svg import Point, path, polyline, rect, text

GUTTER = 30.0
LEAST_COLUMN = 290.0
TRACK_STEP = 8.0
ENTRANCE = 44.0
"""Room between the lowest track and the bands: the trunk's turn, band labels, the pools of crossing skips."""


@dataclass(frozen=True)
class Sheet:
    """Columns with their rows and the legs of skips in each, and the tracks above them."""

    stacks: tuple[Stack, ...]
    columns: tuple[Column, ...]
    legs: tuple[tuple[Leg, ...], ...]
    tracks: Mapping[str, float]
    height: float

    def home(self, name: str) -> int:
        return next(i for i, stack in enumerate(self.stacks) if stack.has(name))

    def leg(self, i: int, skip: Skip) -> Leg:
        return next(leg for leg in self.legs[i] if leg.skip == skip)

    def crosses(self, skip: Skip) -> bool:
        return self.home(skip.source) != self.home(skip.join)


def columns_svg(parts: Parts, width: float, lambdas: Mapping[str, float]) -> tuple[float, list[str]]:
    """Height and body of the drawing in columns."""
    sizes = DENSE
    sheet = laid_out(parts, sizes, width)
    joins = {skip.join: skip for skip in parts.skips}
    body = []
    for stack, column in zip(sheet.stacks, sheet.columns, strict=True):
        for b in stack.bands:
            body.append(rect(column.x + 0.5, b.top, column.width - 1, b.bottom - b.top, "band", 10))
            body.append(text(column.left, b.top - 6, b.label, "band-label"))
    body += _turns(sheet)
    for stack, column in zip(sheet.stacks, sheet.columns, strict=True):
        body += trunk_svg(stack.placed, column)
    body += [_skip(skip, sheet, sizes) for skip in parts.skips]
    for stack, column, legs in zip(sheet.stacks, sheet.columns, sheet.legs, strict=True):
        body += [row_svg(p, column, sizes, legs, joins.get(p.row.name), lambdas) for p in stack.placed]
    return sheet.height, body


def laid_out(parts: Parts, sizes: Sizes, width: float) -> Sheet:
    """Where everything stands: stacks with their bands at one height, lanes, then tracks for the crossings."""
    groups = balanced(split(parts.rows), sizes, int((width + GUTTER) // (LEAST_COLUMN + GUTTER)))
    stacks = []
    for rows in groups:
        stack = stacked(rows, sizes)
        stacks.append(stack.moved(-stack.bands[0].top if stack.bands else 0.0))
    wanted = [with_ports(with_lanes(_legs(parts.skips, s, sizes)), s, sizes) for s in stacks]
    shares = shared_widths(list(zip(stacks, wanted, strict=True)), sizes, width - GUTTER * (len(groups) - 1))
    columns, legs, x = [], [], 0.0
    for stack, mine, share in zip(stacks, wanted, shares, strict=True):
        column, fitting = fitted(stack, mine, sizes, x, share)
        x += share + GUTTER
        columns.append(column)
        legs.append(tuple(fitting))
    sheet = Sheet(tuple(stacks), tuple(columns), tuple(legs), {}, 0.0)
    tracks, n_tracks = _tracks(parts.skips, sheet)
    down = 10 + n_tracks * TRACK_STEP + ENTRANCE
    moved = tuple(stack.moved(down) for stack in stacks)
    shifted = tuple(tuple(_lowered(leg, down) for leg in mine) for mine in legs)
    lines = {join: down - ENTRANCE - TRACK_STEP * k for join, k in tracks.items()}
    return Sheet(moved, sheet.columns, shifted, lines, max(s.placed[-1].bottom for s in moved) + 24)


def split(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each column: a max-pool ends one."""
    groups: list[list[Row]] = [[]]
    for row in rows:
        groups[-1].append(row)
        if row.op == "max_pool":
            groups.append([])
    return groups


def balanced(groups: Sequence[Sequence[Row]], sizes: Sizes, most: int) -> list[list[Row]]:
    """Halves the tallest column, at a block, while that makes the drawing clearly shorter; at most `most`."""
    out = [list(rows) for rows in groups]
    while len(out) < most:
        heights = [stacked(rows, sizes).height for rows in out]
        i = heights.index(max(heights))
        middle = [
            k for k, p in enumerate(stacked(out[i], sizes).placed) if p.mid > heights[i] / 2 and p.row.is_block
        ]
        if not middle or not 0 < middle[0] < len(out[i]) - 1:
            break
        halves = [out[i][: middle[0]], out[i][middle[0] :]]
        if max([stacked(rows, sizes).height for rows in halves] + heights[:i] + heights[i + 1 :]) > 0.8 * heights[i]:
            break
        out[i : i + 1] = halves
    return out


def _legs(skips: Sequence[Skip], stack: Stack, sizes: Sizes) -> list[Leg]:
    legs = []
    for skip in skips:
        leaves = leaving(stack.at(skip.source), sizes) if stack.has(skip.source) else None
        arrives = stack.at(skip.join).mid if stack.has(skip.join) else None
        if leaves is not None and arrives is not None:
            legs.append(Leg(skip, leaves, arrives, leaves))
        elif leaves is not None:
            legs.append(Leg(skip, OUTSIDE, leaves, leaves))
        elif arrives is not None:
            legs.append(Leg(skip, OUTSIDE, arrives, None))
    return legs


def _lowered(leg: Leg, dy: float) -> Leg:
    return replace(
        leg,
        top=leg.top if leg.top == OUTSIDE else leg.top + dy,
        bottom=leg.bottom + dy,
        leaves=None if leg.leaves is None else leg.leaves + dy,
    )


def _tracks(skips: Sequence[Skip], sheet: Sheet) -> tuple[dict[str, int], int]:
    """A track above the columns for each skip that crosses and has its lanes; the lowest is 0."""
    spans: dict[str, tuple[float, float]] = {}
    for skip in skips:
        a, b = sheet.home(skip.source), sheet.home(skip.join)
        ends = sheet.leg(a, skip), sheet.leg(b, skip)
        if a != b and all(leg.lane is not None for leg in ends):
            xs = sorted((sheet.columns[a].lane_x(ends[0]), sheet.columns[b].lane_x(ends[1])))
            spans[skip.join] = (xs[0], xs[1])
    lanes = packed(list(spans.values()))
    return dict(zip(spans, lanes, strict=True)), 1 + max(lanes, default=-1)


def _turns(sheet: Sheet) -> list[str]:
    """The trunk from the foot of a column up the gutter and into the next."""
    out = []
    for i in range(len(sheet.stacks) - 1):
        here, there = sheet.columns[i], sheet.columns[i + 1]
        foot, head = sheet.stacks[i].placed[-1].bottom, sheet.stacks[i + 1].placed[0].top
        x, y = there.x - GUTTER / 2, sheet.stacks[i + 1].bands[0].top - 30
        points = [
            (here.centre, foot),
            (here.centre, foot + 14),
            (x, foot + 14),
            (x, y),
            (there.centre, y),
            (there.centre, head),
        ]
        out.append(path(polyline(points, 8), "trunk turn"))
    return out


def _skip(skip: Skip, sheet: Sheet, sizes: Sizes) -> str:
    a, b = sheet.home(skip.source), sheet.home(skip.join)
    leaves, arrives = sheet.leg(a, skip), sheet.leg(b, skip)
    start = source_end(leaves, sheet.stacks[a], sheet.columns[a])
    end = join_end(skip, sheet.stacks[b], sheet.columns[b], sizes)
    if leaves.lane is None or arrives.lane is None:
        return stub_svg(skip, start, end, sizes)
    from_trunk = not sheet.stacks[a].at(skip.source).row.is_block
    x0, x1 = sheet.columns[a].lane_x(leaves), sheet.columns[b].lane_x(arrives)
    if a == b:
        return skip_svg(skip, [start, (x0, start[1]), (x0, end[1]), end], sizes, 10, [], from_trunk)
    y = sheet.tracks[skip.join]
    points = [start, (x0, start[1]), (x0, y), (x1, y), (x1, end[1]), end]
    band = sheet.stacks[b].bands[0].top
    pools: list[Point] = [(x1, band - 6 - 9 * (skip.pools - 1 - k)) for k in range(skip.pools)]
    return skip_svg(skip, points, sizes, sheet.columns[b].step, pools, from_trunk)
