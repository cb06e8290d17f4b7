"""What stands beside the drawings: the list of changes against the parent, and the keys."""

import random

from searches.diagrams import (
    architecture_legend,
    changes,
    lineage_legend,
    morphism_legend,
    width_legend,
)
from searches.nash import Architecture, Bounds, Deepen, SkipAdd, SkipConcat, Widen, draw_morphisms
from searches.nash.morphisms import MORPHISMS
from tests.searches.drawings import chain, drawn


def test_the_list_of_changes_adds_up_to_the_child() -> None:
    parent = chain(1, 3)
    morphisms = draw_morphisms(parent, 6, random.Random(7), Bounds())
    entries = changes(parent, morphisms)
    assert [e["words"] for e in entries] == [m.words() for m in morphisms]
    gained = sum(e["parameters_gained"] for e in entries)
    assert gained == parent.morphed(morphisms).n_parameters - parent.n_parameters


def test_a_change_says_what_it_made() -> None:
    morphisms = [Deepen("c1", 5), Widen("c2", 2), SkipConcat("c1", "c3"), SkipAdd("c2", "c3")]
    details = [e["detail"] for e in changes(Architecture.initial(), morphisms)]
    assert details == [
        "new block c4, 32 channels at 32×32",
        "32 → 64 channels",
        "cat1, 64 channels at 8×8, through 2 max-pools; zero slices at birth",
        "mix1, 32 channels at 8×8, through 1 max-pool and a 1×1 projection to 32; λ = 1 at birth",
    ]


def test_without_network_morphism_nothing_is_said_of_a_joins_birth() -> None:
    morphisms = [SkipConcat("c1", "c3"), SkipAdd("c2", "c3")]
    details = [e["detail"] for e in changes(Architecture.initial(), morphisms, exact=False)]
    assert details == [
        "cat1, 64 channels at 8×8, through 2 max-pools",
        "mix1, 32 channels at 8×8, through 1 max-pool",
    ]


def test_the_legends_are_small_drawings_with_words() -> None:
    for key in [*architecture_legend(), *width_legend()]:
        assert drawn(key["svg"]).get("aria-hidden") == "true"
        assert key["words"]
    widths = [float(drawn(key["svg"]).get("width", 0)) for key in width_legend()]
    assert widths == sorted(widths)


def test_the_legends_name_every_state_and_morphism() -> None:
    assert [key["words"] for key in morphism_legend()] == [m.kind for m in MORPHISMS]
    said = [key["words"] for key in lineage_legend()]
    assert said == ["child", "the parent’s own slot", "winner", "leads so far", "training", "waits", "failed"]
    for key in [*lineage_legend(), *morphism_legend()]:
        assert drawn(key["svg"]).get("aria-hidden") == "true"
