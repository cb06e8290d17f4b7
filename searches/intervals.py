"""What a difference of two measurements leaves open: paired tests and intervals. Numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959964
EXACT_UP_TO = 1000
"""Discordant images up to which McNemar's test is the exact binomial one."""
T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""97.5 % quantiles of Student's t for 1 to 30 degrees of freedom."""


def discordant(first: bytes, second: bytes) -> tuple[int, int]:
    """Images that only the first network gets right, and those that only the second does.

    Both are the packed right/wrong bits of the same images (Candidate.correct). Raises ValueError where their
    lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} bytes: not the same images")
    a, b = int.from_bytes(first), int.from_bytes(second)
    return (a & ~b).bit_count(), (b & ~a).bit_count()


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's test: that two networks are equally accurate, given the discordant images.

    The exact binomial test up to EXACT_UP_TO of them, beyond that the normal approximation with the continuity
    correction. Source: McNemar (1947), Psychometrika 12; Edwards (1948) for the correction.
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0
    if n <= EXACT_UP_TO:
        term = tail = 1  # binomial coefficients n over k, summed for k = 0 to `fewer`
        for k in range(1, fewer + 1):
            term = term * (n - k + 1) // k
            tail += term
        return min(1.0, float(2 * tail / 2**n))
    z = max(0, abs(only_first - only_second) - 1) / math.sqrt(n)
    return math.erfc(z / math.sqrt(2))


def paired_interval(only_first: int, only_second: int, n: int) -> tuple[float, float]:
    """The 95 % interval of accuracy(first) - accuracy(second), both measured on the same n images; fractions.

    Source: Bonett & Price (2012), J. Educ. Behav. Stat. 37: Wald's interval with one image added to each of the
    discordant cells. Raises ValueError for no images.
    """
    if n < 1:
        raise ValueError("no images: nothing to compare on")
    p, q = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    half = Z95 * math.sqrt(max(0.0, p + q - (p - q) ** 2) / (n + 2))
    return max(-1.0, p - q - half), min(1.0, p - q + half)


def correlation_interval(r: float, n: int) -> tuple[float, float] | None:
    """The 95 % interval of Pearson's correlation r of n pairs; None for fewer than four, or where |r| is 1.

    Source: Fisher (1921), Metron 1: atanh(r) is about normal with variance 1 / (n - 3).
    """
    if n < 4 or abs(r) >= 1.0:
        return None
    middle, half = math.atanh(r), Z95 / math.sqrt(n - 3)
    return math.tanh(middle - half), math.tanh(middle + half)


@dataclass(frozen=True)
class Mean:
    """A mean of n values and half the width of its 95 % t interval, None for fewer than two values."""

    n: int
    mean: float
    half: float | None


def mean_of(values: Sequence[float]) -> Mean:
    """Raises ValueError for no value."""
    return mean_of_sums(len(values), math.fsum(values), math.fsum(v * v for v in values))


def mean_of_sums(n: int, total: float, squares: float) -> Mean:
    """As mean_of, from the number of values, their sum and the sum of their squares; such sums can be added up."""
    if n < 1:
        raise ValueError("no values: nothing to take the mean of")
    mean = total / n
    if n == 1:
        return Mean(1, mean, None)
    variance = max(0.0, squares - n * mean * mean) / (n - 1)
    return Mean(n, mean, _t95(n - 1) * math.sqrt(variance / n))


def _t95(freedom: int) -> float:
    """97.5 % quantile of Student's t; beyond the table the first terms of its Cornish-Fisher expansion."""
    if freedom <= len(T95):
        return T95[freedom - 1]
    z = Z95
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
