"""What hypothesis draws for the engine: architectures, morphisms that fit them, networks that look trained."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from searches.nash.architecture import Architecture
from searches.nash.config import Bounds
from searches.nash.draws import candidates
from searches.nash.morphisms import MORPHISMS, Morphism
from searches.nash.network import Network
from tests.nash.networks import depends_on_the_image, random_network

SHAPES = ((1, 8, 8), (3, 32, 32), (3, 64, 64))
BOUNDS = Bounds(max_channels=16, max_parameters=150_000, max_macs=8_000_000)
UNHURRIED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}


@st.composite
def morphisms_of(
    draw: st.DrawFn, architecture: Architecture, n: int, kinds: Sequence[type[Morphism]] = MORPHISMS
) -> tuple[Morphism, ...]:
    """Up to n morphisms one after another, each of any kind that has a valid argument."""
    drawn: list[Morphism] = []
    for _ in range(n):
        valid = next((v for k in draw(st.permutations(kinds)) if (v := candidates(k, architecture, BOUNDS))), ())
        if not valid:
            break
        drawn.append(draw(st.sampled_from(valid)))
        architecture = architecture.morphed(drawn[-1:])
    return tuple(drawn)


@st.composite
def architectures(draw: st.DrawFn, n_before: int = 6) -> Architecture:
    """model_0 of two or three narrow blocks on one of the input shapes, up to n_before morphisms further."""
    widths = draw(st.lists(st.integers(2, 4), min_size=2, max_size=3))
    head = draw(st.sampled_from(("flatten", "global_pool")))
    model_0 = Architecture.initial(draw(st.sampled_from(SHAPES)), 5, widths, head=head)
    return model_0.morphed(draw(morphisms_of(model_0, draw(st.integers(0, n_before)))))


@st.composite
def parents(draw: st.DrawFn, **of: Any) -> Network:
    """A network in float64 with random weights and BatchNorm statistics, its lambdas anywhere in [0, 1]."""
    parent = random_network(draw(architectures(**of)), draw(st.integers(0, 2**16)))
    with torch.no_grad():
        for mix in parent.mixes():
            mix.lam.fill_(draw(st.floats(0, 1)))
    assume(depends_on_the_image(parent))
    return parent


@st.composite
def parents_with_chains(
    draw: st.DrawFn, n: int, kinds: Sequence[type[Morphism]] = MORPHISMS, **of: Any
) -> tuple[Network, tuple[Morphism, ...]]:
    """A parent and exactly n morphisms for it."""
    parent = draw(parents(**of))
    morphisms = draw(morphisms_of(parent.architecture, n, kinds))
    assume(len(morphisms) == n)
    return parent, morphisms


class Properties:
    """The properties of a file: each a quick test of a few examples, and all of them once more in a slow one.

    `@properties.hold_for(5, many=100, ...)` makes the quick test, whose 5 examples are always the same;
    `test_many = properties.many()` the slow one of 100, new ones at each run (a failing one says how to repeat it).
    """

    def __init__(self) -> None:
        self.checks: dict[str, Callable[[], None]] = {}

    def hold_for(self, n: int, *, many: int, **strategies: st.SearchStrategy[Any]) -> Callable[..., Any]:
        """A decorator: the check, called with what the strategies draw, as a test of n examples."""

        def decorate(check: Callable[..., None]) -> Callable[..., None]:
            self.checks[check.__name__] = settings(max_examples=many, print_blob=True, **UNHURRIED)(
                given(**strategies)(check)
            )
            return settings(max_examples=n, derandomize=True, phases=[Phase.generate], **UNHURRIED)(
                given(**strategies)(check)
            )

        return decorate

    def many(self) -> Callable[..., None]:
        """One slow test with a case for each property."""

        @pytest.mark.slow
        @pytest.mark.parametrize("check", self.checks.values(), ids=self.checks)
        def test(check: Callable[[], None]) -> None:
            check()

        return test
