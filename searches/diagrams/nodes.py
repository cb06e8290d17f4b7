"""One training of the lineage tree as SVG: its form says what it is, its fill how good, its words the rest.

Child: rounded box; the parent's own slot: hexagon; winner: strong edge and tick; leader of an open step: dashed
edge and "leads"; training: accent edge and bar; waiting: dotted; failed: red, cross and a word.
"""

from __future__ import annotations

from dataclasses import dataclass

from searches.diagrams.family import Member
from searches.diagrams.glyphs import MORPHISM_GLYPHS, glyph
from searches.diagrams.svg import element, hexagon, path, rect, text, text_width
from searches.diagrams.words import percent, short

SQUARE = 16.0
PAD = 5.0
LEADS_WIDTH = 48.0


@dataclass(frozen=True)
class Spot:
    """Where a node stands: the middle of its head and its size; `form` "box", "square" or "bar".

    `from_left`: whether its link comes from the left, so that its code stands at the right, clear of the link.
    """

    x: float
    y: float
    width: float
    height: float
    form: str = "box"
    from_left: bool = False

    @property
    def foot(self) -> float:
        return self.y + self.height

    @property
    def left(self) -> float:
        return self.x - self.width / 2


def node_svg(member: Member, spot: Spot, level: int, *, selected: bool, tab_stop: bool) -> str:
    """A node as a tree item; its accessible name begins with what is seen."""
    shape = "hexagon" if member.is_parent else "box"
    marks = [_outline(spot, shape, 4.5, "ring"), _outline(spot, shape, 0, "shape")]
    inside = {"square": _square, "bar": _bar}.get(spot.form, _box)(member, spot)
    seen = " ".join(words for words, _ in inside if words)
    marks += [mark for _, mark in inside]
    return element(
        "g",
        " ".join(marks),
        id=f"node-{member.id}",
        class_=_classes(member, spot, selected),
        role="treeitem",
        aria_level=level,
        aria_selected="true" if selected else "false",
        aria_label=f"{seen}. {member.told}" if seen else member.told,
        tabindex=0 if tab_stop else -1,
        data_candidate=member.id,
        data_step=member.step,
        data_index=member.index,
        data_epochs=member.epochs,
        data_url=member.url or None,
    )


def _classes(member: Member, spot: Spot, selected: bool) -> str:
    flags = {
        f"acc-{member.ramp}": member.state == "done" and member.kind != "final",
        "is-parent": member.is_parent,
        "is-win": member.wins and member.kind != "final",
        "is-lead": member.leads,
        "is-final": member.kind == "final",
        "is-small": spot.form == "square",
        "is-chosen": selected,
    }
    return " ".join(["node", member.state, *(name for name, on in flags.items() if on)])


def _outline(spot: Spot, shape: str, grow: float, class_: str) -> str:
    x, y, w, h = spot.left - grow, spot.y - grow, spot.width + 2 * grow, spot.height + 2 * grow
    if shape != "hexagon":
        radius = 3.0 if spot.form == "square" else 8.0
        return rect(x, y, w, h, class_, radius + grow)
    return path(hexagon(x, y, w, h), class_)


Marks = list[tuple[str, str]]
"""(what is read there, markup) in the order of reading."""


def _words(x: float, y: float, words: str, class_: str, anchor: str = "middle") -> tuple[str, str]:
    return words, text(x, y, words, class_, anchor)


# ------------------------------------------------------------------ the box


def _box(member: Member, spot: Spot) -> Marks:
    inner = spot.width - 2 * PAD - (10 if member.is_parent else 0)
    tall = spot.height >= 48
    marks: Marks = []
    if tall and member.kind == "neighbour":
        marks += _code(member, spot)
    if member.state == "running":
        marks += _running(member, spot, inner, tall)
    elif member.state == "failed":
        marks += _failed(member, spot, inner, tall)
    else:
        done = member.state == "done" and member.accuracy is not None
        words, size = _accuracy(member, inner) if done else (member.word, "val waits" if tall else "val small")
        marks.append(_words(spot.x, spot.y + (23 if tall else spot.height / 2 + 4.5), words, size))
        if tall:
            marks += _second_line(member, spot, inner, spot.y + 42)
    return marks + _badge(member, spot)


def _code(member: Member, spot: Spot) -> Marks:
    """The short name over a corner of the box, at the side where no link comes in; not where a badge needs it."""
    taken = text_width(member.code) + (20 if member.wins else 0)
    room = spot.width - LEADS_WIDTH - 10 if member.leads else spot.width / 2 - 2
    if (member.leads or (member.wins and spot.from_left)) and taken > room:
        return []
    cut = 9 if member.is_parent else 1
    if spot.from_left:
        return [_words(spot.left + spot.width - max(cut, 17 * member.wins), spot.y - 8, member.code, "code", "end")]
    return [_words(spot.left + cut, spot.y - 8, member.code, "code", "start")]


def _accuracy(member: Member, inner: float) -> tuple[str, str]:
    """The accuracy as exactly as there is room for."""
    assert member.accuracy is not None
    exact, rounded = percent(member.accuracy), percent(member.accuracy, 1)
    inner += 6 if member.is_parent else 0
    for words, size, class_ in ((exact, 16, "val"), (rounded, 16, "val"), (rounded, 14, "val mid")):
        if text_width(words, size, bold=True) <= inner + 5:
            return words, class_
    return f"{100 * member.accuracy:.1f}", "val mid"


def _second_line(member: Member, spot: Spot, inner: float, base: float) -> Marks:
    """Morphisms in the order drawn and parameters; the parent's own slot and model_0 say so in words."""
    size = short(member.n_parameters)
    if member.morphisms:
        return _morphisms(member, spot, inner, base)
    name = "parent" if member.is_parent else "model_0" if member.kind == "pretrain" else "no morphism"
    for words in (f"{name} · {size}", name, size):
        if text_width(words) <= inner + 2:
            return [_words(spot.x, base, words, "sub")]
    return []


def _morphisms(member: Member, spot: Spot, inner: float, base: float) -> Marks:
    """Glyphs one by one with the parameters, one by one, or each kind once with its number: what fits first.

    Never some of them: where the kinds do not fit there are none.
    """
    each = [(kind, 1) for kind in member.morphisms]
    kinds = [*MORPHISM_GLYPHS, *sorted(set(member.morphisms) - set(MORPHISM_GLYPHS))]
    counted = [(kind, member.morphisms.count(kind)) for kind in kinds if kind in member.morphisms]
    once = [(kind, 1) for kind, _ in counted]
    size = short(member.n_parameters)
    tries = ((each, 4, size), (each, 4, ""), (counted, 4, ""), (counted, 1, ""), (once, 1, ""))
    for items, gap, label in tries:
        label_width = text_width(label) + 6 if label else 0.0
        total = sum(13 + (8 if n > 1 else 0) for _, n in items) + gap * (len(items) - 1) + label_width
        if total <= inner + 2:
            break
    else:
        return []
    x = spot.x - total / 2
    marks: Marks = []
    for kind, n in items:
        marks.append(("", glyph(kind, x, base - 10, 13)))
        x += 13
        if n > 1:
            marks.append(_words(x + 0.5, base + 0.5, str(n), "sub", "start"))
            x += 8
        x += gap
    if label:
        marks.append(_words(x - gap + 6, base + 0.5, label, "sub", "start"))
    return marks


def _running(member: Member, spot: Spot, inner: float, tall: bool) -> Marks:
    now = f"{member.epoch_now} of {member.epochs}"
    tries = (f"epoch {now}", now, now.replace(" of ", "/"))
    words = next((w for w in tries if text_width(w, 13, bold=True) <= inner + 6), tries[-1])
    y = spot.y + (20 if tall else 16)
    marks = [_words(spot.x, y, words, "val run")]
    marks += [("", bar) for bar in progress(member, spot.x - inner / 2 + 2, y + 7, inner - 4)]
    return marks + (_second_line(member, spot, inner, spot.y + 45.5) if tall else [])


def progress(member: Member, x: float, y: float, width: float) -> list[str]:
    """The bar of a training: how much of its epochs is behind it."""
    share = min(1.0, member.epoch / member.epochs) if member.epochs else 0.0
    return [rect(x, y, width, 4, "run-track", 2), rect(x, y, width * share, 4, "run-fill", 2)]


def _failed(member: Member, spot: Spot, inner: float, tall: bool) -> Marks:
    words = member.word if text_width(member.word) <= inner + 4 else member.word.split()[-1]
    sign = "dash" if member.word == "stopped" else "cross"
    if tall:
        return [("", glyph(sign, spot.x - 6.5, spot.y + 10, 13, "x")), _words(spot.x, spot.y + 42, words, "val sub")]
    middle = spot.y + spot.height / 2
    if text_width(words) > inner + 4:
        return [("", glyph(sign, spot.x - 6.5, middle - 6.5, 13, "x"))]
    return [_words(spot.x, middle + 4, words, "val sub")]


def _badge(member: Member, spot: Spot) -> Marks:
    if member.wins:
        x, y = spot.left + spot.width - 3, spot.y + 3
        circle = element("circle", class_="badge-win", cx=float(x), cy=float(y), r=9)
        return [("", circle), ("", glyph("check", x - 5, y - 5, 10, "on-badge"))]
    if member.leads:
        room = spot.width - LEADS_WIDTH
        inset = min(6.0, room / 2)
        x = spot.left + (inset if spot.from_left else room - inset)
        return [
            ("", rect(x, spot.y - 13, LEADS_WIDTH, 18, "badge-lead", 9)),
            _words(x + LEADS_WIDTH / 2, spot.y + 0.2, "leads", "badge-word"),
        ]
    return []


# ------------------------------------------------------------------ the square and the final bar


def _square(member: Member, spot: Spot) -> Marks:
    """A small square: the number stands over it, of all but the winner only while it is looked at."""
    marks: Marks = []
    if member.state == "running":
        marks += [("", bar) for bar in progress(member, spot.left + 3, spot.y + 6, spot.width - 6)]
        words = f"{member.epoch_now} of {member.epochs}"
    elif member.state == "failed":
        marks.append(("", glyph("cross", spot.x - 5, spot.y + 3, 10, "x")))
        words = member.word
    else:
        words = percent(member.accuracy) if member.accuracy is not None else member.word
    always = "" if member.on_path else " on-focus"
    return [*marks, _words(spot.x, spot.y - 7, words, f"val over{always}")]


def _bar(member: Member, spot: Spot) -> Marks:
    """The final training: as wide as the row, its words beside one another."""
    y = spot.y + spot.height / 2 + 4.5
    if member.state == "running":
        wide = spot.width > 500
        words = f"{'training + validation set, ' if wide else ''}epoch {member.epoch_now} of {member.epochs}"
        bars = progress(member, spot.left + 16, y + 6, spot.width - 32)
        return [_words(spot.x, y - 4, words, "val run"), *(("", bar) for bar in bars)]
    if member.state == "done" and member.accuracy is not None:
        words = f"{percent(member.accuracy)} test accuracy"
        if spot.width > 420:
            words += f" · {percent(1 - member.accuracy)} error · {short(member.n_parameters)} parameters"
        return [_words(spot.x, y, words, "val mid")]
    if member.state == "failed":
        return [("", glyph("cross", spot.left + 16, y - 11, 13, "x")), _words(spot.x, y, member.word, "val sub")]
    return [_words(spot.x, y, member.word or "ended", "val waits")]
