"""A whole search in one process: its events, its bits, its errors."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from searches.nash.devices import OutOfMemory
from searches.nash.evaluation import evaluate
from searches.nash.export import weights_sha256
from searches.nash.hillclimb import Outcome, plan
from searches.nash.network import Network
from searches.nash.runner import SearchFailed, execute, run_search
from searches.nash.training import Diverged, Training

from .images import TINY

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def search(digits):
    """One whole search: its result and its events."""
    torch.set_num_threads(1)
    events = []
    return run_search(TINY, digits, events.append, device="cpu"), events


def test_a_search_ends_with_a_network_tested_once_in_float32(search, digits):
    result, _ = search
    exact = evaluate(result.network, digits.test_images, digits.test_labels, dtype=torch.float32)
    assert result.test_accuracy == exact
    np.testing.assert_allclose(result.final.test_softmax.sum(1), 1, rtol=1e-6)
    assert result.final.test_softmax.shape == (60, 10)
    assert (result.final.test_softmax.argmax(1) == digits.test_labels.numpy()).mean() == pytest.approx(exact)


def test_a_search_may_be_tested_on_a_part_of_the_test_images(search, digits):
    result, _ = search
    config = TINY.replace(n_test=20)
    trained = execute(result.history[-1].job, config, digits, result.network)
    _, labels = digits.test_part(TINY.seed, 20)
    assert trained.test_softmax.shape == (20, 10)
    assert trained.test_accuracy == (trained.test_softmax.argmax(1) == labels.numpy()).mean()
    with pytest.raises(ValueError, match="n_test=61"):
        run_search(TINY.replace(n_test=61), digits)


def test_a_search_is_what_plan_wants_and_nothing_else(search):
    result, _ = search
    keys = [o.job.key for o in result.history]
    assert len(keys) == len(set(keys)) == 1 + TINY.n_steps * TINY.n_neigh + 1
    assert plan(result.config, result.history) == []
    assert all(o.status == "done" for o in result.history)


def test_the_final_training_sees_all_images_and_keeps_the_searchs_normalisation(search, digits, monkeypatch):
    result, _ = search
    split = digits.split(TINY.seed)
    pixels = digits.images[split.train].double() / 255
    assert float(result.network.mean) == pytest.approx(float(pixels.mean()), rel=1e-6)
    steps = {}
    monkeypatch.setattr(Training, "run", lambda self: steps.update(n=self.n_images, v=self._validation) or iter(()))
    execute(result.history[-1].job, TINY, digits, result.network)
    assert steps == {"n": 300, "v": None}
    execute(result.history[-1].job, TINY.replace(n_training=100), digits, result.network)
    assert steps == {"n": 100 + 60, "v": None}


def test_events_tell_the_search_from_beginning_to_end(search):
    result, events = search
    names = [event["event"] for event in events]
    assert names[:3] == ["search_created", "step_planned", "candidate_started"]
    assert names.count("candidate_ended") == len(result.history)
    assert names.count("step_decided") == 1 + TINY.n_steps
    assert names.count("epoch") == TINY.epoch_budget
    sealed = [o for o in result.history if o.job.morphisms]
    assert names.count("seal") == len(sealed)
    ended = [event for event in events if event["event"] == "candidate_ended"]
    assert [event["val_accuracy"] for event in ended] == [o.val_accuracy for o in result.history]
    assert ended[-1]["test_accuracy"] == result.test_accuracy


def test_the_same_seed_finds_the_same_bits(search, digits):
    result, _ = search
    again = run_search(TINY, digits, device="cpu")
    assert [(o.job.key, o.val_accuracy) for o in again.history] == [
        (o.job.key, o.val_accuracy) for o in result.history
    ]
    assert weights_sha256(again.network) == weights_sha256(result.network)


def test_another_process_finds_the_same_bits(search):
    result, _ = search
    code = (
        "import torch; torch.set_num_threads(1)\n"
        "from searches.nash.export import load_weights, save_weights, weights_sha256\n"
        "from searches.nash.runner import run_search\n"
        "from tests.nash.images import TINY, few_digits\n"
        "print(weights_sha256(run_search(TINY, few_digits(), device='cpu').network))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == weights_sha256(result.network)


def test_shape_and_classes_come_from_the_data_set(search):
    result, _ = search
    assert (result.config.input_shape, result.config.n_classes) == ((1, 8, 8), 10)
    assert run_search.__defaults__ == (None,)


def failing(monkeypatch, fails, error):
    """Let trainings for which fails(training) is true end with the error at their first step."""
    take = Training._take

    def perhaps(self, *arguments):
        if fails(self):
            raise error
        take(self, *arguments)

    monkeypatch.setattr(Training, "_take", perhaps)


def statuses(result_or_events):
    return {e["code"]: e["status"] for e in result_or_events if e["event"] == "candidate_ended"}


def is_child(training):
    is_neighbour = training.evaluate_start and training._validation is not None
    return is_neighbour and training.network.architecture.n_parameters > smallest_child()


def smallest_child():
    return TINY.initial_architecture().n_parameters


def test_children_that_diverge_do_not_end_the_search(digits, monkeypatch):
    events = []
    failing(monkeypatch, is_child, Diverged("the loss is nan"))
    result = run_search(TINY, digits, events.append, device="cpu")
    assert statuses(events) == {
        "model_0": "done", "1.1": "diverged", "1.2": "diverged", "1.3": "done",
        "2.1": "diverged", "2.2": "diverged", "2.3": "done", "final": "done",
    }  # fmt: skip
    assert result.network.architecture == TINY.initial_architecture()


def test_a_child_too_big_for_memory_is_tried_once_more_in_two_parts(digits, monkeypatch):
    config, tried = TINY.replace(n_steps=1), []

    def fails(training):
        tried.append(training.accumulate)
        return is_child(training)

    events = []
    failing(monkeypatch, fails, OutOfMemory("can't allocate memory"))
    run_search(config, digits, events.append, device="cpu")
    assert statuses(events) == {
        "model_0": "done", "1.1": "too_big", "1.2": "too_big", "1.3": "done", "final": "done",
    }  # fmt: skip
    assert tried.count(2) == 2

    tried.clear()
    events.clear()
    monkeypatch.undo()
    failing(monkeypatch, lambda t: is_child(t) and t.accumulate == 1, OutOfMemory("can't allocate memory"))
    run_search(config, digits, events.append, device="cpu")
    assert set(statuses(events).values()) == {"done"}
    assert [e["code"] for e in events if e["event"] == "warning"] == ["1.1", "1.2"]


def test_a_search_whose_pretraining_diverges_fails_by_name(digits, monkeypatch):
    failing(monkeypatch, lambda _: True, Diverged("the loss is nan"))
    with pytest.raises(SearchFailed, match="model_0 ended as diverged"):
        run_search(TINY, digits, device="cpu")


def test_a_search_can_be_stopped_at_any_batch(digits):
    class Stop(Exception):
        pass

    def stop():
        raise Stop

    with pytest.raises(Stop):
        run_search(TINY, digits, device="cpu", on_batch=stop)


def test_random_networks_are_a_search_with_one_neighbour(digits):
    result = run_search(TINY.replace(n_neigh=1, n_steps=1), digits, device="cpu")
    assert [o.job.code for o in result.history] == ["model_0", "1.1", "final"]
    assert result.history[1].job.morphisms
    assert isinstance(result.history[0], Outcome)
    assert isinstance(result.network, Network)
