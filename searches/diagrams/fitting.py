"""Who gets a column's width: names at the left, lanes, the trunk's blocks, parameters at the right. No markup."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from searches.diagrams.lanes import Leg
from searches.diagrams.layout import SMALLEST_BLOCK, Sizes, Stack
from searches.diagrams.parts import Row, Skip
from searches.diagrams.svg import Point, text_width
from searches.diagrams.words import short


@dataclass(frozen=True)
class Column:
    """The horizontal measures of one column: its left edge and width, the trunk, lanes and the two text columns."""

    x: float
    width: float
    centre: float
    half: float
    first_lane: float
    step: float
    show_parameters: bool
    block_width: Callable[[int], float] = field(compare=False)

    def lane_x(self, leg: Leg) -> float:
        return self.centre + leg.side * (self.half + self.first_lane + self.step * (leg.lane or 0))

    @property
    def left(self) -> float:
        return self.x + 12

    @property
    def right(self) -> float:
        return self.x + self.width - 12


def label_width(row: Row, sizes: Sizes) -> float:
    return text_width(row.label, sizes.font, bold=True) + 10


def name_width(stack: Stack) -> float:
    """The widest name or band label."""
    names = [text_width(p.row.name) for p in stack.placed]
    return max([*names, *(text_width(band.label, bold=True) for band in stack.bands)])


def fitted(stack: Stack, legs: Sequence[Leg], sizes: Sizes, x: float, width: float) -> tuple[Column, list[Leg]]:
    """Shares a column's width among names, lanes, blocks and parameters.

    Gives way in this order: closer lanes, no room kept for tags, narrower blocks, no parameters; then lanes
    beyond what is left are given up, outermost first (their skips are drawn as stubs).
    """
    blocks = [p.row for p in stack.placed if p.row.is_block]
    widest, floor = _block_needs(stack, legs, sizes)
    n = _lane_counts(legs)
    for step, names, parameters, wanted in _compromises(stack, sizes, n, widest, floor):
        lanes = {side: _lanes_width(k, step, sizes) for side, k in n.items()}
        room = width - names - parameters - lanes[1] - lanes[-1]
        if room >= wanted:
            break
    else:
        legs, lanes, room = _given_up(legs, sizes, step, width - names - parameters, floor)
    trunk = min(max(widest, sizes.pool), room)
    spare = room - trunk
    left = x + names + lanes[-1] + trunk / 2
    centre = min(max(x + width / 2, left), left + spare)
    block_width = _narrowed(blocks, sizes, min(widest, trunk), floor)
    return Column(x, width, centre, trunk / 2, sizes.first_lane, step, parameters > 12, block_width), list(legs)


def shared_widths(columns: Sequence[tuple[Stack, Sequence[Leg]]], sizes: Sizes, width: float) -> list[float]:
    """Widths for columns side by side: first what each needs at its narrowest, the rest by what it would like."""
    least: list[float] = []
    liked: list[float] = []
    for stack, legs in columns:
        widest, floor = _block_needs(stack, legs, sizes)
        n = _lane_counts(legs)
        compromises = _compromises(stack, sizes, n, widest, floor)
        for found, (step, names, parameters, wanted) in ((least, compromises[-2]), (liked, compromises[0])):
            found.append(names + parameters + wanted + sum(_lanes_width(k, step, sizes) for k in n.values()))
    if sum(least) >= width:
        return [width * need / sum(least) for need in least]
    spare = (width - sum(least)) / max(1e-9, sum(liked) - sum(least))
    return [low + (high - low) * spare for low, high in zip(least, liked, strict=True)]


def _block_needs(stack: Stack, legs: Sequence[Leg], sizes: Sizes) -> tuple[float, float]:
    """Width of the widest block, and the least at which labels, pools and projections have room."""
    blocks = [p.row for p in stack.placed if p.row.is_block]
    widest = max((sizes.block_width(r.channels) for r in blocks), default=sizes.scale * SMALLEST_BLOCK)
    if not sizes.words:
        return widest, max(widest / 2, sizes.pool * 0.8)
    floor = max([sizes.pool * 0.8, *(label_width(r, sizes) for r in blocks)])
    return widest, max(floor, 86.0) if any(leg.skip.projection for leg in legs) else floor


def _lane_counts(legs: Sequence[Leg]) -> dict[int, int]:
    return {
        side: 1 + max((leg.lane for leg in legs if leg.side == side and leg.lane is not None), default=-1)
        for side in (1, -1)
    }


def _lanes_width(n: int, step: float, sizes: Sizes) -> float:
    return sizes.first_lane + step * (n - 1) + 7 if n else 5.0


def _compromises(
    stack: Stack, sizes: Sizes, n: Mapping[int, int], widest: float, floor: float
) -> list[tuple[float, float, float, float]]:
    """(lane step, name column, parameter column, least width for blocks), best first."""
    if not sizes.words:
        return [(step, 2, 2, wanted) for wanted in (widest, floor) for step in sizes.lane_steps]
    names = 12 + name_width(stack) + 8
    tagged = max([names, *(12 + text_width(p.row.name) + 6 + tag_width(p.row) + 8 for p in stack.placed)])
    parameters = 12 + 8 + max((text_width(short(p.row.parameters)) for p in stack.placed), default=0)
    steps = [s for s in sizes.lane_steps if (max(n.values()) < 3 or s <= 10)]
    comfortable = max(min(widest, 120.0), floor)
    stages = [(tagged, widest), (tagged, max(0.75 * widest, floor)), (tagged, comfortable), (names, comfortable)]
    out = [(step, room, parameters, wanted) for room, wanted in stages for step in steps if step >= 8]
    out += [(step, names, parameters, floor) for step in steps]
    return [*out, (steps[-1], names, 12.0, floor)]


def tag_width(row: Row) -> float:
    tag = tag_of(row)
    return text_width(tag, bold=True) if tag and row.op == "conv" else 0.0


def tag_of(row: Row) -> str:
    """new, or by what a block was widened."""
    if row.is_new:
        return "new"
    if row.is_widened and row.old_channels:
        return f"×{row.channels / row.old_channels:g}"
    return ""


def _given_up(
    legs: Sequence[Leg], sizes: Sizes, step: float, room: float, floor: float
) -> tuple[list[Leg], dict[int, float], float]:
    """Keeps the inner lanes that fit and takes the lane from the legs of the others."""
    each = (room - floor) / 2 - sizes.first_lane - 7
    most = max(0, 1 + math.floor(each / step))
    kept = [replace(leg, lane=None) if (leg.lane or 0) >= most else leg for leg in legs]
    lanes = {side: max(_lanes_width(k, step, sizes), 22.0) for side, k in _lane_counts(kept).items()}
    return kept, lanes, room - sum(lanes.values())


def _narrowed(blocks: Sequence[Row], sizes: Sizes, widest: float, floor: float) -> Callable[[int], float]:
    """Block widths by channels, squeezed into at most `widest` so that wider stays wider and labels fit."""
    spec = sizes.block_width
    high = max((spec(r.channels) for r in blocks), default=widest)
    low = min((spec(r.channels) for r in blocks), default=widest)
    if high <= widest:
        return lambda channels: max(spec(channels), min(floor, widest))
    bottom = min(widest, max(min(floor, low), low * widest / high))
    slope = (widest - bottom) / (high - low) if high > low else 0.0
    return lambda channels: min(widest, max(bottom * 0.6, bottom + slope * (spec(channels) - low)))


# ------------------------------------------------------------------ points on it


def source_end(leg: Leg, stack: Stack, column: Column) -> Point:
    """Where a skip leaves its source: at a block's side, or from the trunk below a join."""
    source = stack.at(leg.skip.source)
    edge = column.block_width(source.row.channels) / 2 if source.row.is_block else 0.0
    return column.centre + leg.side * edge, leg.leaves if leg.leaves is not None else source.mid


def join_end(skip: Skip, stack: Stack, column: Column, sizes: Sizes) -> Point:
    """Where a skip enters its join."""
    return column.centre + skip.side * (sizes.join + 1), stack.at(skip.join).mid


def passing(legs: Sequence[Leg], column: Column, side: int, top: float, bottom: float) -> list[float]:
    """x of the lanes of one side that pass these heights, the one next to the trunk first."""
    lanes = {
        column.lane_x(leg)
        for leg in legs
        if leg.side == side and leg.lane is not None and leg.top <= bottom and leg.bottom >= top
    }
    return sorted(lanes, key=lambda x: abs(x - column.centre))
