"""The lineage tree where many stand in a row, and where there is little room."""

import pytest

from searches.diagrams import lineage_svg
from searches.nash import SearchConfig
from tests.searches.drawings import drawn, having, played


def test_many_in_a_row_become_squares_with_the_winners_number_always_in_sight() -> None:
    config = SearchConfig(n_steps=1, n_neigh=24)
    root = drawn(lineage_svg(played(config, 99, "finished")))
    squares = having(root, "is-small")
    assert len(squares) == 24
    shown = [s for s in squares if not having(s, "on-focus")]
    assert shown == [s for s in squares if "is-win" in s.get("class", "").split()]


def test_very_many_become_ticks_and_the_tree_stays_small() -> None:
    config = SearchConfig(n_steps=4, n_neigh=100, n_NM=1)
    root = drawn(lineage_svg(played(config, 999, "finished"), selected=7))
    assert sum(1 for _ in root.iter()) < 300
    assert len(having(root, "is-win")) == 5  # model_0 and four winners
    assert [e.get("id") for e in having(root, "is-chosen")] == ["node-7"]
    ticks = [e.get("d", "").count("M") for e in having(root, "strip-ticks")]
    assert ticks == [97, 98, 98, 98]


@pytest.mark.parametrize("n_neigh", [1, 4, 5])
def test_up_to_five_fit_a_phone(n_neigh: int) -> None:
    config = SearchConfig(n_steps=2, n_neigh=n_neigh)
    root = drawn(lineage_svg(played(config, 99, "finished"), width=334))
    assert root.get("width") == "334"
    rights = [float(s.get("x", 0)) + float(s.get("width", 0)) for s in having(root, "shape") if s.get("x")]
    assert max(rights) <= 334


def test_more_than_five_scroll_sideways_on_a_phone() -> None:
    config = SearchConfig(n_steps=2, n_neigh=8)
    root = drawn(lineage_svg(played(config, 99, "finished"), width=334))
    assert float(root.get("width", 0)) > 500
    assert len(having(root, "node")) == 18
