"""The benchmarks measure what they say: same networks, same data, honest windows. Their numbers are nobody's here."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as main
from benchmarks import data_path, ours, peak, plain, quiet, report, train
from benchmarks.measured import work_of
from benchmarks.measures import GOALS, Measure, divided, goal_words, printed, read_json, write_json
from benchmarks.networks import GROWN, NAMES, architecture, grown
from benchmarks.settings import Settings
from benchmarks.windows import Ended, Windows
from searches.nash.architecture import Architecture
from searches.nash.data import load_dataset
from searches.nash.network import Network
from tests.nash.networks import random_network


class Enough(Exception):
    """Raised by the tests where a measured process would be ended."""


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def steps_of(work, n: int = 2) -> list[int]:
    """What a kind of work tells after its first n steps."""
    told: list[int] = []

    def done(n_images: int) -> None:
        told.append(n_images)
        if len(told) == n:
            raise Enough

    with pytest.raises(Enough):
        work(done)
    return told


# ---------------------------------------------------------------------- networks


def test_the_grown_network_is_what_its_morphisms_make():
    kept = architecture("C")
    assert kept == grown() == Architecture.from_dict(json.loads(GROWN.read_text()))
    blocks = [kept.node(name) for name in kept.blocks]
    assert len(blocks) == 8
    assert sum(block.kernel == 5 for block in blocks) == 3
    assert sorted(node.op for node in kept.nodes if node.op in ("concat", "mix")) == ["concat", "mix"]
    assert kept.n_parameters == pytest.approx(1e6, rel=0.05)


def with_weights_of(network: Network) -> plain.PlainNetwork:
    """The plain network with the same weights and statistics; its convolutions' biases are zero."""
    twin = plain.PlainNetwork(network.architecture).double()
    with torch.no_grad():
        for name, module in network.named_children():
            if hasattr(module, "lam"):
                twin.lambdas[name].copy_(module.lam)
            elif hasattr(module, "bn"):
                twin.layers[name][0].weight.copy_(module.conv.weight)
                twin.layers[name][0].bias.zero_()
                twin.layers[name][1].load_state_dict(module.bn.state_dict())
            else:
                twin.layers[name].load_state_dict(module.state_dict())
    return twin


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [False, True])
def test_the_plain_network_computes_what_ours_computes(name, training):
    network = random_network(architecture(name, (3, 8, 8)), seed=3)
    x = torch.randn(6, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mine, theirs = network.train(training)(x), with_weights_of(network).train(training)(x)
    assert torch.allclose(mine, theirs, rtol=1e-9, atol=1e-9)


def test_the_plain_network_has_the_parameters_of_ours_and_the_biases_that_torch_adds():
    ours_, theirs = architecture("C"), plain.PlainNetwork(architecture("C"))
    biases = sum(node.channels for node in ours_.nodes if node.op == "conv")
    assert sum(p.numel() for p in theirs.parameters()) == ours_.n_parameters + biases


def test_the_plain_recipe_crops_flips_and_normalises_pictures(digits):
    colour = replace(digits, images=digits.images.repeat(1, 3, 1, 1), flips=True)
    for dataset, channels in ((digits, 1), (colour, 3)):
        images, labels = next(iter(plain.loader_of(dataset, num_workers=0)))
        assert images.shape == (128, channels, 8, 8)
        assert images.dtype == torch.float32
        assert abs(float(images.mean())) < 0.3
        assert labels.shape == (128,)


# ---------------------------------------------------------------------- work and windows


@pytest.mark.parametrize(
    ("kind", "n"),
    [("plain", 128), ("plain forward", 128), ("ours", 128), ("bare step", 128), ("our validation", 250)],
)
def test_each_kind_of_work_tells_how_many_images_a_step_had(kind, n):
    work = work_of({"kind": kind, "network": "A", "data": "digits", "num_workers": 0})
    assert steps_of(work) == [n, n]


def test_a_matrix_product_counts_its_multiply_accumulates():
    assert steps_of(work_of({"kind": "matmul", "dtype": "bfloat16", "side": 16})) == [16**3, 16**3]


def test_the_bare_step_trains_on_a_batch_that_lies_ready(digits, monkeypatch):
    seen = []
    plain = ours.FixedBatch.crop_rows
    monkeypatch.setattr(ours.FixedBatch, "crop_rows", lambda *asked: seen.append(asked[0].batch) or plain(*asked))
    network = architecture("A", digits.input_shape)
    steps_of(lambda done: ours.train_fixed_batch(network, digits, done))
    first, second = seen
    assert first is second
    assert first.shape == (128, 1, 8, 8)


def test_a_window_counts_whole_steps_and_leaves_its_tail_out():
    ask = io.StringIO('{"seconds": 0, "steps": 3, "tail": 0}\n{"seconds": 0, "steps": 1, "tail": 0.02}\n')
    answer = io.StringIO()
    windows, called = Windows(ask, answer), 0

    def work() -> None:
        nonlocal called
        while True:
            called += 1
            windows(10)

    with pytest.raises(Ended):
        work()
    warm_up, window = (json.loads(line) for line in answer.getvalue().splitlines())
    assert warm_up["n"] == 30
    assert window["n"] == 10
    assert 0 < window["seconds"] < 0.02
    assert called > 1 + 3 + 1, "the tail goes on with steps that no window counts"


def test_more_workers_than_none_are_only_taken_where_they_are_faster(monkeypatch):
    monkeypatch.setattr(train, "measure", lambda groups, **turns: {"0": [10.0, 11.0], "2": [8.0, 30.0, 9.0]})
    assert train.faster_workers("A", Settings("digits", (0, 1))) == 0


def test_other_work_is_the_time_of_all_cores_that_was_not_idle(monkeypatch, capsys):
    before = "cpu  100 10 50 1000 40 0 0 0 0 0\ncpu0 1 1 1 1 1 0 0 0 0 0\n"
    after = "cpu  120 10 55 1150 60 0 5 0 0 0\ncpu0 1 1 1 1 1 0 0 0 0 0\n"
    assert quiet.busy_share(before, after) == pytest.approx(30 / 200)
    monkeypatch.setattr(quiet, "others", lambda: 0.15)
    assert quiet.warn_if_busy() == 0.15
    assert "15 % of this machine" in capsys.readouterr().err
    monkeypatch.setattr(quiet, "others", lambda: 0.01)
    assert quiet.warn_if_busy() == 0.01
    assert not capsys.readouterr().err


# ---------------------------------------------------------------------- measures


def test_the_goals_are_those_of_the_issue():
    assert {name: GOALS[name] for name in sorted(GOALS)} == {
        "bf16_peak_share_two_C": 0.45,
        "data_path_cost": 0.06,
        "epoch_to_pixel_p95_ms": 300.0,
        "eval_ratio_B": 6.0,
        "export_seconds": 30.0,
        "import_ratio": 1.7,
        "largest_frame_bytes": 8000.0,
        "page_2000_interactive_ms": 2000.0,
        "page_requests_after_load": 0.0,
        "push_lost": 0.0,
        "push_p99_ms_200": 250.0,
        "push_web_growth_mb": 20.0,
        "queue_overhead_seconds_per_child": 0.5,
        "request_p95_ms": 200.0,
        "search_overhead": 0.03,
        "train_ratio_A": 3.6,
        "train_ratio_B": 3.9,
        "train_ratio_C": 4.5,
        "train_ratio_two_A": 4.5,
        "train_ratio_two_B": 4.4,
        "train_ratio_two_C": 5.6,
        "tree_2000_frame_p95_ms": 17.0,
        "two_workers_speedup": 1.7,
    }


def test_ratios_are_those_of_medians():
    rates = {"plain": [100.0, 90.0, 500.0], "ours": [400.0, 390.0, 410.0], "two": [450.0, 480.0, 900.0]}
    measures = train.measures_of("A", rates)
    assert measures["train_ratio_A"] == Measure(4.0, "x")
    assert measures["train_ratio_two_A"] == Measure(4.8, "x")
    assert measures["two_over_one_A"] == Measure(1.2, "x")
    assert measures["plain_images_per_second_A"] == Measure(100.0, "images/s")


def test_the_share_of_the_peak_counts_forward_and_both_gradients():
    rates = {"C": {"ours": [100.0], "two": [200.0]}}
    measures = peak.measures_of({"bfloat16": 1e12}, rates)
    assert measures["bf16_peak_share_two_C"].value == pytest.approx(6 * architecture("C").n_macs * 200 / 1e12)
    assert measures["bf16_peak_share_C"].value == pytest.approx(measures["bf16_peak_share_two_C"].value / 2)


def test_a_peak_that_would_be_emulated_is_left_out(monkeypatch, capsys):
    monkeypatch.setattr(peak, "cpu_bfloat16", lambda: None)
    monkeypatch.setattr(peak, "measure", lambda groups, **turns: {side: [float(side)] for side in groups})
    peaks = peak.peaks_of(Settings("digits", (0, 1)))
    assert peaks == {"float32": 2.0 * max(peak.SIDES)}
    assert peak.measures_of(peaks, {"C": {"ours": [100.0], "two": [200.0]}}).keys() == {"matmul_peak_float32"}
    assert "no bfloat16" in capsys.readouterr().err


def test_the_data_path_costs_what_the_bare_step_does_not_take(monkeypatch):
    monkeypatch.setattr(data_path, "measure", lambda groups, **turns: {"ours": [95.0], "bare": [100.0]})
    measures = data_path.measures_of(Settings("digits", (0, 1)))
    costs = {name: measure.value for name, measure in measures.items() if measure.unit == "share"}
    assert costs == pytest.approx({"data_path_cost": 0.05, "data_path_cost_B": 0.05, "data_path_cost_C": 0.05})
    assert data_path.measures_of(Settings("digits", (0, 1), ("A",))).keys() == {
        "data_path_cost", "bare_step_images_per_second_A",
    }  # fmt: skip


def test_both_commands_keep_their_measures_in_one_file_and_show_their_own(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(report, "BUILD", tmp_path)
    monkeypatch.setattr(main, "BUILD", tmp_path)
    of_pages = {name: Measure(1.0, "ms") for name in ("epoch_to_pixel_p95_ms", "request_addresses", "push_lost")}
    write_json({"train_ratio_A": Measure(3.0, "x"), **of_pages}, tmp_path / "bench.json")
    main.keep({"train_ratio_A": Measure(4.0, "x")}, [0.0], quick=False, docs=False)
    assert read_json(tmp_path / "bench.json") == {"train_ratio_A": Measure(4.0, "x"), **of_pages}
    assert "epoch_to_pixel" not in (tmp_path / "bench.md").read_text()
    assert divided(read_json(tmp_path / "bench.json")) == ({"train_ratio_A": Measure(4.0, "x")}, of_pages)


def test_measures_are_written_with_value_unit_and_goal(tmp_path: Path):
    measures = {"two_over_one_A": Measure(1.2, "x"), "train_ratio_A": Measure(4.0, "x")}
    path = tmp_path / "build" / "bench.json"
    write_json(measures, path)
    assert json.loads(path.read_text()) == {
        "two_over_one_A": {"value": 1.2, "unit": "x", "goal": None},
        "train_ratio_A": {"value": 4.0, "unit": "x", "goal": 3.6},
    }
    assert read_json(path) == measures
    assert printed(measures).splitlines()[2] == "| train_ratio_A | 4.000 x | ≥ 3.6, reached |"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("data_path_cost", 0.05, "≤ 0.06, reached"),
        ("data_path_cost", 0.07, "≤ 0.06, missed"),
        ("eval_ratio_B", 5.9, "≥ 6, missed"),
        ("two_over_one_A", 1.2, ""),
    ],
)
def test_a_goal_says_whether_it_is_reached(name, value, words):
    assert goal_words(name, value) == words


# ---------------------------------------------------------------------- whole commands


@pytest.mark.slow
def test_the_smoke_run_measures_every_part_in_processes_of_their_own(tmp_path: Path, monkeypatch, capsys):
    from benchmarks import __main__ as bench
    from searches.slots import usable_cores

    if len(usable_cores()) < 2:
        pytest.skip("the benchmarks need two cores")
    for module in (bench, bench.put_table.__globals__):
        (monkeypatch.setitem if isinstance(module, dict) else monkeypatch.setattr)(module, "BUILD", tmp_path)
    monkeypatch.setattr("sys.argv", ["benchmarks", "--quick", "--data", "digits"])
    bench.main()
    measures = read_json(tmp_path / "bench-quick.json")
    of_the_web = ("epoch_to_pixel", "push_", "page_", "request_", "largest_frame", "tree_")  # of bench-web
    of_large_networks = ("ratio_B", "ratio_C", "_two_B", "_two_C")
    wanted = {name for name in GOALS if not name.startswith(of_the_web) and not name.endswith(of_large_networks)}
    assert wanted | {"eval_ratio_B", "eval_argmax_agreement_B"} <= measures.keys()
    assert 0.9 < measures["eval_argmax_agreement_B"].value <= 1
    assert 0 < measures["search_overhead"].value < 1
    assert (tmp_path / "bench-quick.md").read_text() in capsys.readouterr().out
