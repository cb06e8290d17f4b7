"""The paper's comparisons trained: constant rates, children without network morphisms, and what follows the final."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from searches.nash import beginnings, execution, runner
from searches.nash.curves import Diverged, cosine_lr
from searches.nash.evaluation import evaluate
from searches.nash.execution import execute
from searches.nash.export import weights_sha256
from searches.nash.hillclimb import Outcome, plan, winner
from searches.nash.inheritance import inherit_unmodified
from searches.nash.network import Network
from searches.nash.runner import run_search
from searches.nash.streams import derive
from searches.nash.training import Training
from tests.nash.images import TINY

pytestmark = pytest.mark.usefixtures("one_thread")

COMPARED = TINY.replace(comparisons=("snapshots", "scratch", "model_0-final", "model_0-total"))
CODES = ["snapshot 1", "from scratch", "model_0, final budget", "model_0, total budget"]
RATE = 0.02


@dataclass
class Seen:
    """What one training was given, and the weights that it began and ended with."""

    settings: dict
    began: str
    network: Network

    @property
    def ended(self) -> str:
        return weights_sha256(self.network)


def watched_search(config, digits, monkeypatch):
    """The result of a search, its events, and for each code what its training saw."""
    seen, events = [], []

    class Watched(Training):
        def __init__(self, network, *data, **settings):
            seen.append(Seen(settings, weights_sha256(network), network))
            super().__init__(network, *data, **settings)

    monkeypatch.setattr(execution, "Training", Watched)
    result = run_search(config, digits, events.append, device="cpu")
    codes = [outcome.job.code for outcome in result.history]
    return result, events, dict(zip(codes, seen, strict=True))


@pytest.fixture(scope="module")
def compared(digits):
    """One search with all its comparisons: result, events, what each training saw."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield watched_search(COMPARED, digits, monkeypatch)


@pytest.fixture
def tie(monkeypatch):
    """Every validation accuracy counts as the same, so that each step is won by the parent's own slot."""

    def outcome(job, status, val_accuracy, _val_balanced):
        return Outcome(job, status, None if val_accuracy is None else 0.5)

    monkeypatch.setattr(runner, "Outcome", outcome)


# ---------------------------------------------------------------- after the final training


def test_the_search_itself_is_the_same_bits_with_and_without_comparisons(compared, digits):
    result, _, _ = compared
    alone = run_search(TINY, digits, device="cpu")
    assert alone.comparisons == {}
    n = len(alone.history)
    assert result.history[:n] == alone.history
    assert [o.job.code for o in result.history[n:]] == CODES
    assert weights_sha256(result.network) == weights_sha256(alone.network)
    assert result.test_accuracy == alone.test_accuracy


def test_each_comparison_is_tested_in_float32_by_its_code(compared, digits):
    result, _, _ = compared
    assert list(result.comparisons) == CODES
    assert "final" not in result.comparisons
    for trained in result.comparisons.values():
        exact = evaluate(trained.network, digits.test_images, digits.test_labels, dtype=torch.float32)
        assert trained.test_accuracy == exact
        assert (trained.test_softmax.argmax(1) == digits.test_labels.numpy()).mean() == pytest.approx(exact)
        assert (trained.val_accuracy, trained.correct, trained.seal) == (None, None, None)
    assert result.final.test_accuracy == result.test_accuracy


def test_the_test_images_are_looked_at_once_for_each_network(digits, monkeypatch):
    looks, predict = [], execution.predict

    def counted(network, images, **settings):
        looks.append(images is digits.test_images)
        return predict(network, images, **settings)

    monkeypatch.setattr(execution, "predict", counted)
    result = run_search(COMPARED.replace(n_steps=1, comparisons=("scratch", "model_0-final")), digits, device="cpu")
    assert looks.count(True) == len(looks) == 1 + len(result.comparisons) == 3


def test_a_snapshot_begins_with_the_weights_of_its_steps_winner(compared):
    result, _, seen = compared
    best = winner(result.history, 1).job.code
    assert seen["snapshot 1"].began == seen[best].ended
    assert seen["final"].began == seen[winner(result.history, 2).job.code].ended
    assert seen["snapshot 1"].ended not in (seen["snapshot 1"].began, seen["final"].ended)


def test_from_scratch_begins_with_fresh_weights_and_the_normalisation_of_the_search(compared, digits):
    result, _, seen = compared
    architecture = result.network.architecture
    fresh = Network(architecture, torch.Generator().manual_seed(derive(TINY.seed, "init")))
    fresh.set_normalisation_(result.network.mean, result.network.std)
    assert seen["from scratch"].began == weights_sha256(fresh)
    pixels = digits.images[digits.split(TINY.seed).train].double() / 255
    for trained in result.comparisons.values():
        assert float(trained.network.mean) == pytest.approx(float(pixels.mean()), rel=1e-6)


def test_model_0_as_a_reference_begins_as_the_search_began(compared):
    _, _, seen = compared
    assert seen["model_0"].began == seen["model_0, final budget"].began == seen["model_0, total budget"].began
    ended = [seen[code].ended for code in ("model_0", "model_0, final budget", "model_0, total budget")]
    assert len(set(ended)) == 3


def test_comparisons_train_for_their_epochs_on_all_images_by_one_cosine(compared):
    _, _, seen = compared
    epochs = {code: seen[code].settings["epochs"] for code in CODES}
    assert epochs == dict(zip(CODES, [2, 2 + 2 * 2 + 2, 2, TINY.epoch_budget], strict=True))
    for code in CODES:
        settings = seen[code].settings
        assert (settings["indices"], settings["validation"]) == (None, None)
        assert (settings["lambda_start"], settings["lambda_end"]) == (0.05, 0)


def test_a_snapshot_and_from_scratch_see_the_images_in_the_order_of_a_final_training(compared):
    _, _, seen = compared
    assert seen["from scratch"].settings["seed"] == seen["final"].settings["seed"]
    assert seen["snapshot 1"].settings["seed"] == derive(TINY.seed, "train", 1, 0)
    assert len({seen[code].settings["seed"] for code in CODES}) == 4


def test_events_tell_of_comparisons_as_of_all_trainings(compared):
    result, events, _ = compared
    ended = {e["code"]: e for e in events if e["event"] == "candidate_ended"}
    assert list(ended)[-4:] == CODES
    for code in CODES:
        assert ended[code]["test_accuracy"] == result.comparisons[code].test_accuracy
        assert (ended[code]["status"], ended[code]["val_accuracy"]) == ("done", None)
    planned = [(e["kind"], [c["code"] for c in e["candidates"]]) for e in events if e["event"] == "step_planned"]
    assert planned[-3:] == [("snapshot", CODES[:1]), ("scratch", CODES[1:2]), ("reference", CODES[2:])]
    assert sum(e["event"] == "step_decided" for e in events) == 1 + TINY.n_steps


def test_a_comparison_that_diverges_leaves_the_search_as_it_is(digits, monkeypatch):
    config, measured = TINY.replace(n_steps=1, comparisons=("scratch", "model_0-final")), execution._measured

    def failing(task, *rest):
        if task.job.kind == "scratch":
            raise Diverged("the loss is nan")
        return measured(task, *rest)

    monkeypatch.setattr(execution, "_measured", failing)
    result = run_search(config, digits, device="cpu")
    assert [o.status for o in result.history[-2:]] == ["diverged", "done"]
    assert list(result.comparisons) == ["model_0, final budget"]
    assert result.test_accuracy > 0


# ---------------------------------------------------------------- no SGDR


def test_without_sgdr_neighbours_are_trained_at_one_rate_and_all_else_by_cosine(digits, monkeypatch, tie):
    result, events, _ = watched_search(TINY.replace(neighbour_rate=RATE), digits, monkeypatch)
    rates = {o.job.code: [] for o in result.history}
    for event in events:
        if event["event"] == "epoch":
            rates[event["code"]].append(event["lr"])
    for outcome in result.history:
        wanted = [cosine_lr(epoch, 2, lambda_start=0.05, lambda_end=0) for epoch in (1, 2)]
        assert rates[outcome.job.code] == ([RATE, RATE] if outcome.job.kind == "neighbour" else wanted)


def test_the_constant_rate_is_the_one_that_the_weights_are_trained_with(digits):
    """A child of a search without SGDR has the bits of a training told that rate and nothing of cosines."""
    config = TINY.replace(neighbour_rate=RATE)
    (job,) = plan(config, [])
    model_0 = execute(job, config, digits)
    parent_slot = plan(config, [Outcome(job, "done", 0.5)])[-1]
    trained = execute(parent_slot, config, digits, model_0.network)
    split = digits.split(config.seed)
    by_hand = Network(job.architecture, tensors={n: t.clone() for n, t in model_0.network.state_dict().items()})
    training = Training(
        by_hand, digits.images, digits.labels, indices=split.train, epochs=2, batch_size=32,
        lambda_start=RATE, lambda_end=RATE, seed=derive(config.seed, "train", 1, 3),
        clip_gradient_norm=1.0, augmentation=beginnings.augmentation_of(config, digits),
    )  # fmt: skip
    list(training.run())
    assert weights_sha256(trained.network) == weights_sha256(by_hand)
    cosine = execute(parent_slot, TINY, digits, model_0.network)
    assert weights_sha256(cosine.network) != weights_sha256(trained.network)


# ---------------------------------------------------------------- paired streams


@pytest.mark.parametrize("switch", [{"neighbour_rate": RATE}, {"network_morphism": False}], ids=["rate", "morphism"])
def test_a_switch_leaves_children_and_streams_as_they_are_while_parents_are_identical(
    digits, monkeypatch, tie, switch
):
    _, events, before = watched_search(TINY, digits, monkeypatch)
    _, others, after = watched_search(TINY.replace(**switch), digits, monkeypatch)

    def children(events):
        return [e["candidates"] for e in events if e["event"] == "step_planned"]

    assert children(events) == children(others)
    assert {code: s.settings["seed"] for code, s in before.items()} == {
        code: s.settings["seed"] for code, s in after.items()
    }
    assert before["model_0"].ended == after["model_0"].ended
    assert before["1.1"].ended != after["1.1"].ended  # the switch does something
    same_start = before["1.1"].began == after["1.1"].began
    assert same_start == ("neighbour_rate" in switch)


# ---------------------------------------------------------------- no network morphism


def test_a_search_without_network_morphism_calibrates_and_seals_nothing(digits, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("nothing is calibrated or sealed here")

    monkeypatch.setattr(beginnings, "calibrate", refuse)
    monkeypatch.setattr(beginnings, "measure_seal", refuse)
    config = TINY.replace(network_morphism=False, freeze_new_batchnorm_epochs=1)
    result, events, seen = watched_search(config, digits, monkeypatch)
    assert all(o.status == "done" for o in result.history)
    assert not [e for e in events if e["event"] == "seal"]
    assert all(e["seal"] is None for e in events if e["event"] == "candidate_ended")
    assert all(s.settings["new_batchnorms"] == () for s in seen.values())  # fresh statistics must not be kept
    accuracies = [o.val_accuracy for o in result.history[:-1]]
    assert np.isfinite(accuracies).all()


def test_a_child_without_network_morphism_begins_with_what_inherit_unmodified_gives(digits, monkeypatch):
    config = TINY.replace(network_morphism=False, n_steps=1)
    result, _, seen = watched_search(config, digits, monkeypatch)
    child = result.history[1].job
    generator = torch.Generator().manual_seed(derive(config.seed, "inherit", 1, 1))
    made = inherit_unmodified(seen["model_0"].network, child.morphisms, generator)
    assert seen["1.1"].began == weights_sha256(made)
    assert seen["1.3"].began == seen["model_0"].ended  # the parent's own slot has nothing to lose
