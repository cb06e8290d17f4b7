"""The engine's own command line."""

import json
import subprocess
import sys

import pytest
import torch

from searches.nash.__main__ import main
from searches.nash.data import load_dataset
from searches.nash.evaluation import evaluate
from searches.nash.network import Network

SMALL = ["n_steps=1", "n_neigh=2", "n_NM=1", "epoch_pretrain=1", "epoch_neigh=1", "epoch_final=1", "channels=4,4,4"]


@pytest.fixture(autouse=True)
def thread_count_stays():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_search_prints_an_event_a_line_and_its_result_last(capsys, tmp_path):
    out = tmp_path / "model.zip"
    code = main(["--data", "digits", "--preset", "demo", "--set", *SMALL, "--out", str(out), "--threads", "1"])
    *events, last = lines(capsys.readouterr().out)
    assert code == 0
    assert events[0]["event"] == "search_created"
    ended = [e for e in events if e["event"] == "candidate_ended"]
    assert [e["code"] for e in ended] == ["model_0", "1.1", "1.2", "final"]
    for name in ("kind", "step", "index", "val_accuracy", "n_parameters", "seal", "seconds"):
        assert name in ended[1]
    assert ended[1]["seal"]["holds"]
    assert {"test_error", "n_parameters", "wall_seconds"} <= set(last)
    digits, network = load_dataset("digits"), Network.load(out)
    assert 1 - evaluate(network, digits.test_images, digits.test_labels) == pytest.approx(last["test_error"])
    assert network.architecture.n_parameters == last["n_parameters"]


def test_the_last_line_has_what_the_search_is_compared_with(capsys):
    settings = [*SMALL, "comparisons=scratch,model_0-final", "neighbour_rate=0.01"]
    assert main(["--data", "digits", "--preset", "demo", "--set", *settings, "--threads", "1"]) == 0
    *events, last = lines(capsys.readouterr().out)
    scratch, model_0 = last["comparisons"]
    assert (scratch["code"], scratch["status"], scratch["epochs"]) == ("from scratch", "done", 3)
    assert (model_0["code"], model_0["epochs"]) == ("model_0, final budget", 1)
    assert scratch["n_parameters"] == last["n_parameters"] >= model_0["n_parameters"]
    tested = {e["code"]: e["test_accuracy"] for e in events if e["event"] == "candidate_ended"}
    for compared in last["comparisons"]:
        assert compared["test_error"] == pytest.approx(1 - tested[compared["code"]])
    assert last["test_error"] == pytest.approx(1 - tested["final"])


def test_the_module_runs_as_a_program_with_the_paper_settings_changed_one_by_one(tmp_path):
    settings = [word for text in SMALL for word in ("--set", text)]
    command = [sys.executable, "-m", "searches.nash", "--data", "digits", *settings, "--threads", "1"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert lines(run.stdout)[-1]["event"] == "result"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--set", "n_steps=0"], "n_steps: 0 is outside the allowed range"),
        (["--set", "n_step=2"], "n_step: not a setting"),
        (["--set", "n_steps"], "n_steps: give it as name=value"),
        (["--preset", "huge"], "preset: 'huge' is none of demo, small"),
        (["--set", "n_test=5000"], "n_test=5000: digits has 300 test images"),
        (["--set", "n_validation=5000"], "n_validation=5000: digits has 1497 training images"),
        (["--set", "precision=half"], "precision: 'half' is none of"),
        (["--set", "comparisons=scratch,resnet"], "comparisons: 'resnet' is none of snapshots, scratch"),
        (["--device", "tpu"], "device='tpu'"),
        (["--threads", "0"], "--threads: 0 is below 1"),
        (["--out", "/nowhere/model.zip"], "--out: /nowhere is not a folder"),
        (["--data", "cifar11"], "'cifar11' is neither a data set"),
        (["--set", "channels=16,16,16,16,16"], "channels"),
    ],
)
def test_what_cannot_be_is_one_clear_line_and_exit_code_2(capsys, arguments, complaint):
    assert main(["--data", "digits", "--set", *SMALL, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert complaint in err


@pytest.mark.parametrize("arguments", [[], ["--data"], ["--data", "digits", "--threads", "many"], ["--what"]])
def test_a_malformed_command_line_is_one_line_and_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_search_without_a_final_model_is_exit_code_1(capsys, tmp_path):
    out = tmp_path / "model.zip"
    rates = ["lambda_start=10", "weight_decay=1", "precision=float32", "epoch_pretrain=5", "clip_gradient_norm="]
    arguments = ["--data", "digits", "--set", *SMALL, "--set", *rates, "--out", str(out), "--threads", "1"]
    code = main(arguments)
    captured = capsys.readouterr()
    assert code == 1, captured.out.splitlines()[-1]
    assert captured.err.startswith("error: no candidate survived: model_0 ended as diverged")
    assert not out.exists()
