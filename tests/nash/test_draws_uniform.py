"""Morphism draws are uniform: by type, a skip by kind, and by argument among those that the bounds leave.

Pearson's chi-square against the probabilities of method section 3, at a level of 1 in 10,000, with fixed seeds.
That the same test turns a biased draw away is a test of its own.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from statistics import NormalDist

import pytest

from searches.nash.architecture import Architecture
from searches.nash.config import Bounds
from searches.nash.draws import candidates, draw, draw_morphisms
from searches.nash.morphisms import MORPHISMS, Deepen, Morphism, SkipAdd, SkipConcat, Widen
from tests.nash.networks import tangled_architecture

LEVEL = 1e-4
SHARES = {Deepen: 1 / 3, Widen: 1 / 3, SkipConcat: 1 / 6, SkipAdd: 1 / 6}
"""Each type 1/3, a skip then concat or add with probability 1/2 each."""
MODEL_0 = Architecture.initial()
GROWN = MODEL_0.morphed(draw_morphisms(MODEL_0, 10, random.Random(4)))
CASES = {
    "model_0": (MODEL_0, Bounds()),
    "every topology at once": (tangled_architecture(), Bounds()),
    "ten morphisms further, near its bounds": (GROWN, Bounds(max_macs=GROWN.n_macs + 20_000_000)),
}
Draw = Callable[[Architecture, random.Random, Bounds], Morphism]


def one(architecture: Architecture, rng: random.Random, bounds: Bounds) -> Morphism:
    (morphism,) = draw(architecture, 1, rng, bounds).morphisms
    return morphism


def critical(degrees: int) -> float:
    """What chi-square exceeds with probability LEVEL (Wilson and Hilferty, 1931): up to 5 % more, at few degrees."""
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + NormalDist().inv_cdf(1 - LEVEL) * spread**0.5) ** 3


def chi_square(counts: Mapping[object, int], probabilities: Mapping[object, float]) -> float:
    n = sum(counts.values())
    assert set(counts) <= set(probabilities)
    assert sum(probabilities.values()) == pytest.approx(1)
    assert n * min(probabilities.values()) >= 5, "too few draws for the test"
    return sum((counts.get(cell, 0) - n * p) ** 2 / (n * p) for cell, p in probabilities.items())


def excess(drawn: Iterable[Morphism], architecture: Architecture, bounds: Bounds) -> dict[str, float]:
    """chi-square over its critical value, of the kinds and of the arguments of each kind: above 1 is biased."""
    counts = Counter(drawn)
    kinds = Counter({k: sum(n for m, n in counts.items() if type(m) is k) for k in MORPHISMS})
    found = {"type": chi_square(kinds, SHARES) / critical(len(SHARES) - 1)}
    for kind in MORPHISMS:
        valid = candidates(kind, architecture, bounds)
        of_kind = {m: n for m, n in counts.items() if type(m) is kind}
        found[kind.kind] = chi_square(of_kind, dict.fromkeys(valid, 1 / len(valid))) / critical(len(valid) - 1)
    return found


@pytest.mark.parametrize(
    ("case", "n"),
    [
        ("model_0", 20_000),
        *(pytest.param(case, 120_000, marks=pytest.mark.slow) for case in CASES),  # 20,000 of each kind of skip
    ],
)
def test_types_and_arguments_are_drawn_uniformly(case, n):
    architecture, bounds = CASES[case]
    rng = random.Random(f"{case} {n}")
    ratios = excess((one(architecture, rng, bounds) for _ in range(n)), architecture, bounds)
    assert all(ratio < 1 for ratio in ratios.values()), ratios


def test_the_bounds_of_the_third_architecture_take_arguments_away_and_leave_some():
    architecture, bounds = CASES["ten morphisms further, near its bounds"]
    for kind in MORPHISMS:
        assert 2 <= len(candidates(kind, architecture, bounds)) <= len(candidates(kind, architecture, Bounds()))
    assert len(candidates(Widen, architecture, bounds)) < len(candidates(Widen, architecture, Bounds()))


def test_a_type_without_arguments_leaves_its_share_to_the_others_alike():
    bounds = Bounds(max_channels=32)
    rng = random.Random(5)
    kinds = Counter(type(one(MODEL_0, rng, bounds)) for _ in range(6000))
    shares = {Deepen: 1 / 2, SkipConcat: 1 / 4, SkipAdd: 1 / 4}
    assert chi_square(kinds, shares) < critical(2)


class Leaning(random.Random):
    """A source of chance that prefers low indices by a few per cent."""

    def randrange(self, n: int) -> int:  # type: ignore[override]
        return int(n * self.random() ** 1.1)


def of_all_alike(architecture: Architecture, rng: random.Random, bounds: Bounds) -> Morphism:
    """Uniform over everything valid: a type with more arguments is drawn more often."""
    return rng.choice([m for kind in MORPHISMS for m in candidates(kind, architecture, bounds)])


def of_four_kinds_alike(architecture: Architecture, rng: random.Random, bounds: Bounds) -> Morphism:
    return rng.choice(candidates(rng.choice(MORPHISMS), architecture, bounds))


def never_the_last(architecture: Architecture, rng: random.Random, bounds: Bounds) -> Morphism:
    """An index that is one too small."""
    while (drawn := one(architecture, rng, bounds)) == candidates(type(drawn), architecture, bounds)[-1]:
        pass
    return drawn


BIASED: dict[str, tuple[Draw, type[random.Random], set[str]]] = {
    "low indices preferred": (one, Leaning, {"type"}),
    "arguments of all types alike": (of_all_alike, random.Random, {"type"}),
    "four kinds alike": (of_four_kinds_alike, random.Random, {"type"}),
    "never the last argument": (never_the_last, random.Random, {"deepen", "widen", "concat", "add"}),
}
QUICK_CASES = [("model_0", bias) for bias in BIASED if bias != "arguments of all types alike"]
"""Of model_0's 18 morphisms a third are deepen and a third widen: there all alike is uniform by type, too."""
SLOW_CASES = [(case, bias) for case in CASES for bias in BIASED if case != "model_0"]


@pytest.mark.parametrize(
    ("case", "bias"), [*QUICK_CASES, *(pytest.param(*names, marks=pytest.mark.slow) for names in SLOW_CASES)]
)
def test_a_biased_draw_is_found_out(case, bias):
    (architecture, bounds), (biased, source, seen_in) = CASES[case], BIASED[bias]
    rng = source(7)
    ratios = excess((biased(architecture, rng, bounds) for _ in range(20_000)), architecture, bounds)
    assert all(ratios[name] > 1 for name in seen_in), ratios


@pytest.mark.parametrize(
    ("degrees", "value"), [(2, 18.421), (3, 21.108), (10, 35.564), (30, 67.633), (100, 161.319)]
)
def test_the_critical_value_is_that_of_the_table(degrees, value):
    """Upper 0.0001 points of the chi-square distribution."""
    assert value <= critical(degrees) <= 1.05 * value
