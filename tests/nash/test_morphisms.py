"""The four morphisms on architectures: what is born, what moves, what is refused, what the bounds do to a draw."""

import random

import pytest

from searches.nash.architecture import Architecture
from searches.nash.config import Bounds
from searches.nash.draws import candidates, draw, draw_morphisms
from searches.nash.morphisms import (
    Deepen,
    InvalidMorphism,
    SkipAdd,
    SkipConcat,
    Widen,
    morphism_from_dict,
)
from searches.nash.nodes import UnknownNode
from searches.nash.topology import skips_of

MODEL_0 = Architecture.initial(channels=(8, 8, 8))


def test_deepen_puts_a_block_behind_the_relu_before_all_consumers():
    child = MODEL_0.morphed([SkipConcat("c1", "c2"), Deepen("c1", 5)])
    born = child.node("c4")
    assert (born.inputs, born.kernel, born.channels) == (("c1",), 5, 8)
    assert child.consumers["c1"] == ("c4",)
    assert set(child.consumers["c4"]) == {"p1", "p3"}
    assert child.blocks == ("c1", "c4", "c2", "c3")


def test_widen_gives_its_consumers_slices_at_the_end():
    change = Widen("c1", 4).apply(MODEL_0)
    assert change.architecture.node("c1").channels == 32
    assert change.widened == ("c1", 8)
    assert change.origins == {"c2": (*range(8), *[None] * 24)}


def test_widen_finds_its_consumers_through_two_pools():
    skip = MODEL_0.morphed([SkipConcat("c1", "c3")])
    change = Widen("c1", 2).apply(skip)
    assert change.origins["fc"] == (*range(16), *[None] * 8)
    assert change.origins["c2"] == (*range(8), *[None] * 8)


def test_widen_inserts_at_the_offset_of_a_concat_not_at_its_end():
    skip = MODEL_0.morphed([SkipConcat("c2", "c3")])
    change = Widen("c3", 2).apply(skip)
    assert change.origins["fc"] == (*range(8), *[None] * 8, *range(8, 16))


def test_widen_inserts_as_often_as_its_block_occurs_in_a_concat():
    first = MODEL_0.morphed([Deepen("c3", 3), SkipConcat("c2", "c3"), SkipConcat("c2", "c4")])
    change = Widen("c2", 2).apply(first)
    assert change.origins["fc"] == (*range(8), *range(8, 16), *[None] * 8)
    assert change.origins["c4"] == (*range(16), *[None] * 8)
    twice = MODEL_0.morphed([SkipConcat("c1", "c2"), SkipConcat("c1", "c3"), SkipConcat("c2", "c3")])
    change = Widen("c1", 2).apply(twice)
    assert change.origins["c3"] == (*range(16), *[None] * 8)
    # fc reads concat(concat(c3, c2), c1): only the last operand grew, c2 is its own ReLU output
    assert change.origins["fc"] == (*range(24), *[None] * 8)


def test_a_mix_takes_new_channels_at_its_end_and_the_other_operand_does_not_reach_them():
    skip = MODEL_0.morphed([SkipAdd("c2", "c3")])
    wide = Widen("c3", 2).apply(skip)
    assert wide.architecture.node("mix1").channels == 16
    assert wide.architecture.node("mix1").maps == (None, tuple(range(8)))
    other = Widen("c2", 2).apply(skip)
    assert other.architecture.node("mix1").maps == (tuple(range(8)), None)
    assert other.origins["fc"] == (*range(8), *[None] * 8)
    both = skip.morphed([Widen("c3", 2), Widen("c2", 2)])
    assert both.node("mix1").channels == 24
    assert both.node("mix1").maps == (tuple(range(16)), (*range(8), *range(16, 24)))


def test_a_skip_takes_the_pools_that_lie_between():
    child = MODEL_0.morphed([SkipConcat("c1", "c3")])
    assert child.node("cat1").inputs == ("c3", "p4")
    assert (child.node("p4").inputs, child.node("p3").inputs) == (("p3",), ("c1",))
    assert child.consumers["c3"] == ("cat1",)


def test_an_additive_skip_projects_where_the_widths_differ():
    child = MODEL_0.morphed([Widen("c1", 2), SkipAdd("c1", "c2")])
    projection = child.node("proj1")
    assert (projection.kernel, projection.channels) == (1, 8)
    assert child.node("mix1").inputs == ("c2", "proj1")
    assert "proj1" not in child.blocks


def test_the_same_skip_is_not_offered_twice_but_the_other_kind_is():
    child = MODEL_0.morphed([SkipConcat("c1", "c2")])
    assert skips_of(child) == {("concat", "c1", "c2")}
    assert SkipConcat("c1", "c2") not in candidates(SkipConcat, child, Bounds())
    assert SkipAdd("c1", "c2") in candidates(SkipAdd, child, Bounds())
    with pytest.raises(InvalidMorphism, match="there already"):
        SkipConcat("c1", "c2").apply(child)


@pytest.mark.parametrize(
    ("morphism", "error", "message"),
    [
        (Deepen("c9", 3), UnknownNode, r"Deepen.after='c9': .*blocks: c1, c2, c3"),
        (Deepen("p1", 3), UnknownNode, "Deepen.after='p1'"),
        (Deepen("c1", 4), InvalidMorphism, "Deepen.kernel=4: 3 or 5"),
        (Widen("fc", 2), UnknownNode, "Widen.block='fc'"),
        (Widen("c1", 1), InvalidMorphism, "at least 2"),
        (SkipAdd("c2", "c1"), InvalidMorphism, "c2 does not stand before c1"),
        (SkipConcat("c1", "c1"), InvalidMorphism, "c1 does not stand before c1"),
    ],
)
def test_what_cannot_be_is_refused_with_argument_value_and_way_out(morphism, error, message):
    with pytest.raises(error, match=message):
        morphism.apply(MODEL_0)


def test_every_morphism_survives_json_and_an_unknown_kind_is_named():
    for m in (Deepen("c1", 5), Widen("c2", 4), SkipConcat("c1", "c2"), SkipAdd("c1", "c3")):
        assert morphism_from_dict(m.to_dict()) == m
    with pytest.raises(InvalidMorphism, match="known are deepen, widen, concat, add"):
        morphism_from_dict({"kind": "split"})
    with pytest.raises(InvalidMorphism, match="'factor' is missing"):
        morphism_from_dict({"kind": "widen", "block": "c1"})


def test_drawing_leaves_the_architecture_as_it_was_and_is_the_same_for_the_same_seed():
    before = MODEL_0.to_dict()
    assert draw_morphisms(MODEL_0, 10, random.Random(3)) == draw_morphisms(MODEL_0, 10, random.Random(3))
    assert MODEL_0.to_dict() == before


def test_the_bounds_are_kept_by_every_child_of_long_chains():
    bounds = Bounds(max_channels=32, max_parameters=60_000, max_macs=3_000_000)
    for seed in range(6):
        child = MODEL_0.morphed(draw_morphisms(MODEL_0, 30, random.Random(seed), bounds))
        assert child.n_parameters <= 60_000
        assert child.n_macs <= 3_000_000
        assert max(child.node(b).channels for b in child.blocks) <= 32


def test_a_type_without_arguments_gives_way_and_is_noted():
    drawn = [draw(MODEL_0, 4, random.Random(s), Bounds(max_channels=8)) for s in range(10)]
    assert not any(isinstance(m, Widen) for d in drawn for m in d.morphisms)
    assert all(len(d.morphisms) == 4 for d in drawn)
    assert any("widen has no valid argument" in note for d in drawn for note in d.notes)


def test_with_nothing_left_the_child_gets_fewer_morphisms_and_says_so():
    bounds = Bounds(max_parameters=MODEL_0.n_parameters)
    drawn = draw(MODEL_0, 5, random.Random(0), bounds)
    # Only additive skips between equal widths cost one parameter: nothing fits under model_0's own size.
    assert drawn.morphisms == ()
    assert "no valid morphism is left within the bounds: 0 of 5 drawn" in drawn.notes
