"""Where the zero slices of a widened block go: through pools, concats, mixes and the flatten, to each consumer.

Each test says by hand which input channels of which layer are new, and that the function is kept in float64: in
evaluation mode within 1e-10, in training mode in its loss within 1e-6, with random BatchNorms and lambdas.
Source: Eq. 4, h~ = h and A~ = 0; method section 3.
"""

import torch
from torch.nn import functional

from searches.nash.architecture import Architecture
from searches.nash.morphisms import Deepen, Morphism, SkipAdd, SkipConcat, Widen
from searches.nash.network import Network
from searches.nash.nodes import Node
from tests.nash.networks import child_of, difference, logits_of, random_network, small_architecture

WIDTHS = (2, 3, 4)  # all different, so that no slice fits by chance where it does not belong


def parent_of(*morphisms: Morphism, channels: tuple[int, ...] = WIDTHS) -> Network:
    return random_network(small_architecture(channels=channels).morphed(morphisms))


def widened(parent: Network, *morphisms: Morphism) -> Network:
    """The child, once it is sure that it computes what its parent computes."""
    child = child_of(parent, *morphisms)
    assert difference(parent, child) <= 1e-10
    losses = [
        functional.cross_entropy(logits, torch.arange(len(logits)) % 5)
        for logits in (logits_of(parent, training=True), logits_of(child, training=True))
    ]
    assert abs(losses[1] - losses[0]) <= 1e-6
    return child


def assert_slices(parent: Network, child: Network, layer: str, wanted: list[int | None]) -> None:
    """Input channel k of the child's layer is the parent's channel wanted[k], or zero where that is None."""
    key = "fc.weight" if layer == "fc" else f"{layer}.conv.weight"
    old, new = (network.state_dict()[key] for network in (parent, child))
    pixels = old.shape[1] // parent.architecture.shapes[parent.architecture.node(layer).inputs[0]][0]
    old, new = (w.reshape(len(w), -1, pixels, *w.shape[2:]) for w in (old, new))  # (c_out, c_in, H * W or 1, ...)
    assert new.shape[1] == len(wanted)
    for k, source in enumerate(wanted):
        assert torch.equal(new[:, k], torch.zeros_like(new[:, k]) if source is None else old[:, source]), (layer, k)


def test_through_two_pools():
    parent = parent_of(SkipAdd("c1", "c3"), SkipConcat("c1", "c3"))
    child = widened(parent, Widen("c1", 2))
    for layer in ("c2", "proj1"):
        assert_slices(parent, child, layer, [0, 1, None, None])
    assert_slices(parent, child, "fc", [0, 1, 2, 3, 4, 5, None, None])


def test_through_a_concat_in_which_the_producer_occurs_twice():
    """No draw makes one, but a file may: concat(c2, c1, c2) before the last pool."""
    before = small_architecture(channels=WIDTHS)
    spliced = {
        "c2": [
            before.node("c2"),
            Node("p3", "max_pool", ("c1",)),
            Node("cat1", "concat", ("c2", "p3", "c2")),
            Node("p2", "max_pool", ("cat1",)),
        ],
        "p2": [],
    }
    nodes = [node for old in before.nodes for node in spliced.get(old.name, [old])]
    parent = random_network(Architecture(before.input_shape, tuple(nodes)))
    child = widened(parent, Widen("c2", 2))
    new = [None] * 3
    assert_slices(parent, child, "c3", [0, 1, 2, *new, 3, 4, 5, 6, 7, *new])


def test_through_two_concats_of_the_same_producer_the_second_behind_the_first():
    joins = (SkipConcat("c1", "c2"), Deepen("c3", 3), SkipConcat("c2", "c3"), SkipConcat("c2", "c4"))
    parent = parent_of(*joins)
    child = widened(parent, Widen("c2", 2))
    new = [None] * 3
    assert_slices(parent, child, "c3", [0, 1, 2, *new, 3, 4])  # concat(c2, c1)
    assert_slices(parent, child, "c4", [0, 1, 2, 3, 4, 5, 6, *new])  # concat(c3, c2)
    assert_slices(parent, child, "fc", [0, 1, 2, 3, 4, 5, 6, *new])  # concat(c4, c2)


def test_through_a_concat_inside_a_mix_that_the_producer_also_enters_by_itself():
    """mix(concat(c3, c2), c2): twice in what the head reads, once by each operand."""
    parent = parent_of(SkipAdd("c2", "c3"), SkipConcat("c2", "c3"), channels=(2, 4, 4))
    child = widened(parent, Widen("c2", 2))
    new = [None] * 8
    assert_slices(parent, child, "fc", [*range(8), *new])


def test_through_a_mix_from_the_side_of_its_trunk():
    parent = parent_of(SkipAdd("c2", "c3"), channels=(2, 4, 4))
    child = widened(parent, Widen("c3", 2))
    assert_slices(parent, child, "fc", [0, 1, 2, 3, None, None, None, None])
    assert child.architecture.node("mix1").maps == (None, (0, 1, 2, 3))


def test_through_a_mix_from_the_side_of_its_skip():
    parent = parent_of(SkipAdd("c2", "c3"), channels=(2, 4, 4))
    child = widened(parent, Widen("c2", 2))
    assert_slices(parent, child, "c3", [0, 1, 2, 3, None, None, None, None])
    assert_slices(parent, child, "fc", [0, 1, 2, 3, None, None, None, None])
    assert child.architecture.node("mix1").maps == ((0, 1, 2, 3), None)


def test_through_a_mix_from_both_sides_and_at_both_ends_of_lambda():
    for lam in (0.0, 0.3, 1.0):
        parent = parent_of(SkipAdd("c2", "c3"), channels=(2, 4, 4))
        with torch.no_grad():
            parent.get_submodule("mix1").lam.fill_(lam)
        child = widened(parent, Widen("c3", 2), Widen("c2", 2))
        assert_slices(parent, child, "fc", [0, 1, 2, 3, *[None] * 8])


def test_through_the_flatten_which_is_channel_major():
    parent = parent_of()
    child = widened(parent, Widen("c3", 2))
    weight, before = (network.get_submodule("fc").weight for network in (child, parent))
    pixels = 2 * 2
    assert weight.shape == (5, 8 * pixels)
    assert torch.equal(weight[:, : 4 * pixels], before)
    assert not weight[:, 4 * pixels :].any()


def test_through_the_flatten_in_the_middle_of_a_concat():
    parent = parent_of(SkipConcat("c1", "c3"))
    child = widened(parent, Widen("c3", 2))
    weight, before = (network.get_submodule("fc").weight for network in (child, parent))
    pixels = 2 * 2
    assert torch.equal(weight[:, : 4 * pixels], before[:, : 4 * pixels])
    assert not weight[:, 4 * pixels : 8 * pixels].any()
    assert torch.equal(weight[:, 8 * pixels :], before[:, 4 * pixels :])


def test_a_second_time_after_a_concat():
    """First the source, whose slices come last, then the target, whose slices belong before them; then each again."""
    parent = parent_of(SkipConcat("c2", "c3"))
    child = widened(parent, Widen("c2", 2))
    assert_slices(parent, child, "fc", [*range(7), *[None] * 3])
    child = widened(parent, Widen("c2", 2), Widen("c3", 2))
    assert_slices(parent, child, "fc", [*range(4), *[None] * 4, *range(4, 7), *[None] * 3])
    child = widened(parent, Widen("c2", 2), Widen("c3", 2), Widen("c2", 2), Widen("c3", 2))
    assert_slices(parent, child, "fc", [*range(4), *[None] * 12, *range(4, 7), *[None] * 9])


def test_a_skip_by_concatenation_gets_its_columns_behind_those_of_its_target():
    parent = parent_of()
    child = widened(parent, SkipConcat("c1", "c3"))
    assert_slices(parent, child, "fc", [0, 1, 2, 3, None, None])
