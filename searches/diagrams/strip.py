"""Rows of more than 40: the many as ticks on an axis of accuracy; winner, parent, chosen and training in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from searches.diagrams.family import Generation, Member, Ramp
from searches.diagrams.nodes import Spot
from searches.diagrams.svg import number, path, text, text_width
from searches.diagrams.words import counted, percent

MOST_FULL = 4


class Measures(Protocol):
    """What a strip reads of the tree's grid."""

    @property
    def gutter(self) -> float: ...
    @property
    def area(self) -> float: ...
    @property
    def node_width(self) -> float: ...
    @property
    def node_height(self) -> float: ...


def strip_spots(
    row: Generation, top: float, grid: Measures, selected: int | None, above: Mapping[int, Spot]
) -> dict[int, Spot]:
    """Places at the right for the members that are drawn in full, by their index."""
    room = max(2, min(MOST_FULL, int(grid.area / 2 // (grid.node_width + 10))))
    telling = [m for m in row.members if m.on_path or m.id == selected or m.is_parent or m.state == "running"]
    telling.sort(key=lambda m: (not m.on_path, m.id != selected, not m.is_parent, m.index))
    full = sorted(telling[:room], key=lambda m: m.index)
    each, right = grid.node_width + 10, grid.gutter + grid.area
    spots = {}
    for k, m in enumerate(full):
        x, parent = right - each * (len(full) - k - 0.5), above.get(m.parent or -1)
        from_left = parent is not None and x > parent.x + 1
        spots[m.id] = Spot(x, top, grid.node_width, grid.node_height, from_left=from_left)
    return spots


def strip_svg(
    row: Generation, top: float, gutter: float, area: float, ramp: Ramp, spots: Mapping[int, Spot]
) -> list[str]:
    """Ticks of the members that have no place of their own; nothing where all have one."""
    rest = [m for m in row.members if m.id not in spots]
    if not rest:
        return []
    left = gutter + 8
    full = [spots[m.id].left for m in row.members if m.id in spots]
    right = min([*full, gutter + area]) - 22

    def x(m: Member) -> float:
        share = ((m.accuracy or 0.0) - ramp.low) / (ramp.high - ramp.low)
        return left + (right - left) * max(0.0, min(1.0, share))

    axis, done = top + 34, [m for m in rest if m.state == "done"]
    ticks = "".join(
        f"M{number(x(m))} {number(axis - 22)}v18" for m in sorted(done, key=lambda m: (m.accuracy or 0.0, m.index))
    )
    marks = [path(f"M{number(left)} {number(axis)}H{number(right)}", "strip-axis")]
    marks += [path(ticks, "strip-ticks")] if ticks else []
    marks.append(text(left, axis + 15, percent(ramp.low, 0), "strip-word"))
    marks.append(text(right, axis + 15, percent(ramp.high, 0), "strip-word", "end"))
    if text_width(_counts(rest)) + 2 * text_width("100 %") + 16 <= right - left:
        marks.append(text((left + right) / 2, axis + 15, _counts(rest), "strip-word", "middle"))
    return marks


def _counts(rest: list[Member]) -> str:
    n = {state: sum(m.state == state for m in rest) for state in ("done", "running", "pending", "failed")}
    words = {"done": "more", "running": "train", "pending": "wait", "failed": "failed"}
    said = [f"{n[state]} {words[state]}" for state in n if n[state]]
    return ", ".join(said) if len(said) > 1 or n["done"] else counted(len(rest), "more")
