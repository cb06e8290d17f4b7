"""A learning curve: its learning rate, its points, and the end it may come to."""

from __future__ import annotations

import math
from dataclasses import dataclass


class Diverged(RuntimeError):
    """The loss or the accuracy is no longer a number; the message says since when."""


def cosine_lr(step: int, total: int, *, lambda_start: float, lambda_end: float) -> float:
    """Learning rate at optimiser step `step` of one annealing cycle of `total` steps.

    Falls from lambda_start at 0 to lambda_end at total. Raises ValueError outside 0..total.
    Source: Algorithm 1 lines 16 and 24; Loshchilov & Hutter (2017), Eq. 5.
    """
    if not 0 <= step <= total or total < 1:
        raise ValueError(f"step={step}: outside the cycle, 0 to {total}")
    return lambda_end + (lambda_start - lambda_end) / 2 * (1 + math.cos(math.pi * step / total))


@dataclass(frozen=True)
class Point:
    """One point of a learning curve, after `optimiser_step` steps.

    `epoch`: epochs done, as a fraction. `loss` and `train_accuracy`: means over the steps since the last point,
    None at step 0. `lr`: the rate that the cycle has reached. `val_accuracy`: only where it was measured.
    """

    optimiser_step: int
    epoch: float
    loss: float | None
    lr: float
    val_accuracy: float | None = None
    ends_epoch: bool = False
    train_accuracy: float | None = None
