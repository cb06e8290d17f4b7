"""Small figures that the server draws into a page: numbers in, geometry out. No colours: those are classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from searches.nash.config import SearchConfig

MIN_GAIN = 0.005
"""The least span of accuracies that fills a stair: half a point, so that noise does not look like a climb."""


@dataclass(frozen=True)
class Stair:
    """The best of each step as a stair: path data of its line and of the area below, and its end."""

    width: int
    height: int
    line: str
    area: str
    end_x: float
    end_y: float


def stair(accuracies: Sequence[float], *, width: int = 112, height: int = 30) -> Stair | None:
    """The winners' accuracies (model_0 first), scaled to their own range; None for fewer than two.

    A best that falls is drawn falling.
    """
    if len(accuracies) < 2:
        return None
    low, high = min(accuracies), max(accuracies)
    span = max(high - low, MIN_GAIN)
    top, bottom = 4.0, height - 5.0
    step_width = (width - 8) / len(accuracies)
    xs = [round(3 + step_width * i, 1) for i in range(len(accuracies) + 1)]
    ys = [round(bottom - (bottom - top) * (a - low) / span, 1) for a in accuracies]
    line = f"M{xs[0]} {ys[0]}" + "".join(f"V{y}H{x}" for x, y in zip(xs[1:], ys, strict=True))
    return Stair(width, height, line, f"{line}V{height}H{xs[0]}Z", xs[-1], ys[-1])


@dataclass(frozen=True)
class Bar:
    """One cell of a budget bar; `part` is pre, step or final."""

    part: str
    x: float
    width: float


def budget_bars(config: SearchConfig, *, width: int = 240, gap: int = 2) -> list[Bar]:
    """The shape of an epoch budget: pretraining, one cell for each step, the final training."""
    step_epochs = config.n_neigh * config.epoch_neigh
    parts = [
        ("pre", config.epoch_pretrain),
        *[("step", step_epochs)] * config.n_steps,
        ("final", config.epoch_final),
    ]
    room = width - gap * (len(parts) - 1)
    bars, x = [], 0.0
    for part, epochs in parts:
        cell = room * epochs / config.epoch_budget
        bars.append(Bar(part, round(x, 1), round(max(cell, 1.0), 1)))
        x += cell + gap
    return bars


def share(done: float, total: float) -> float:
    """How much of a bar is filled, 0 to 1."""
    return min(1.0, done / total) if total else 0.0
