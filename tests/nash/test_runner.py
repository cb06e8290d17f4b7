"""A job from its parent to its numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from searches.nash import execution
from searches.nash.beginnings import augmentation_of
from searches.nash.evaluation import predict, rights
from searches.nash.export import load_weights, save_weights, weights_sha256
from searches.nash.hillclimb import Job, plan
from searches.nash.inheritance import WEIGHT_RULES
from searches.nash.morphisms import Deepen, Widen
from searches.nash.runner import SealBroken, execute, statistics_of

from .images import TINY, few_digits

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def unseen():
    """The same digits without a test part: whoever touches it fails."""
    return replace(few_digits(), test_images=None, test_labels=None)


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
