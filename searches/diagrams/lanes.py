"""The lanes that skips run down beside the trunk: who takes which, and where each leaves its source. No markup.

A skip leaves its source at the side, runs down a lane and enters its join at the side; a lane is shared by
skips whose spans do not meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from searches.diagrams.layout import Placed, Sizes, Stack
from searches.diagrams.parts import Skip

LANE_MARGIN = 5.0
OUTSIDE = -1e6
"""The upper end of a lane that leaves the column at its top."""


@dataclass(frozen=True)
class Leg:
    """The stretch of a skip that runs down one column's lane, from `top` to `bottom`.

    `leaves`: where at its source it leaves (y), None where it comes from another column. `lane` counts from the
    trunk; None = no lane left, drawn as two stubs.
    """

    skip: Skip
    top: float
    bottom: float
    leaves: float | None
    lane: int | None = None

    @property
    def side(self) -> int:
        return self.skip.side

    @property
    def up(self) -> bool:
        """Whether it goes from its source up and out of the column."""
        return self.leaves is not None and self.top == OUTSIDE


def packed(spans: Sequence[tuple[float, float]], margin: float = LANE_MARGIN) -> list[int]:
    """A lane for each span, so that spans in one lane do not meet: short spans inside.

    Where that takes more lanes than overlap anywhere, the order of their beginnings, which is optimal, is taken.
    """
    by_length = sorted(range(len(spans)), key=lambda i: (spans[i][1] - spans[i][0], spans[i]))
    by_start = sorted(range(len(spans)), key=lambda i: spans[i])
    return min(
        (_first_fit(spans, order, margin) for order in (by_length, by_start)),
        key=lambda lanes: max(lanes, default=0),
    )


def _first_fit(spans: Sequence[tuple[float, float]], order: Sequence[int], margin: float) -> list[int]:
    lanes: list[list[tuple[float, float]]] = []
    chosen = [0] * len(spans)
    for i in order:
        top, bottom = spans[i]
        free = (k for k, taken in enumerate(lanes) if all(bottom + margin < a or top - margin > b for a, b in taken))
        chosen[i] = next(free, len(lanes))
        if chosen[i] == len(lanes):
            lanes.append([])
        lanes[chosen[i]].append((top, bottom))
    return chosen


def with_lanes(legs: Sequence[Leg]) -> list[Leg]:
    """The legs of one column, each on a lane of its side."""
    found: dict[int, Leg] = {}
    for side in (1, -1):
        mine = [i for i, leg in enumerate(legs) if leg.side == side]
        lanes = packed([(legs[i].top, legs[i].bottom) for i in mine])
        found |= {i: replace(legs[i], lane=lane) for i, lane in zip(mine, lanes, strict=True)}
    return [found[i] for i in range(len(legs))]


def leaving(at: Placed, sizes: Sizes) -> float:
    """Where a skip leaves its source: a block at its middle, a join from the trunk just below it."""
    return at.mid if at.row.is_block else at.bottom + sizes.gap / 2


def with_ports(legs: Sequence[Leg], stack: Stack, sizes: Sizes) -> list[Leg]:
    """Several skips that leave one block at one side leave it one below the other, in an order without crossings."""
    out = list(legs)
    for placed in stack.placed:
        for side in (1, -1):
            mine = [
                i
                for i, leg in enumerate(out)
                if leg.side == side and leg.skip.source == placed.row.name and leg.leaves is not None
            ]
            mine.sort(key=lambda i: (not out[i].up, (out[i].lane or 0) * (1 if out[i].up else -1)))
            room = placed.height - 9 if placed.row.is_block else sizes.gap - 3
            step = min(7.0, room / max(1, len(mine) - 1))
            for k, i in enumerate(mine):
                y = leaving(placed, sizes) + step * (k - (len(mine) - 1) / 2)
                out[i] = replace(out[i], leaves=y, bottom=y) if out[i].up else replace(out[i], leaves=y, top=y)
    return out
