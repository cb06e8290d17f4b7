"""The lineage tree: every training at its place, decided solid, open dashed, to come dotted."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from searches.diagrams import lineage_svg, morphism_legend, ramp_legend
from searches.diagrams.family import generations, ramp_of
from searches.nash import SearchConfig
from searches.nash.config import COMPARISONS
from tests.searches.drawings import Snapshot, drawn, having, in_state, is_golden, node, played, words

SMALL = SearchConfig(n_steps=2, n_neigh=4, n_NM=3, epoch_neigh=10)


FINISHED = played(SMALL, 99, "finished")
OPEN = played(SMALL, 7)  # model_0, step 1, two children of step 2


# ------------------------------------------------------------------ what stands where


def test_every_training_is_a_node_with_its_place() -> None:
    root = drawn(lineage_svg(FINISHED))
    for c in FINISHED["candidates"]:
        found = node(root, FINISHED, c["code"])
        assert (found.get("data-candidate"), found.get("data-step")) == (str(c["id"]), str(c["step"]))
        assert (found.get("data-index"), found.get("data-url")) == (str(c["index"]), c["url"])
    assert len(having(root, "node")) == len(FINISHED["candidates"])


def test_the_tree_is_algorithm_1_whatever_is_compared_with_it() -> None:
    compared = played(replace(SMALL, comparisons=COMPARISONS), 99, "finished")
    assert {c["kind"] for c in compared["candidates"]} > {"snapshot", "scratch", "reference"}
    assert lineage_svg(compared) == lineage_svg(FINISHED)


def test_the_parents_own_slot_is_a_hexagon_and_the_last_of_its_row() -> None:
    root = drawn(lineage_svg(FINISHED))
    hexagons = having(root, "is-parent")
    assert [h.get("data-index") for h in hexagons] == ["4", "4"]
    assert all(having(h, "shape")[0].tag.endswith("path") for h in hexagons)
    children = [n for n in having(root, "node") if n not in hexagons]
    assert all(having(n, "shape")[0].tag.endswith("rect") for n in children)


def test_with_one_neighbour_it_is_a_child_and_not_the_parents_slot() -> None:
    config = SearchConfig(n_steps=2, n_neigh=1, n_NM=2)
    root = drawn(lineage_svg(played(config, 99, "finished")))
    assert not having(root, "is-parent")


def test_places_and_size_stay_as_they_are_from_the_first_look_to_the_last() -> None:
    frames = [drawn(lineage_svg(played(SMALL, n))) for n in (0, 1, 3, 5, 8, 9, 10)]
    assert len({(f.get("width"), f.get("height")) for f in frames}) == 1
    places: dict[str, set[tuple[str | None, str | None]]] = {}
    for frame in frames:
        for found in having(frame, "node"):
            shape = having(found, "shape")[0]
            spot = (shape.get("x"), shape.get("y")) if shape.tag.endswith("rect") else (shape.get("d"), None)
            places.setdefault(found.get("id", ""), set()).add(spot)
    assert len(places) == 10
    assert all(len(spots) == 1 for spots in places.values())


def test_steps_to_come_have_the_outlines_of_their_places() -> None:
    root = drawn(lineage_svg(played(SMALL, 0)))
    assert len(having(root, "ghost")) == 3  # two steps and the final training
    [first, *_] = having(root, "ghost")
    assert first.get("d", "").count("M") == SMALL.n_neigh
    assert not having(drawn(lineage_svg(played(SMALL, 3, "stopped"))), "ghost")


def test_very_many_steps_to_come_are_one_row() -> None:
    config = SearchConfig(n_steps=30, n_neigh=4)
    rows = generations(played(config, 3))
    assert [r.label for r in rows] == ["Pretraining", "Step 1", "Step 2", "Steps 3 to 30", "Final training"]
    assert "28 steps of 4" in words(drawn(lineage_svg(played(config, 3))))


# ------------------------------------------------------------------ decided, open, to come


def test_the_winners_path_is_strong_from_model_0_to_the_final_training() -> None:
    root = drawn(lineage_svg(FINISHED))
    ends = [link.get("data-to") for link in having(root, "link-win")]
    codes = {str(c["id"]): c["code"] for c in FINISHED["candidates"]}
    assert [codes[end or ""] for end in ends] == ["1.2", "2.2", "final"]
    assert [words(n)[0] for n in having(root, "is-win")] == ["70.00\u202f%", "1.2", "2.2"]
    assert not having(root, "is-lead")


def test_an_open_step_has_a_leader_and_no_winner() -> None:
    root = drawn(lineage_svg(OPEN))
    [leader] = having(root, "is-lead")
    assert leader is node(root, OPEN, "2.2")
    assert "leads" in words(leader)
    assert len(having(root, "link-lead")) == 1
    assert "is-win" not in node(root, OPEN, "2.2").get("class", "")


@pytest.mark.parametrize(("equal", "leader"), [(("2.1", "2.4"), "2.4"), (("2.1", "2.3"), "2.1")])
def test_a_tie_leads_by_the_rule_the_parent_else_the_lower_j(equal: tuple[str, str], leader: str) -> None:
    snapshot = in_state(OPEN, "2.2", status="pending", val_accuracy=None)
    for code in equal:
        snapshot = in_state(snapshot, code, status="done", val_accuracy=0.9)
    root = drawn(lineage_svg(snapshot))
    assert having(root, "is-lead") == [node(root, snapshot, leader)]


def test_one_that_trains_says_its_epoch_and_fills_its_bar() -> None:
    snapshot = in_state(OPEN, "2.3", status="running", epoch=2.5)
    found = node(drawn(lineage_svg(snapshot)), snapshot, "2.3")
    assert "epoch 3 of 10" in words(found)
    track, fill = having(found, "run-track")[0], having(found, "run-fill")[0]
    assert float(fill.get("width", 0)) == pytest.approx(0.25 * float(track.get("width", 0)), abs=0.1)
    assert having(found, "val")[0].text == "epoch 3 of 10"


def test_one_that_waits_is_dotted_and_says_so() -> None:
    root = drawn(lineage_svg(OPEN))
    found = node(root, OPEN, "2.3")
    assert "pending" in found.get("class", "").split()
    assert "waits" in words(found)
    dotted = {link.get("data-to") for link in having(root, "link-wait")}
    assert found.get("data-candidate") in dotted


@pytest.mark.parametrize(
    ("status", "seal", "word"),
    [
        ("diverged", None, "diverged"),
        ("too_big", None, "too big"),
        ("failed", None, "failed"),
        ("failed", {"holds": False}, "seal broken"),
        ("failed", {"holds": True}, "failed"),
        ("cancelled", None, "stopped"),
    ],
)
def test_one_that_failed_says_why(status: str, seal: dict[str, bool] | None, word: str) -> None:
    snapshot = in_state(OPEN, "2.1", status=status, val_accuracy=None, seal=seal)
    found = node(drawn(lineage_svg(snapshot)), snapshot, "2.1")
    assert "failed" in found.get("class", "").split()
    assert word in words(found)
    assert word in found.get("aria-label", "")


def test_the_test_accuracy_is_shown_only_when_the_final_training_has_ended() -> None:
    before = played(SMALL, 9)
    assert not [w for w in words(drawn(lineage_svg(before))) if "test accuracy" in w]
    found = node(drawn(lineage_svg(FINISHED)), FINISHED, "final")
    assert words(found)[0].startswith("80.00\u202f% test accuracy · 20.00\u202f% error")


def test_glyphs_stand_in_the_order_drawn() -> None:
    root = drawn(lineage_svg(FINISHED))
    shapes = {icon["words"]: drawn(icon["svg"])[0].get("d") for icon in morphism_legend()}
    for c in FINISHED["candidates"]:
        if c["morphisms"]:
            marks = [g[0].get("d") for g in having(node(root, FINISHED, c["code"]), "glyph")]
            assert marks[: len(c["morphisms"])] == [shapes[m["kind"]] for m in c["morphisms"]]


# ------------------------------------------------------------------ the ramp


def test_the_ramp_ends_at_whole_per_cents_around_what_is_decided() -> None:
    assert (ramp_of(FINISHED).low, ramp_of(FINISHED).high) == (0.70, 0.80)
    far = in_state(OPEN, "2.1", val_accuracy=0.95)
    assert ramp_of(far) == ramp_of(OPEN)  # an open step moves nothing
    assert "acc-7" in node(drawn(lineage_svg(far)), far, "2.1").get("class", "").split()
    root = drawn(lineage_svg(FINISHED))
    assert (root.get("data-ramp-low"), root.get("data-ramp-high")) == ("70\u202f%", "80\u202f%")
    key = ramp_legend(FINISHED)
    assert (key["low"], key["high"]) == ("70\u202f%", "80\u202f%")


def test_a_ramp_of_equal_accuracies_and_of_none_still_has_two_ends() -> None:
    one = played(SMALL, 1)
    assert (ramp_of(one).low, ramp_of(one).high) == (0.70, 0.71)
    assert (ramp_of(played(SMALL, 0)).low, ramp_of(played(SMALL, 0)).high) == (0.0, 1.0)
    assert ramp_of(one).step(0.7) == 1
    assert ramp_of(one).step(1.0) == 7
    perfect = in_state(one, "model_0", val_accuracy=1.0)
    assert (ramp_of(perfect).low, ramp_of(perfect).high) == (0.99, 1.0)


# ------------------------------------------------------------------ readers, keyboards, policies


def test_it_is_a_tree_of_groups_with_one_tab_stop() -> None:
    root = drawn(lineage_svg(OPEN, selected=3))
    assert root.get("role") == "tree"
    groups = [e for e in root if e.get("role") == "group"]
    assert [g.get("aria-label") for g in groups] == ["Pretraining", "Step 1", "Step 2"]
    items = [e for e in root.iter() if e.get("role") == "treeitem"]
    assert [e for g in groups for e in g if e.get("role") == "treeitem"] == items
    assert [e.get("id") for e in items if e.get("tabindex") == "0"] == ["node-3"]
    assert [e.get("id") for e in items if e.get("aria-selected") == "true"] == ["node-3"]
    assert {e.get("aria-level") for e in items} == {"1", "2", "3"}


def test_without_a_choice_the_best_is_the_tab_stop() -> None:
    items = having(drawn(lineage_svg(OPEN)), "node")
    [stop] = [e.get("id") for e in items if e.get("tabindex") == "0"]
    assert stop == f"node-{OPEN['best']}"


@pytest.mark.parametrize("snapshot", [OPEN, FINISHED, in_state(OPEN, "2.3", status="running", epoch=1.0)])
@pytest.mark.parametrize("width", [334, 896])
def test_a_nodes_name_begins_with_what_is_seen(snapshot: Snapshot, width: int) -> None:
    for found in having(drawn(lineage_svg(snapshot, width=width)), "node"):
        seen = " ".join(words(found))
        assert found.get("aria-label", "").startswith(f"{seen}. ")


@pytest.mark.parametrize("width", [334, 640, 896, 1160])
def test_a_tree_keeps_the_content_security_policy(width: int) -> None:
    hostile = in_state(OPEN, "2.1", url='/x/"><script>alert(1)</script>', code="<b>2.1</b>\x00")
    svg = lineage_svg(hostile, width=width)
    assert "<script" not in svg
    assert "<b>" not in svg
    assert "style" not in {name for e in drawn(svg).iter() for name in e.attrib}
    assert not [e for e in drawn(svg).iter() if e.tag.endswith("style")]


def test_a_tree_as_a_file_of_its_own_carries_its_style() -> None:
    [style] = [e for e in drawn(lineage_svg(FINISHED, standalone=True)).iter() if e.tag.endswith("style")]
    assert ".tree .node" in (style.text or "")
    assert "var(" not in (style.text or "")


# ------------------------------------------------------------------ golden files


def test_the_trees_are_the_golden_ones() -> None:
    running = in_state(OPEN, "2.3", status="running", epoch=4.2)
    failed = in_state(running, "1.1", status="diverged", val_accuracy=None)
    assert is_golden("lineage-open", lineage_svg(failed))
    assert is_golden("lineage-finished", lineage_svg(FINISHED, selected=3))
    assert is_golden("lineage-phone", lineage_svg(running, width=334))


# ------------------------------------------------------------------ extended, cut short


def extended() -> Snapshot:
    """A search of two steps that has finished and goes on to three: its first child is trained."""
    longer = played(replace(SMALL, n_steps=3), 10)
    final = next(c for c in FINISHED["candidates"] if c["kind"] == "final")
    earlier = {**final, "id": 99, "code": "final 2"}
    return {**longer, "candidates": [*longer["candidates"], earlier]}


def has_link(root: ET.Element, id_: str) -> bool:
    return any(e.get("data-to") == id_ for e in root.iter())


def test_an_earlier_final_training_has_a_row_of_its_own_behind_its_step() -> None:
    rows = generations(extended())
    assert [(row.kind, row.label) for row in rows] == [
        ("pretrain", "Pretraining"), ("neighbour", "Step 1"), ("neighbour", "Step 2"),
        ("final", "Final, 2 steps"), ("neighbour", "Step 3"), ("final", "Final training"),
    ]  # fmt: skip
    assert [m.code for m in rows[3].members] == ["final 2"]
    assert not rows[5].members
    ids = {c["code"]: str(c["id"]) for c in extended()["candidates"]}
    root = drawn(lineage_svg(extended()))
    assert {"3.1", "3.2"} <= {code for code, id_ in ids.items() if has_link(root, id_)}
    assert node(root, extended(), "final 2") is not None


def test_a_step_that_was_cut_short_is_not_in_the_tree() -> None:
    open_step = played(SMALL, 5)
    cut = {**open_step, "config": {**open_step["config"], "n_steps": 1}}
    assert [row.label for row in generations(cut)] == ["Pretraining", "Step 1", "Final training"]
