"""What hypothesis draws for the engine: architectures, morphisms that fit them, networks that look trained."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from searches.nash.architecture import Architecture, Shape
from searches.nash.config import Bounds
from searches.nash.draws import candidates
from searches.nash.morphisms import MORPHISMS, Morphism
from searches.nash.network import Network
from tests.nash.networks import depends_on_the_image, random_network

Shapes = Sequence[Shape]
SHAPES: Shapes = ((1, 8, 8), (3, 32, 32), (3, 64, 64))
MAX_MACS = {64: 16_000_000}
"""Of large images; 8 M of others. Narrow enough to be quick, wide enough that few chains of 30 run dry."""
Strategies = dict[str, st.SearchStrategy[Any]]
Decorator = Callable[[Callable[..., None]], Callable[..., None]]
UNHURRIED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}


def bounds_of(architecture: Architecture) -> Bounds:
    """What its morphisms are drawn under."""
    macs = MAX_MACS.get(architecture.input_shape[-1], 8_000_000)
    return Bounds(max_channels=16, max_parameters=150_000, max_macs=macs)


@st.composite
def morphisms_of(
    draw: st.DrawFn, architecture: Architecture, n: int, kinds: Sequence[type[Morphism]] = MORPHISMS
) -> tuple[Morphism, ...]:
    """Up to n morphisms one after another, each of any kind that has a valid argument."""
    drawn: list[Morphism] = []
    bounds = bounds_of(architecture)
    for _ in range(n):
        valid = next((v for k in draw(st.permutations(kinds)) if (v := candidates(k, architecture, bounds))), ())
        if not valid:
            break
        drawn.append(draw(st.sampled_from(valid)))
        architecture = architecture.morphed(drawn[-1:])
    return tuple(drawn)


@st.composite
def architectures(draw: st.DrawFn, shapes: Shapes, n_before: int = 6) -> Architecture:
    """model_0 of two or three narrow blocks on one of these input shapes, up to n_before morphisms further."""
    widths = draw(st.lists(st.integers(2, 4), min_size=2, max_size=3))
    head = draw(st.sampled_from(("flatten", "global_pool")))
    model_0 = Architecture.initial(draw(st.sampled_from(shapes)), 5, widths, head=head)
    return model_0.morphed(draw(morphisms_of(model_0, draw(st.integers(0, n_before)))))


@st.composite
def parents(draw: st.DrawFn, shapes: Shapes, **of: Any) -> Network:
    """A network in float64 with random weights and BatchNorm statistics, its lambdas anywhere in [0, 1]."""
    parent = random_network(draw(architectures(shapes, **of)), draw(st.integers(0, 2**16)))
    with torch.no_grad():
        for mix in parent.mixes():
            mix.lam.fill_(draw(st.floats(0, 1)))
    assume(depends_on_the_image(parent))
    return parent


@st.composite
def parents_with_chains(
    draw: st.DrawFn, shapes: Shapes, n: int, kinds: Sequence[type[Morphism]] = MORPHISMS, **of: Any
) -> tuple[Network, tuple[Morphism, ...]]:
    """A parent and exactly n morphisms for it."""
    parent = draw(parents(shapes, **of))
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

    def hold_for(self, n: int, *, many: int, **strategies: st.SearchStrategy[Any]) -> Decorator:
        """A decorator: the check, called with what the strategies draw, as a test of n examples."""

        def decorate(check: Callable[..., None]) -> Callable[..., None]:
            self.checks[check.__name__] = _often(check, many, strategies)
            return _seldom(check, n, strategies)

        return decorate

    def hold_on_each_shape(self, n: int, *, many: int, of: Callable[[Shapes], Strategies]) -> Decorator:
        """As hold_for, with n examples of each input shape; `of`: the strategies, from the shapes that may be."""

        def decorate(check: Callable[..., None]) -> Callable[..., None]:
            self.checks[check.__name__] = _often(check, many, of(SHAPES))
            seldom = {shape: _seldom(check, n, of((shape,))) for shape in SHAPES}

            def test(shape: Shape) -> None:
                seldom[shape]()

            test.__name__, test.__doc__ = check.__name__, check.__doc__
            return pytest.mark.parametrize("shape", SHAPES, ids=str)(test)

        return decorate

    def many(self) -> Callable[..., None]:
        """One slow test with a case for each property."""

        @pytest.mark.slow
        @pytest.mark.parametrize("check", self.checks.values(), ids=self.checks)
        def test(check: Callable[[], None]) -> None:
            check()

        return test


def _often(check: Callable[..., None], n: int, strategies: Strategies) -> Callable[[], None]:
    return settings(max_examples=n, print_blob=True, **UNHURRIED)(given(**strategies)(check))


def _seldom(check: Callable[..., None], n: int, strategies: Strategies) -> Callable[[], None]:
    how = settings(max_examples=n, derandomize=True, phases=[Phase.generate], **UNHURRIED)
    return how(given(**strategies)(check))
