"""Paired tests and intervals, held against SciPy and against simulated searches."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from searches.intervals import (
    EXACT_UP_TO,
    T95,
    correlation_interval,
    discordant,
    mcnemar,
    mean_of,
    mean_of_sums,
    paired_interval,
)

FEW = st.integers(0, 60)


def test_discordant_images_are_counted_in_the_packed_bits():
    first = np.packbits([1, 1, 0, 0, 1, 0, 1, 1, 1, 0]).tobytes()
    second = np.packbits([1, 0, 1, 0, 1, 0, 1, 0, 1, 1]).tobytes()
    assert discordant(first, second) == (2, 2)
    assert discordant(first, first) == (0, 0)


def test_bits_of_other_images_are_refused():
    with pytest.raises(ValueError, match="not the same images"):
        discordant(b"\x01", b"\x01\x01")


@given(FEW, FEW)
def test_few_discordant_images_are_tested_by_the_exact_binomial(a: int, b: int):
    expected = stats.binomtest(a, a + b).pvalue if a + b else 1.0
    assert mcnemar(a, b) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(a, b) == mcnemar(b, a)


@pytest.mark.parametrize(("a", "b"), [(520, 500), (600, 480), (700, 400), (540, 540)])
def test_many_discordant_images_are_tested_by_the_normal_approximation(a: int, b: int):
    assert a + b > EXACT_UP_TO
    assert mcnemar(a, b) == pytest.approx(stats.binomtest(a, a + b).pvalue, abs=2e-3)


@given(FEW, FEW, st.integers(120, 10_000))
def test_the_paired_interval_is_narrower_than_that_of_two_independent_samples_and_is_mirrored(a: int, b: int, n: int):
    low, high = paired_interval(a, b, n)
    assert -1 <= low < high <= 1
    assert paired_interval(b, a, n) == pytest.approx((-high, -low))
    assert low <= (a - b) / n + 1 / n
    assert (a - b) / n - 1 / n <= high


def test_the_paired_interval_holds_the_truth_in_95_of_100_samples():
    rng = np.random.default_rng(0)
    n, p, q = 300, 0.10, 0.06
    draws = rng.multinomial(n, [p, q, 1 - p - q], size=4000)
    hits = [low <= p - q <= high for low, high in (paired_interval(int(a), int(b), n) for a, b, _ in draws)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)


def test_test_and_interval_agree_away_from_the_border():
    assert mcnemar(80, 40) < 0.05 < mcnemar(62, 58)
    assert paired_interval(80, 40, 1000)[0] > 0 > paired_interval(62, 58, 1000)[0]


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        paired_interval(0, 0, 0)


def test_the_table_of_t_is_that_of_scipy():
    assert [round(float(stats.t.ppf(0.975, n)), 3) for n in range(1, 31)] == list(T95)


@pytest.mark.parametrize("n", [2, 3, 12, 31, 32, 200])
def test_the_mean_has_the_t_interval_that_scipy_gives(n: int):
    rng = random.Random(n)
    values = [rng.gauss(0.01, 0.02) for _ in range(n)]
    found = mean_of(values)
    low, high = stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=stats.sem(values))
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high), abs=1e-5)


def test_one_value_has_no_interval_and_none_no_mean():
    assert mean_of([0.3]).half is None
    with pytest.raises(ValueError, match="no values"):
        mean_of_sums(0, 0.0, 0.0)


@given(st.integers(0, 2**32 - 1), st.integers(4, 40))
def test_the_interval_of_a_correlation_is_scipys(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n))
    found = stats.pearsonr(x, x + y)
    expected = found.confidence_interval()
    assert correlation_interval(float(found.statistic), n) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_a_correlation_of_three_pairs_or_a_perfect_one_has_no_interval():
    assert correlation_interval(0.5, 3) is None
    assert correlation_interval(1.0, 10) is None
