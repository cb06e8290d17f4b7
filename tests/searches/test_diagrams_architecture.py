"""The drawing of a network: everything that is in it is drawn once, where it belongs, the same every time."""

import random
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from searches.diagrams import architecture_svg, thumbnail_scale, thumbnail_svg
from searches.diagrams.architecture import one_column_layout
from searches.diagrams.columns import laid_out
from searches.diagrams.layout import DENSE, NORMAL
from searches.diagrams.parts import parts_of
from searches.diagrams.svg import polyline, text_width
from searches.nash import Architecture, Bounds, Deepen, SkipAdd, SkipConcat, Widen, draw_morphisms
from searches.nash.references import wide_resnet
from tests.searches.drawings import chain, drawn, having, is_golden, large

WIDTHS = (334, 376, 1176)
JOINS = ("concat", "mix", "add")


def rows_marked(root: ET.Element, mark: str) -> set[str]:
    return {row.get("data-node", "") for row in having(root, "row") if mark in row.get("class", "").split()}


SAMPLES = [pytest.param(chain(seed, n), id=f"{n} morphisms") for seed, n in ((0, 0), (1, 3), (2, 9), (4, 20))]
SAMPLES += [pytest.param(large(60, 18), id="60 blocks")]
WIDE_RESNETS = {
    "WRN-16-4": wide_resnet(16, 4),
    "WRN-28-10": wide_resnet(28, 10),
    "of 8 px": wide_resnet(16, 4, (1, 8, 8)),
}
SAMPLES += [pytest.param(net, id=name) for name, net in WIDE_RESNETS.items()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("net", SAMPLES)
def test_every_node_of_the_trunk_is_drawn_once_and_every_skip_once(net: Architecture, width: int) -> None:
    root = drawn(architecture_svg(net, width=width))
    rows = [row.get("data-node") for row in having(root, "row")]
    blocks = [name for name in rows if name in net.blocks]
    assert sorted(blocks) == sorted(net.blocks)
    assert len(rows) == len(set(rows))
    assert len(rows) + sum(s.pools + (s.projection is not None) for s in parts_of(net).skips) == len(net.nodes)
    names = [e.text for e in having(root, "name")]
    assert [n for n in names if n in net.blocks] == blocks
    joins = [node.name for node in net.nodes if node.op in JOINS]
    assert sorted(s.get("data-skip", "") for s in having(root, "skip")) == sorted(joins)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("net", SAMPLES)
def test_a_drawing_keeps_the_content_security_policy(net: Architecture, width: int) -> None:
    svg = architecture_svg(net, chain(1, 1), width=width)
    root = drawn(svg)
    assert "style" not in {name for e in root.iter() for name in e.attrib}
    assert {e.tag.split("}")[1] for e in root.iter()} <= {
        "svg", "g", "rect", "circle", "path", "text", "tspan", "title",
    }  # fmt: skip


@pytest.mark.parametrize("net", SAMPLES)
def test_concatenations_keep_to_the_right_and_additions_to_the_left(net: Architecture) -> None:
    parts = parts_of(net)
    _, column, legs = one_column_layout(parts, NORMAL, 376)
    kinds = {node.name: node.op for node in net.nodes}
    for leg in legs:
        assert (column.lane_x(leg) > column.centre) == (kinds[leg.skip.join] == "concat")


@pytest.mark.parametrize("width", [334, 376, 560])
@pytest.mark.parametrize("net", SAMPLES)
def test_skips_that_share_a_lane_do_not_meet(net: Architecture, width: int) -> None:
    sizes = NORMAL if len(parts_of(net).rows) <= 24 else DENSE
    _, column, legs = one_column_layout(parts_of(net), sizes, width)
    _check_lanes([legs])
    for leg in legs:
        if leg.lane is not None:
            assert 12 < column.lane_x(leg) < width - 12


@pytest.mark.parametrize("seed", range(3))
def test_skips_of_a_drawing_in_columns_do_not_meet_either(seed: int) -> None:
    sheet = laid_out(parts_of(large(60, 18, seed)), DENSE, 1176)
    _check_lanes(sheet.legs)
    for column, legs in zip(sheet.columns, sheet.legs, strict=True):
        for leg in legs:
            assert leg.lane is not None, "18 skips all find a lane at this width"
            assert column.x < column.lane_x(leg) < column.x + column.width


def _check_lanes(columns) -> None:
    for legs in columns:
        taken: dict[tuple[int, int | None], list[tuple[float, float]]] = {}
        for leg in legs:
            if leg.lane is not None:
                taken.setdefault((leg.side, leg.lane), []).append((leg.top, leg.bottom))
        for spans in taken.values():
            spans.sort()
            assert all(a[1] < b[0] for a, b in pairwise(spans))


def test_a_skip_that_finds_no_lane_is_still_drawn_at_both_its_ends() -> None:
    net = Architecture.initial()
    for _ in range(30):
        net = Deepen(net.blocks[-1], 3).apply(net).architecture
    for source in net.blocks[:30]:
        net = SkipAdd(source, net.blocks[-1]).apply(net).architecture
    root = drawn(architecture_svg(net, width=300))
    assert len(having(root, "skip-add")) == 30
    stubs = [skip for skip in having(root, "skip") if having(skip, "stub")]
    assert stubs
    assert all(len(having(skip, "stub")) == 2 for skip in stubs)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("net", SAMPLES)
def test_pools_and_projections_of_a_skip_lie_on_its_lane(net: Architecture, width: int) -> None:
    parts, root = parts_of(net), drawn(architecture_svg(net, width=width))
    groups = {g.get("data-skip"): g for g in having(root, "skip")}
    for skip in parts.skips:
        g = groups[skip.join]
        if not having(g, "stub"):
            assert len(having(g, "lane-pool")) == skip.pools
            assert len(having(g, "projection")) == (skip.projection is not None)


@pytest.mark.parametrize("seed", range(5))
def test_marks_against_the_parent_are_those_of_the_morphism_record(seed: int) -> None:
    parent = chain(seed, 4)
    morphisms = draw_morphisms(parent, 6, random.Random(100 + seed), Bounds())
    added: set[str] = set()
    widened: set[str] = set()
    net = parent
    for morphism in morphisms:
        change = morphism.apply(net)
        added |= set(change.added)
        widened |= {change.widened[0]} if change.widened else set()
        net = change.architecture
    root = drawn(architecture_svg(net, parent))
    trunk = {row.name for row in parts_of(net).rows}
    assert rows_marked(root, "is-new") == added & trunk
    assert rows_marked(root, "is-wide") == widened - added
    new_skips = {s.get("data-skip") for s in having(root, "skip") if "is-new" in s.get("class", "").split()}
    assert new_skips == {name for name in added if net.node(name).op in JOINS}


def test_without_a_parent_nothing_is_marked() -> None:
    root = drawn(architecture_svg(chain(2, 9)))
    assert not having(root, "is-new")
    assert not having(root, "is-wide")


def test_a_widened_block_shows_its_old_width_inside_its_new_one() -> None:
    parent = Architecture.initial()
    root = drawn(architecture_svg(parent.morphed([Widen("c2", 2)]), parent))
    [row] = having(root, "is-wide")
    outer, core = having(row, "block")[0], having(row, "block-core")[0]
    assert float(outer.get("width", 0)) == 160  # 64 channels
    assert float(core.get("width", 0)) == 120  # the 32 it had
    assert "3×3 · 32 → 64" in "".join(row.itertext())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("net", SAMPLES)
def test_more_channels_are_never_drawn_narrower(net: Architecture, width: int) -> None:
    _, column, _ = one_column_layout(parts_of(net), NORMAL, width)
    channels = sorted({net.node(name).channels for name in net.blocks})
    widths = [column.block_width(c) for c in channels]
    assert widths == sorted(widths)


def test_a_join_says_which_block_it_takes_and_a_mix_its_lambda() -> None:
    net = Architecture.initial().morphed([SkipConcat("c1", "c2"), SkipAdd("c2", "c3")])
    root = drawn(architecture_svg(net, lambdas={"mix1": 0.8349}))
    assert [e.text for e in having(root, "word")] == ["concat c1", "add c2"]
    assert "λ 0.83" in [e.text for e in having(root, "cost")]


def test_many_rows_on_a_wide_sheet_stand_in_a_column_for_each_resolution() -> None:
    net = large(30, 6)
    labels = [e.text for e in having(drawn(architecture_svg(net, width=1100)), "band-label")]
    assert labels == ["32×32", "16×16", "8×8"]
    tops = {e.get("y") for e in having(drawn(architecture_svg(net, width=1100)), "band")}
    assert len(tops) == 1
    assert len({e.get("y") for e in having(drawn(architecture_svg(net, width=376)), "band")}) == 3


def test_a_very_tall_resolution_is_halved_where_there_is_room_for_another_column() -> None:
    net = Architecture.initial()
    for _ in range(40):
        net = Deepen("c3", 3).apply(net).architecture
    tall, halved = (drawn(architecture_svg(net, width=w)) for w in (1100, 1376))
    assert len(having(halved, "band")) == len(having(tall, "band")) + 1
    assert float(halved.get("height", 0)) < 0.8 * float(tall.get("height", 0))


@pytest.mark.parametrize("net", SAMPLES)
def test_equal_networks_are_equal_bytes(net: Architecture) -> None:
    again = Architecture.from_dict(net.to_dict())
    assert architecture_svg(again, width=1176) == architecture_svg(net, width=1176)
    assert thumbnail_svg(again) == thumbnail_svg(net)


def test_a_label_cannot_leave_its_attribute() -> None:
    label = "\"><script>alert('x')</script>\x00&"
    svg = architecture_svg(Architecture.initial(), label=label)
    assert "<script" not in svg
    assert drawn(svg).get("aria-label") == label.replace("\x00", "\ufffd")


def test_a_reader_hears_the_network_in_words() -> None:
    net = Architecture.initial().morphed([SkipConcat("c1", "c3")])
    said = drawn(architecture_svg(net)).get("aria-label", "")
    assert said.startswith("Network: 3 convolution blocks, 2 max-pools, 1 concatenation; ")
    assert f"{net.n_parameters:,} parameters" in said


def test_a_file_of_its_own_carries_the_light_theme_without_custom_properties() -> None:
    net = chain(2, 9)
    alone, page = architecture_svg(net, standalone=True), architecture_svg(net)
    [style] = [e for e in drawn(alone).iter() if e.tag.endswith("style")]
    css = style.text or ""
    assert "var(" not in css
    assert "light-dark(" not in css
    assert ".arch .block" in css
    assert "#ffffff" in css  # --surface by day
    assert "<style" not in page


def test_a_sketch_has_no_words_and_sketches_of_a_line_share_a_scale() -> None:
    line = [chain(2, n) for n in (0, 4, 9)]
    scale = thumbnail_scale(line, height=120)
    sketches = [drawn(thumbnail_svg(net, scale=scale)) for net in line]
    assert not [e for s in sketches for e in s.iter() if e.tag.endswith(("text", "title"))]
    assert max(float(s.get("height", 0)) for s in sketches) == pytest.approx(120, abs=0.1)
    assert [s.get("aria-hidden") for s in sketches] == ["true"] * 3
    assert drawn(thumbnail_svg(line[0], label="Sketch of model_0")).get("aria-label") == "Sketch of model_0"


def test_the_double_line_of_a_concatenation_keeps_its_distance_in_the_corners() -> None:
    outer = polyline([(0, 0), (50, 0), (50, 80), (10, 80)], radius=10, offset=-2)
    inner = polyline([(0, 0), (50, 0), (50, 80), (10, 80)], radius=10, offset=2)
    assert outer == "M0 -2L40 -2Q52 -2 52 10L52 70Q52 82 40 82L10 82"
    assert inner == "M0 2L40 2Q48 2 48 10L48 70Q48 78 40 78L10 78"


# ------------------------------------------------------------------ reference networks


@pytest.mark.parametrize("width", [280, 376, 560])
@pytest.mark.parametrize("name", WIDE_RESNETS)
def test_the_labels_of_a_reference_network_fit_into_their_blocks(name: str, width: int) -> None:
    parts = parts_of(WIDE_RESNETS[name])
    stack, column, legs = one_column_layout(parts, DENSE, width)
    for placed in stack.placed:
        if placed.row.is_block:
            taper = 24 if placed.row.stride > 1 else 0
            room = column.block_width(placed.row.channels) - taper / 2
            assert text_width(placed.row.label, DENSE.font, bold=True) <= room + 1, placed.row.label
    assert all(leg.lane == 0 for leg in legs), "shortcuts follow one another on one lane"


def test_a_reference_network_shows_its_strides_its_norms_as_lines_and_its_shortcuts() -> None:
    net = WIDE_RESNETS["WRN-16-4"]
    root = drawn(architecture_svg(net))
    labels = [e.text for e in having(root, "label")]
    assert labels.count("3×3 · 128 · stride 2") == 1
    assert labels.count("3×3 · 256 · stride 2") == 1
    assert [e.text for e in having(root, "band-label")] == ["32×32", "16×16", "8×8"]
    norms = having(root, "norm")
    assert len(norms) == 13
    assert {norm.get("height") for norm in norms} == {"4"}
    assert len(having(root, "projection")) == 3
    said = root.get("aria-label", "")
    assert said == "Network: 16 convolutions, 6 additions; 2,748,890 parameters"


def test_bands_of_a_reference_network_do_not_meet_and_leave_room_for_their_labels() -> None:
    stack, _, _ = one_column_layout(parts_of(WIDE_RESNETS["WRN-28-10"]), DENSE, 376)
    assert all(b.top - a.bottom >= 16 for a, b in pairwise(stack.bands))


# ------------------------------------------------------------------ golden files


def test_the_drawings_are_the_golden_ones() -> None:
    parent = chain(2, 9)
    child = parent.morphed(draw_morphisms(parent, 4, random.Random(3), Bounds()))
    assert is_golden("architecture-model-0", architecture_svg(Architecture.initial()))
    assert is_golden("architecture-child", architecture_svg(child, parent, width=376))
    assert is_golden("architecture-wide", architecture_svg(large(30, 8), width=1176))
    assert is_golden("architecture-wrn-16-4", architecture_svg(WIDE_RESNETS["WRN-16-4"], width=376))
    assert is_golden("thumbnail", thumbnail_svg(child, parent))
