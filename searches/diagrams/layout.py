"""How tall things are and where rows stand: one column of an architecture drawing from top to bottom. No markup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from searches.diagrams.parts import Row
from searches.diagrams.words import side_words

SMALLEST_BLOCK = 64.0
LABEL_HEIGHT = 16.0
"""Room above a band for its label, where no row stands between it and the band before."""


@dataclass(frozen=True)
class Sizes:
    """Heights and distances of one way of drawing, in px. `scale` is that of block widths."""

    heights: Mapping[str, float]
    block: Mapping[int, float]
    gap: float
    pad: float
    band_pad: float
    join: float
    first_lane: float
    lane_steps: tuple[float, ...]
    font: float
    pool: float
    scale: float = 1.0
    words: bool = True

    def height(self, row: Row) -> float:
        return self.block.get(row.kernel, self.block[3]) if row.is_block else self.heights[row.op]

    def block_width(self, channels: int) -> float:
        """80 px for 16 channels and 40 more for each doubling: widths are read on a log scale."""
        return self.scale * max(SMALLEST_BLOCK, 80 + 40 * (math.log2(channels) - 4))


NORMAL = Sizes(
    heights={"input": 28, "concat": 22, "mix": 22, "add": 22, "norm": 5, "max_pool": 20, "linear": 34},
    block={3: 30, 5: 38},
    gap=14, pad=8, band_pad=11, join=11, first_lane=20, lane_steps=(16, 12, 10), font=13, pool=104,
)  # fmt: skip
DENSE = Sizes(
    heights={"input": 24, "concat": 18, "mix": 18, "add": 18, "norm": 4, "max_pool": 18, "linear": 26},
    block={3: 22, 5: 28},
    gap=8, pad=7, band_pad=8, join=8, first_lane=12, lane_steps=(10, 8, 7), font=12, pool=92,
)  # fmt: skip
THUMBNAIL = Sizes(
    heights={"input": 10, "concat": 9, "mix": 9, "add": 9, "norm": 2, "max_pool": 8, "linear": 12},
    block={3: 12, 5: 17},
    gap=5, pad=2, band_pad=5, join=4.5, first_lane=8, lane_steps=(7, 5, 4, 3), font=12, pool=40, scale=0.5,
    words=False,
)  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """A row and where it stands."""

    row: Row
    top: float
    height: float

    @property
    def mid(self) -> float:
        return self.top + self.height / 2

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True)
class Band:
    """The ground behind rows of one resolution."""

    label: str
    top: float
    bottom: float


@dataclass(frozen=True)
class Stack:
    """Rows under one another, their bands, and the height they take."""

    placed: tuple[Placed, ...]
    bands: tuple[Band, ...]
    height: float

    def at(self, name: str) -> Placed:
        return next(p for p in self.placed if p.row.name == name)

    def has(self, name: str) -> bool:
        return any(p.row.name == name for p in self.placed)

    def moved(self, dy: float) -> Stack:
        return Stack(
            tuple(replace(p, top=p.top + dy) for p in self.placed),
            tuple(replace(b, top=b.top + dy, bottom=b.bottom + dy) for b in self.bands),
            self.height + dy,
        )


def stacked(rows: Sequence[Row], sizes: Sizes) -> Stack:
    """Rows top to bottom; consecutive rows of one resolution share a band."""
    y = sizes.pad
    placed: list[Placed] = []
    bands: list[Band] = []
    open_side: tuple[int, int] | None = None
    for row in rows:
        if placed and (row.in_band != placed[-1].row.in_band):
            y += sizes.pad
        elif placed and row.in_band and row.side != open_side:  # a convolution with a stride
            y += 2 * sizes.band_pad + (LABEL_HEIGHT if sizes.words else 0.0)
        here = Placed(row, y, sizes.height(row))
        placed.append(here)
        if row.in_band and row.side == open_side:
            bands[-1] = replace(bands[-1], bottom=here.bottom + sizes.band_pad)
        elif row.in_band:
            bands.append(Band(side_words(*row.side), y - sizes.band_pad, here.bottom + sizes.band_pad))
        open_side = row.side if row.in_band else None
        y = here.bottom + sizes.gap + (sizes.gap / 2 if row.op == "add" else 0.0)  # the next shortcut leaves there
    return Stack(tuple(placed), tuple(bands), y - sizes.gap + sizes.pad)
