"""Means of few numbers, with what they leave open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev


@dataclass(frozen=True)
class Interval:
    """A mean of n values and the ends of its 95 % t interval; both are nan for fewer than two values."""

    n: int
    mean: float
    low: float
    high: float


def t_interval(values: Sequence[float]) -> Interval:
    """The mean of `values` with the 95 % interval of Student's t. Raises ValueError for no value."""
    if not values:
        raise ValueError("no values: nothing to take the mean of")
    n = len(values)
    if n == 1:
        return Interval(1, values[0], math.nan, math.nan)
    from scipy.stats import t  # comes with scikit-learn

    half = float(t.ppf(0.975, n - 1)) * stdev(values) / math.sqrt(n)
    return Interval(n, mean(values), mean(values) - half, mean(values) + half)
