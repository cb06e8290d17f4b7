"""A search's snapshot read as a family: a row for each step, who won, who leads, what is to come. No markup."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from searches.diagrams.words import counted, duration, morphism_words, percent

FAILED = ("too_big", "diverged", "failed", "cancelled")
MOST_GHOSTS = 8
RAMP_STEPS = 7
Rows = dict[tuple[str, int], list[Mapping[str, Any]]]
"""The trainings of Algorithm 1 by kind and step."""


@dataclass(frozen=True)
class Member:
    """One training as the tree shows it. `place` is its slot, 0-based; the parent's own slot is the last."""

    id: int
    kind: str
    code: str
    step: int
    index: int
    parent: int | None
    url: str
    state: str
    word: str
    epoch: float
    epochs: int
    accuracy: float | None
    n_parameters: int
    morphisms: tuple[str, ...]
    told: str
    place: int
    is_parent: bool
    wins: bool = False
    leads: bool = False
    measure: float | None = None
    ramp: int = 1

    @property
    def epoch_now(self) -> int:
        """The epoch it is in, from 1."""
        return max(1, min(self.epochs, math.floor(self.epoch) + 1))

    @property
    def on_path(self) -> bool:
        return self.wins or self.leads


@dataclass(frozen=True)
class Generation:
    """A row: pretraining, a step or the final training. Without members it is to come."""

    kind: str
    label: str
    note: str
    short: tuple[str, str]
    members: tuple[Member, ...]
    is_open: bool = False
    steps: int = 1

    @property
    def heir(self) -> Member | None:
        """Whom the next row descends from: the winner, or the leader of an open row."""
        return next((m for m in self.members if m.on_path), None)


@dataclass(frozen=True)
class Ramp:
    """The seven steps of the accuracy ramp between two whole per cents, as fractions."""

    low: float
    high: float

    def step(self, accuracy: float) -> int:
        share = (accuracy - self.low) / (self.high - self.low)
        return 1 + max(0, min(RAMP_STEPS - 1, math.floor(RAMP_STEPS * share)))


def ramp_of(snapshot: Mapping[str, Any]) -> Ramp:
    """Whole per cents around the validation accuracies of the rows that are decided.

    Before the first step is decided, around all there are: so it moves only while there is little to compare.
    """
    done = [c for c in _candidates(snapshot) if c["status"] == "done" and c["val_accuracy"] is not None]
    decided_steps = {c["step"] for c in done if c["winner"]}
    decided = [c for c in done if c["kind"] == "pretrain" or c["step"] in decided_steps]
    return _whole_per_cents([c["val_accuracy"] for c in (decided if decided_steps - {0} else done)])


def span_of(rows: Sequence[Generation]) -> Ramp:
    """Whole per cents around every accuracy of the steps, open ones too."""
    found = [m.accuracy for row in rows if row.kind == "neighbour" for m in row.members if m.accuracy is not None]
    return _whole_per_cents(found)


def _whole_per_cents(accuracies: Sequence[float]) -> Ramp:
    if not accuracies:
        return Ramp(0.0, 1.0)
    low = min(99, math.floor(100 * min(accuracies) + 1e-9))  # the high end is never above 100
    high = math.ceil(100 * max(accuracies) - 1e-9)
    return Ramp(low / 100, max(high, low + 1) / 100)


def generations(snapshot: Mapping[str, Any]) -> list[Generation]:
    """Rows from the pretraining down to the final training, those to come included."""
    config, ramp = snapshot["config"], ramp_of(snapshot)
    candidates = _by_row(snapshot)
    ended = snapshot.get("status") in ("finished", "failed", "stopped")
    rows = [_row("pretrain", 0, candidates, config, ramp, ended)]
    n_steps = int(config["n_steps"])
    steps = [_row("neighbour", step, candidates, config, ramp, ended) for step in range(1, n_steps + 1)]
    n_known = sum(bool(row.members) for row in steps)
    known, to_come = _with_earlier_finals(steps[:n_known], candidates, config, ramp), steps[n_known:]
    final = _row("final", n_steps, candidates, config, ramp, ended)
    if ended:
        return [*rows, *known, *([final] if final.members else [])]
    return [*rows, *known, *_shortened(to_come, n_known), final]


def _with_earlier_finals(
    steps: Sequence[Generation], candidates: Rows, config: Mapping[str, Any], ramp: Ramp
) -> list[Generation]:
    """Behind each step the final training that came after it, where the search was extended then."""
    rows: list[Generation] = []
    for step, row in enumerate(steps, start=1):
        final = _row("final", step, candidates, config, ramp, ended=True)
        earlier = final.members and step < int(config["n_steps"])
        named = replace(final, label=f"Final, {counted(step, 'step')}")
        rows += [row, named] if earlier else [row]
    return rows


def _shortened(to_come: Sequence[Generation], n_known: int) -> list[Generation]:
    """All rows to come where the whole tree has at most MOST_GHOSTS steps; else the next, and one for the rest."""
    if n_known + len(to_come) <= MOST_GHOSTS or len(to_come) < 3:
        return list(to_come)
    first, last = to_come[1].short[1], to_come[-1].short[1]
    rest = Generation(
        "rest", f"Steps {first} to {last}", "to come", ("step", f"{first}–{last}"), (), steps=len(to_come) - 1
    )
    return [to_come[0], rest]


def _candidates(snapshot: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [c for c in snapshot["candidates"] if c["kind"] in ("pretrain", "neighbour", "final")]


def _by_row(snapshot: Mapping[str, Any]) -> Rows:
    rows: Rows = defaultdict(list)
    for c in _candidates(snapshot):
        rows[c["kind"], c["step"]].append(c)
    return rows


def _row(
    kind: str, step: int, candidates: Rows, config: Mapping[str, Any], ramp: Ramp, ended: bool
) -> Generation:
    mine = sorted(candidates.get((kind, step), ()), key=lambda c: int(c["index"]))
    members = _with_heir([_member(c, config, ramp) for c in mine], decided=any(c["winner"] for c in mine))
    label, short = {
        "pretrain": ("Pretraining", ("Pre", "")),
        "final": ("Final training", ("Final", "")),
    }.get(kind, (f"Step {step}", ("step", str(step))))
    busy = any(m.state in ("running", "pending") for m in members)
    open_row = busy and not ended
    note = _note(kind, members, config, sum(c["seconds"] or 0.0 for c in mine))
    return Generation(kind, label, note, short, tuple(members), open_row)


def _with_heir(members: list[Member], *, decided: bool) -> list[Member]:
    """Marks the winner of a decided row, else the leader: the best so far, ties to the parent, then the lower j."""
    done = [m for m in members if m.state == "done" and m.accuracy is not None]
    if decided or not done or members[0].kind == "final":
        return members
    if members[0].kind == "pretrain":
        return [replace(m, wins=True) for m in members]
    best = max(done, key=lambda m: (m.measure or 0.0, m.is_parent, -m.index))
    return [replace(m, leads=m is best) for m in members]


def _member(c: Mapping[str, Any], config: Mapping[str, Any], ramp: Ramp) -> Member:
    kind, accuracy = c["kind"], c["val_accuracy"] if c["kind"] != "final" else c["test_accuracy"]
    n_neigh = int(config["n_neigh"])
    is_parent = kind == "neighbour" and not c["morphisms"] and c["index"] == n_neigh and n_neigh > 1
    state = "failed" if c["status"] in FAILED else c["status"]
    return Member(
        id=c["id"],
        kind=kind,
        code=c["code"],
        step=c["step"],
        index=c["index"],
        parent=c["parent"],
        url=c.get("url") or "",
        state=state,
        word=_word(c),
        epoch=float(c["epoch"] or 0),
        epochs=int(c["epochs"]),
        accuracy=accuracy if state == "done" else None,
        n_parameters=int(c["n_parameters"]),
        morphisms=tuple(str(m["kind"]) for m in c["morphisms"]),
        told=_told(c, is_parent),
        place=max(0, int(c["index"]) - 1),
        is_parent=is_parent,
        wins=bool(c["winner"]),
        measure=c.get("val_balanced") if config.get("selection") == "balanced" else accuracy,
        ramp=ramp.step(accuracy) if kind != "final" and accuracy is not None else 1,
    )


def _word(c: Mapping[str, Any]) -> str:
    """One or two words for a training without a result."""
    if c["status"] == "failed" and c.get("seal") and not c["seal"].get("holds", True):
        return "seal broken"
    return {
        "pending": "waits",
        "too_big": "too big",
        "diverged": "diverged",
        "failed": "failed",
        "cancelled": "stopped",
    }.get(c["status"], "")


def _told(c: Mapping[str, Any], is_parent: bool) -> str:
    """What a reader hears after what is seen."""
    said = [f"{c['code']}"]
    if c["status"] == "done" and c["kind"] == "final" and c["test_accuracy"] is not None:
        said.append(f"{percent(c['test_accuracy'])} test accuracy")
    elif c["status"] == "done" and c["val_accuracy"] is not None:
        said.append(f"{percent(c['val_accuracy'])} validation accuracy")
    elif c["status"] == "running":
        said.append("training")
    else:
        said.append(_word(c) or c["status"])
    said.append(f"{int(c['n_parameters']):,} parameters")
    if c["winner"] and c["kind"] == "neighbour":
        said.append("winner of its step")
    if is_parent:
        said.append("the parent's own slot")
    words = "; ".join(morphism_words(m) for m in c["morphisms"])
    return ", ".join(said) + (f". {words}" if words else "")


def _note(kind: str, members: Sequence[Member], config: Mapping[str, Any], seconds: float) -> str:
    """The second line of a row's label: how long it took, or what it does."""
    if any(m.state == "running" for m in members):
        return "training"
    if any(m.state == "pending" for m in members):
        return "waits"
    if members:
        return duration(seconds) if seconds >= 1 else ""
    return counted(int(config["epoch_final"]), "epoch") if kind == "final" else "to come"
