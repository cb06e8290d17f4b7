"""A job from its parent to its numbers, and a whole search in one process."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from searches.nash import execution
from searches.nash.beginnings import augmentation_of
from searches.nash.devices import OutOfMemory
from searches.nash.evaluation import evaluate, predict, rights
from searches.nash.export import load_weights, save_weights, weights_sha256
from searches.nash.hillclimb import Job, Outcome, plan
from searches.nash.inheritance import WEIGHT_RULES
from searches.nash.morphisms import Deepen, Widen
from searches.nash.network import Network
from searches.nash.runner import SealBroken, SearchFailed, execute, run_search, statistics_of
from searches.nash.training import Diverged, Training

from .images import TINY, few_digits

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def unseen():
    """The same digits without a test part: whoever touches it fails."""
    return replace(few_digits(), test_images=None, test_labels=None)


@pytest.fixture(scope="module")
def search(digits):
    """One whole search: its result and its events."""
    torch.set_num_threads(1)
    events = []
    return run_search(TINY, digits, events.append, device="cpu"), events


@pytest.fixture(scope="module")
def pretrained(unseen):
    torch.set_num_threads(1)
    (job,) = plan(TINY, [])
    return execute(job, TINY, unseen)


def child_of(pretrained, *morphisms, step=1, index=1, epochs=2):
    parent = pretrained.network.architecture
    return Job("neighbour", step, index, ("pretrain", 0, 0), morphisms, parent.morphed(morphisms), epochs)


@pytest.fixture
def child(pretrained):
    return child_of(pretrained, Widen("c1", 2), Deepen("c2", 3))


# ---------------------------------------------------------------- one training


def test_pretraining_starts_fresh_with_the_normalisation_of_the_training_part(pretrained, unseen):
    split = unseen.split(TINY.seed)
    pixels = unseen.images[split.train].double() / 255
    assert float(pretrained.network.mean) == pytest.approx(float(pixels.mean()), rel=1e-6)
    assert pretrained.seal is None
    assert pretrained.test_accuracy is None
    assert pretrained.val_accuracy is not None


def test_a_child_is_sealed_before_it_is_trained_and_its_parent_stays_as_it_is(pretrained, child, unseen):
    before, seen = weights_sha256(pretrained.network), []
    trained = execute(
        child, TINY, unseen, pretrained.network,
        on_seal=lambda seal: seen.append(seal), on_point=seen.append,
    )  # fmt: skip
    assert seen[0] is trained.seal
    assert trained.seal.holds
    assert trained.seal.float64 <= 1e-10
    assert seen[1].val_accuracy == pretrained.val_accuracy  # the child begins where its parent ended
    assert trained.network.architecture == child.architecture
    assert weights_sha256(pretrained.network) == before
    assert not pretrained.network.c1.conv.weight.is_inference()


def test_the_parents_own_slot_goes_on_from_a_copy_of_the_parent(pretrained, unseen):
    before = weights_sha256(pretrained.network)
    trained = execute(child_of(pretrained, index=3), TINY, unseen, pretrained.network)
    assert trained.seal is None
    assert trained.network.architecture == pretrained.network.architecture
    assert weights_sha256(pretrained.network) == before != weights_sha256(trained.network)


def test_the_bits_of_right_and_wrong_are_those_of_the_validation_images_in_order(pretrained, unseen):
    split = unseen.split(TINY.seed)
    images, labels = unseen.images[split.validation], unseen.labels[split.validation]
    bits = np.unpackbits(np.frombuffer(pretrained.correct, np.uint8), count=len(labels))
    assert bits.mean() == pytest.approx(pretrained.val_accuracy)
    exact = rights(predict(pretrained.network, images), labels).numpy()
    assert (bits == exact).mean() > 0.95  # measured in bfloat16 where the CPU has it


def test_a_broken_weight_rule_leaves_its_child_untrained(pretrained, child, unseen, monkeypatch):
    rule = WEIGHT_RULES[Widen]

    def sabotaged(morphism, change, parent, chance):
        inherited = rule(morphism, change, parent, chance)
        tensors = dict(inherited.tensors)
        tensors["c2.conv.weight"] = tensors["c2.conv.weight"] + 0.1
        return replace(inherited, tensors=tensors)

    monkeypatch.setitem(WEIGHT_RULES, Widen, sabotaged)
    seals, points = [], []
    with pytest.raises(SealBroken, match=r"broken by widen c1, ×2") as caught:
        execute(child, TINY, unseen, pretrained.network, on_seal=seals.append, on_point=points.append)
    assert seals == [caught.value.seal]
    assert not seals[0].holds
    assert points == []


def test_a_child_without_its_parents_network_is_refused(child, unseen):
    with pytest.raises(ValueError, match=r"1\.1: the network of its parent"):
        execute(child, TINY, unseen)


def test_statistics_are_the_same_bits_whatever_the_number_of_threads(pretrained, unseen):
    one = statistics_of(pretrained.network, TINY, unseen)
    torch.set_num_threads(2)
    two = statistics_of(pretrained.network, TINY, unseen)
    assert torch.get_num_threads() == 2
    assert all(torch.equal(a, b) for name in one for a, b in zip(one[name], two[name], strict=True))


def test_statistics_given_or_worked_out_lead_to_the_same_child(pretrained, child, unseen):
    given = statistics_of(pretrained.network, TINY, unseen)
    children = [execute(child, TINY, unseen, pretrained.network, statistics=s) for s in (given, None)]
    assert weights_sha256(children[0].network) == weights_sha256(children[1].network)


@pytest.mark.parametrize("after", [1, 2])
def test_a_training_goes_on_from_its_checkpoint_to_the_same_bits(pretrained, child, unseen, after):
    states = {}
    whole = execute(child, TINY, unseen, pretrained.network, on_epoch=lambda t: states.update({t.epoch: t.state()}))
    assert list(states) == [1, 2]
    points = []
    resumed = execute(child, TINY, unseen, pretrained.network, checkpoint=states[after], on_point=points.append)
    assert weights_sha256(resumed.network) == weights_sha256(whole.network)
    assert (resumed.val_accuracy, resumed.correct) == (whole.val_accuracy, whole.correct)
    assert all(point.epoch > after for point in points)


def test_a_child_does_not_depend_on_what_was_trained_before_it(pretrained, child, unseen):
    alone = execute(child, TINY, unseen, pretrained.network)
    torch.manual_seed(123)
    execute(child_of(pretrained, Deepen("c1", 5), index=2), TINY, unseen, pretrained.network)
    again = execute(child, TINY, unseen, pretrained.network)
    assert weights_sha256(alone.network) == weights_sha256(again.network)


def test_a_child_can_be_stopped_before_its_training_begins(pretrained, child, unseen):
    class Stop(Exception):
        pass

    def stop():
        raise Stop

    seals = []
    with pytest.raises(Stop):
        execute(child, TINY, unseen, pretrained.network, on_seal=seals.append, on_batch=stop)
    assert seals == []


def test_a_parent_from_its_file_has_the_same_children_as_the_one_in_memory(pretrained, child, unseen, tmp_path):
    path = save_weights(pretrained.network, tmp_path / "weights.safetensors")
    stored = load_weights(path, pretrained.network.architecture)
    children = [execute(child, TINY, unseen, parent) for parent in (pretrained.network, stored)]
    assert weights_sha256(children[0].network) == weights_sha256(children[1].network)


def test_widening_by_random_filters_keeps_the_seal(pretrained, child, unseen):
    config = TINY.replace(widen_init="random")
    assert execute(child, config, unseen, pretrained.network).seal.holds


def test_deepened_blocks_keep_their_statistics_while_frozen(pretrained, unseen):
    job = child_of(pretrained, Deepen("c2", 3), Widen("c4", 2))
    stored = []

    def look(training):
        block = training.network.get_submodule("c4")
        stored.append(block.bn.running_mean.clone())

    execute(job, TINY.replace(freeze_new_batchnorm_epochs=1), unseen, pretrained.network, on_epoch=look)
    means, _ = statistics_of(pretrained.network, TINY, unseen)["c2"]
    assert torch.equal(stored[0], torch.cat((means, means)))
    assert not torch.equal(stored[1], stored[0])


@pytest.mark.parametrize("deterministic", [True, False])
def test_the_deterministic_switch_reaches_the_training(unseen, monkeypatch, deterministic):
    class Asked(Exception):
        pass

    def asked(*_, **settings):
        raise Asked(settings["deterministic"])

    monkeypatch.setattr(execution, "Training", asked)
    config = TINY.replace(deterministic=deterministic)
    with pytest.raises(Asked, match=str(deterministic)):
        execute(plan(config, [])[0], config, unseen)


def test_padding_and_flip_are_the_data_sets_unless_set(unseen):
    assert augmentation_of(TINY, unseen) == augmentation_of(TINY.replace(padding=1, flip=False), unseen)
    wide = replace(unseen, images=torch.zeros(5, 3, 32, 32, dtype=torch.uint8), flips=True)
    assert (augmentation_of(TINY, wide).padding, augmentation_of(TINY, wide).flip) == (4, True)
    own = augmentation_of(TINY.replace(padding=0, flip=False), wide)
    assert (own.padding, own.flip) == (0, False)
    still = replace(wide, crops=False)
    assert (augmentation_of(TINY, still).padding, augmentation_of(TINY.replace(padding=3), still).padding) == (0, 3)


def test_what_a_training_cost_is_measured(pretrained):
    assert pretrained.train_seconds > 0
    assert pretrained.images_per_second > 0
    macs = pretrained.network.architecture.n_macs
    assert pretrained.flops_per_second == pytest.approx(6 * macs * pretrained.images_per_second)
    assert pretrained.peak_memory_bytes > 10**7
    assert pretrained.threads == 1
    assert pretrained.numeric_path.endswith("-1")


# ------------------------------------------------------------------ the search


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
