"""The lineage tree of a search: a row for each step, children at their places, the winners' path strong.

A pure function of the search's snapshot: the same snapshot gives the same bytes. Places never change when
results arrive, and rows to come have their place from the beginning, so that nothing moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from searches.diagrams.family import Generation, Member, generations, ramp_of, span_of
from searches.diagrams.nodes import SQUARE, Spot, node_svg
from searches.diagrams.standalone import standalone_head
from searches.diagrams.strip import strip_spots, strip_svg
from searches.diagrams.svg import document, element, group, hexagon, number, path, rect, rounded_box, text
from searches.diagrams.words import percent

WIDE = 560
MOST_SQUARES = 40
MOST_FANNED = 12


@dataclass(frozen=True)
class Grid:
    """The measures that all rows share. `form`: "box", "square" or "strip"."""

    width: float
    gutter: float
    slots: int
    node_width: float
    node_height: float
    gap: float
    form: str

    @property
    def wide(self) -> bool:
        return self.gutter > 60

    @property
    def area(self) -> float:
        return self.width - self.gutter - (0 if self.wide else 6)

    @property
    def middle(self) -> float:
        return self.gutter + self.area / 2

    def slot_x(self, place: int) -> float:
        return self.gutter + self.area / self.slots * (place + 0.5)

    @property
    def pitch(self) -> float:
        return self.node_height + self.gap


def grid_for(width: float, slots: int) -> Grid:
    """Boxes while a slot is at least 52 px, squares to 40 a row, then strips. On a phone up to 12 scroll sideways."""
    wide = width >= WIDE
    gutter = 124.0 if wide else 40.0
    if not wide and 5 < slots <= 12:
        width = gutter + 6 + 74.0 * slots
    slot = (width - gutter - (0 if wide else 6)) / slots
    if slots > MOST_SQUARES:
        return Grid(width, gutter, slots, 82.0 if wide else 66.0, 54.0, 36.0, "strip")
    if slot < 52:
        gutter = max(gutter, 54.0)  # the number over a square is wider than the square
        width = max(width, gutter + 6 + 20.0 * slots)
        return Grid(width, gutter, slots, SQUARE, 46.0, 32.0, "square")
    if slot < 70:
        return Grid(width, gutter, slots, slot - 6, 34.0, 38.0, "box")
    return Grid(width, gutter, slots, min(132.0, slot - (14 if slot > 80 else 8)), 54.0, 44.0, "box")


def lineage_svg(
    snapshot: Mapping[str, Any],
    *,
    width: float = 896,
    selected: int | None = None,
    standalone: bool = False,
) -> str:
    """The tree as an SVG laid out for `width` px (under 560 as on a phone, maybe wider, to scroll sideways).

    `snapshot`: what selectors.snapshot returns; read are config, status and candidates. `selected`: the id of
    the chosen candidate. `standalone`: with its own light style sheet, for a file looked at by itself.
    """
    rows = generations(snapshot)
    grid = grid_for(width, max(1, int(snapshot["config"]["n_neigh"])))
    tops = [26.0 + grid.pitch * i for i in range(len(rows))]
    spots = _spots(rows, tops, grid, selected)
    members = [m for row in rows for m in row.members if m.id in spots]
    span, ramp = span_of(rows), ramp_of(snapshot)
    stop = _tab_stop(members, snapshot.get("best"), selected)
    body = [*_grounds(rows, tops, grid), *_links(rows, tops, grid, spots), *_ghosts(rows, tops, grid)]
    for level, (row, top) in enumerate(zip(rows, tops, strict=True), start=1):
        body.append(_label(row, top, grid))
        if row.members:
            nodes = [
                node_svg(m, spots[m.id], level, selected=m.id == selected, tab_stop=m.id == stop)
                for m in row.members
                if m.id in spots
            ]
            strip = strip_svg(row, top, grid.gutter, grid.area, span, spots)
            body.append(group(*strip, *nodes, role="group", aria_label=row.label))
    return document(
        grid.width,
        tops[-1] + grid.node_height + 16,
        [*(standalone_head() if standalone else []), *body],
        class_="tree" if grid.wide else "tree narrow",
        role="tree",
        data_ramp_low=percent(ramp.low, 0),
        data_ramp_high=percent(ramp.high, 0),
        aria_label="Lineage: a row for each step; arrow keys choose a network, Enter opens it",
    )


def _tab_stop(members: Sequence[Member], best: int | None, selected: int | None) -> int | None:
    """The one node that Tab reaches: the chosen one, else the best, else the first."""
    ids = [m.id for m in members]
    return next((i for i in (selected, best) if i in ids), ids[0] if ids else None)


def _spots(rows: Sequence[Generation], tops: Sequence[float], grid: Grid, selected: int | None) -> dict[int, Spot]:
    spots: dict[int, Spot] = {}
    for row, top in zip(rows, tops, strict=True):
        if row.kind == "neighbour" and grid.form == "strip":
            spots |= strip_spots(row, top, grid, selected, spots)
            continue
        for m in row.members:
            if row.kind == "final":
                spots[m.id] = Spot(grid.middle, top + 5, _final_width(grid), grid.node_height - 10, "bar")
            elif row.kind == "pretrain":
                full = max(grid.node_width, min(132.0, grid.area / 3)) if grid.wide else max(grid.node_width, 74.0)
                spots[m.id] = Spot(grid.middle, top, full, min(54.0, grid.node_height + 8))
            elif grid.form == "square":
                spots[m.id] = Spot(grid.slot_x(m.place), top + 22, SQUARE, SQUARE, "square")
            else:
                x, parent = grid.slot_x(m.place), spots.get(m.parent or -1)
                from_left = parent is not None and x > parent.x + 1
                spots[m.id] = Spot(x, top, grid.node_width, grid.node_height, from_left=from_left)
    return spots


def _final_width(grid: Grid) -> float:
    if grid.form != "box":
        return grid.area - 16
    return max(grid.area - (grid.area / grid.slots - grid.node_width), min(grid.area - 16, 520))


def _label(row: Generation, top: float, grid: Grid) -> str:
    middle = top + grid.node_height / 2
    faint = "" if row.members else " faint"
    if grid.wide:
        lines = [text(14, middle - 3, row.label, f"row-label{faint}")]
        lines += [text(14, middle + 14, row.note, "row-note")] if row.note else []
        return group(*lines)
    first, second = row.short
    if not second:
        return text(2, middle + 4, first, f"row-short{faint}")
    return group(text(2, middle - 3, first, "row-note"), text(2, middle + 13, second, f"row-short{faint}"))


def _grounds(rows: Sequence[Generation], tops: Sequence[float], grid: Grid) -> list[str]:
    """The tinted ground of the open row."""
    open_row = next((i for i, row in enumerate(rows) if row.is_open), None)
    if open_row is None:
        return []
    return [rect(0, tops[open_row] - 23, grid.width, grid.node_height + 37, "row-now", 10)]


def _ghosts(rows: Sequence[Generation], tops: Sequence[float], grid: Grid) -> list[str]:
    """Rows to come: the outlines of their places."""
    out = []
    for row, top in zip(rows, tops, strict=True):
        if row.members:
            continue
        if row.kind == "neighbour" and grid.form != "strip":
            out.append(path("".join(_outline(j, top, grid) for j in range(grid.slots)), "ghost"))
        else:
            out.append(
                rect(
                    grid.middle - _final_width(grid) / 2,
                    top + 5,
                    _final_width(grid),
                    grid.node_height - 10,
                    "ghost",
                    8,
                )
            )
            out.append(
                text(grid.middle, top + grid.node_height / 2 + 4.5, _to_come(row, grid), "ghost-word", "middle")
            )
    return out


def _to_come(row: Generation, grid: Grid) -> str:
    if row.kind == "final":
        return (
            "the winner, on training + validation set; then the test set, once"
            if grid.wide
            else "train + validation, then test"
        )
    return f"{row.steps} steps of {grid.slots}" if row.kind == "rest" else f"{grid.slots} trainings"


def _outline(place: int, top: float, grid: Grid) -> str:
    w, h = grid.node_width, grid.node_height
    y = top
    if grid.form == "square":
        h, y = SQUARE, top + 22
    x = grid.slot_x(place) - w / 2
    is_parent = place == grid.slots - 1 and grid.slots > 1
    return hexagon(x, y, w, h) if is_parent else rounded_box(x, y, w, h)


# ------------------------------------------------------------------ links


def _links(rows: Sequence[Generation], tops: Sequence[float], grid: Grid, spots: Mapping[int, Spot]) -> list[str]:
    """From each parent's foot to its children's heads; the path of winners last, over all others."""
    quiet: list[str] = []
    strong: list[str] = []
    heir: Spot | None = None
    for row, top in zip(rows, tops, strict=True):
        if not row.members:
            if row.kind == "neighbour" and heir is not None and grid.slots <= MOST_FANNED:
                heads = [(grid.slot_x(j), top + (22 if grid.form == "square" else 0)) for j in range(grid.slots)]
                quiet.append(path("".join(_curve(heir, x, y) for x, y in heads), "link-wait"))
            elif heir is not None:
                quiet.append(path(_curve(heir, heir.x, top + 5), "link-wait"))
            heir = None
            continue
        for m in row.members:
            parent, here = spots.get(m.parent or -1), spots.get(m.id)
            if parent is None or here is None or (m.state == "pending" and grid.slots > MOST_FANNED):
                continue
            x = parent.x if here.form == "bar" else here.x
            d = _curve(parent, x, here.y)
            class_ = _link_class(m)
            (strong if class_ in ("link-win", "link-lead") else quiet).append(
                element("path", class_=class_, d=d, data_to=m.id)
            )
        if row.kind != "final":  # what follows an earlier final training descends from the step before it
            heir = spots.get(row.heir.id) if row.heir else None
    return quiet + strong


def _link_class(member: Member) -> str:
    if member.wins or member.kind == "final":
        return "link-win"
    if member.leads:
        return "link-lead"
    return "link-wait" if member.state == "pending" else "link"


def _curve(parent: Spot, x: float, y: float) -> str:
    start = f"M{number(parent.x)} {number(parent.foot)}"
    if abs(parent.x - x) < 1:
        return f"{start}V{number(y)}"
    bend = 0.6 * (y - parent.foot)
    leaves, arrives = f"{number(parent.x)} {number(parent.foot + bend)}", f"{number(x)} {number(parent.foot)}"
    return f"{start}C{leaves} {arrives} {number(x)} {number(y)}"
