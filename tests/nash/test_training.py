"""One training: its cycle, its points, its streams."""

import math
from itertools import pairwise

import pytest
import torch

from searches.nash import devices
from searches.nash.data import normalisation
from searches.nash.export import weights_sha256
from searches.nash.network import Network
from searches.nash.optimiser import OptimiserStep
from searches.nash.training import Diverged, Training, cosine_lr, train

from .images import TINY, random_images
from .networks import random_network, tangled_architecture
from .trainings import SETTINGS, fresh, tangled_training, training_of

pytestmark = pytest.mark.usefixtures("one_thread")


# --------------------------------------------------------------------- the cycle


def test_the_rate_falls_along_a_cosine():
    rates = [cosine_lr(step, 100, lambda_start=0.05, lambda_end=0.01) for step in (0, 25, 50, 75, 100)]
    quarter = math.sqrt(0.5)
    assert rates == pytest.approx([0.05, 0.03 + 0.02 * quarter, 0.03, 0.03 - 0.02 * quarter, 0.01], abs=1e-12)


def test_the_rate_is_exact_at_both_ends_and_only_falls():
    rates = [cosine_lr(step, 37, lambda_start=0.05, lambda_end=0.0) for step in range(38)]
    assert (rates[0], rates[-1]) == (0.05, 0.0)
    assert all(a > b for a, b in pairwise(rates))


@pytest.mark.parametrize("step", [-1, 11])
def test_there_is_no_rate_outside_the_cycle(step):
    with pytest.raises(ValueError, match=f"step={step}: outside the cycle, 0 to 10"):
        cosine_lr(step, 10, lambda_start=0.05, lambda_end=0.0)


def test_each_optimiser_step_is_taken_at_its_rate_of_one_whole_cycle(digits):
    rates = []
    training = training_of(digits, epochs=2, validation=None, lambda_end=0.001)
    take = training._step._optimiser.step
    optimiser = training._step._optimiser
    optimiser.step = lambda: (rates.append(float(optimiser.param_groups[0]["lr"])), take())
    list(training.run())
    assert training.total_steps == 2 * (240 // 32)
    wanted = [cosine_lr(t, training.total_steps, lambda_start=0.05, lambda_end=0.001) for t in range(14)]
    assert rates == pytest.approx(wanted, rel=1e-6)


def test_one_step_of_sgd_is_nesterovs_with_weight_decay_on_weights_alone(digits):
    """Two steps against the formula, in float64, on a batch of all images in order."""
    network = random_network(tangled_architecture())
    images, labels = torch.randn(8, 3, 8, 8, dtype=torch.float64), torch.arange(8) % 5
    training = Training(
        network, images, labels, epochs=2, lambda_start=0.05, seed=1, weight_decay=0.1, precision="float32"
    )
    other = random_network(tangled_architecture())
    velocity = {name: torch.zeros_like(p) for name, p in other.named_parameters()}
    other.train()
    for rate in (0.05, 0.025):
        other.zero_grad()
        torch.nn.functional.cross_entropy(other(images), labels).backward()
        with torch.no_grad():
            for name, p in other.named_parameters():
                gradient = p.grad + (0.1 * p if p.ndim > 1 else 0)
                velocity[name] = 0.9 * velocity[name] + gradient
                p -= rate * (gradient + 0.9 * velocity[name])
            other.clamp_lambdas_()
    list(training.run())
    for (name, p), q in zip(network.named_parameters(), other.parameters(), strict=True):
        assert (p - q).abs().max() < 1e-6, name  # the loss is taken in float32


def test_a_gradient_longer_than_the_limit_is_shortened_to_it_all_parameters_together():
    images, labels = torch.randn(8, 3, 8, 8), torch.arange(8) % 5

    def moved(limit: float | None) -> float:
        network = random_network(tangled_architecture()).float()
        before = [p.clone() for p in network.parameters()]
        settings = {"momentum": 0.0, "weight_decay": 0.0, "precision": "float32", "clip_gradient_norm": limit}
        list(Training(network, images, labels, epochs=1, lambda_start=1e-3, seed=1, **settings).run())
        pairs = zip(network.parameters(), before, strict=True)
        return sum((p - q).detach().square().sum().item() for p, q in pairs) ** 0.5

    free = moved(None)
    assert moved(free * 1e3 / 2) == pytest.approx(free / 2, rel=1e-2)
    assert moved(free * 1e3 * 2) == pytest.approx(free, rel=1e-4)


def test_lambda_stays_within_0_and_1():
    training = tangled_training(lambda_start=3.0, weight_decay=0.0, momentum=0.0)
    seen = []
    training.on_batch = lambda: seen.extend(mix.lam.item() for mix in training.network.mixes())
    try:
        list(training.run())
    except Diverged:
        pass
    assert 0.0 in seen or 1.0 in seen
    assert all(0 <= lam <= 1 for lam in seen)


def test_an_optimiser_is_fresh_for_each_training(digits):
    network = fresh()
    first = training_of(digits, network)
    list(first.run())
    assert all(momentum.any() for momentum in first.state()["momenta"].values())
    assert not any(momentum.any() for momentum in training_of(digits, network).state()["momenta"].values())


# -------------------------------------------------------------------- the points


def test_eight_points_an_epoch_the_last_with_the_validation_accuracy(digits):
    training = Training(
        fresh(),
        digits.images,
        digits.labels,
        **{**SETTINGS, "batch_size": 10},
        validation=(digits.images[:50], digits.labels[:50]),
    )
    points = list(training.run())
    assert len(points) == 3 * 8
    assert points == training.points
    assert [p.optimiser_step for p in points[:8]] == [4, 8, 12, 15, 19, 23, 27, 30]
    assert [p.epoch for p in points if p.ends_epoch] == [1, 2, 3]
    assert all((p.val_accuracy is not None) == p.ends_epoch for p in points)
    assert points[-1].lr == 0.0


def test_points_that_come_late_from_the_device_are_the_same_points(digits, monkeypatch):
    prompt = list(training_of(digits).run())
    monkeypatch.setattr(devices.HostCopy, "is_there", lambda self: False)
    assert list(training_of(digits).run()) == prompt


def test_an_epoch_of_few_steps_has_a_point_a_step(digits):
    points = list(training_of(digits, validation=None).run())
    assert [p.optimiser_step for p in points] == list(range(1, 22))
    assert all(p.val_accuracy is None for p in points)


def test_the_loss_of_a_point_is_the_mean_since_the_one_before():
    """At rate 0 and with BatchNorm frozen, the loss of all points is that of the untrained network."""
    network = random_network(tangled_architecture(), dtype=torch.float32)
    images, labels = random_images(96), torch.arange(96) % 5
    blocks = [n for n in network.architecture.nodes if n.op == "conv"]
    logits = network.eval()(network.normalise(images)).detach()
    training = Training(
        network, images, labels, epochs=1, lambda_start=0.0, seed=0, batch_size=4, precision="float32",
        freeze_new_batchnorm_epochs=1, new_batchnorms=[n.name for n in blocks],
    )  # fmt: skip
    points = list(training.run())
    assert len({p.loss for p in points}) > 1
    assert sum(p.loss for p in points) / 8 == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5
    )
    right = float((logits.argmax(1) == labels).float().mean())
    assert sum(p.train_accuracy for p in points) / 8 == pytest.approx(right, abs=1e-6)


def test_the_curve_of_a_child_begins_at_its_parents_accuracy(digits):
    network = fresh()
    (*_, last) = training_of(digits, network).run()
    first = next(training_of(digits, network, evaluate_start=True).run())
    assert (first.optimiser_step, first.epoch, first.loss, first.lr) == (0, 0.0, None, 0.05)
    assert first.val_accuracy == last.val_accuracy
    assert not first.ends_epoch


def test_without_evaluation_each_epoch_only_the_last_one_is_measured(digits):
    points = list(training_of(digits, evaluate_each_epoch=False).run())
    assert [p.optimiser_step for p in points if p.val_accuracy is not None] == [21]


def test_what_was_right_is_kept_image_by_image(digits):
    training = training_of(digits)
    (*_, last) = training.run()
    assert training.correct.shape == (60,)
    assert training.correct.float().mean().item() == pytest.approx(last.val_accuracy)


def test_digits_are_learnt(digits):
    network = Network(TINY.replace(channels=(16, 16, 16)).initial_architecture(), torch.Generator().manual_seed(0))
    *_, last = training_of(digits, network, epochs=10, batch_size=16).run()
    assert last.loss < 0.6
    assert last.val_accuracy > 0.8


def test_train_is_a_training_from_its_start(digits):
    points = list(train(fresh(), digits.images, digits.labels, **SETTINGS))
    training = Training(fresh(), digits.images, digits.labels, **SETTINGS)
    assert points == list(training.run())


# ------------------------------------------------------------------- the batches


def test_the_last_partial_batch_is_dropped_and_a_batch_is_never_more_than_all(digits):
    assert training_of(digits).steps_per_epoch == 7  # 240 images in batches of 32
    small = training_of(digits, batch_size=1000)
    assert (small.batch_size, small.steps_per_epoch) == (240, 1)


def test_each_epoch_has_its_own_order_and_augmentation(digits):
    training = training_of(digits)
    orders = []
    for training.epoch in (0, 1, 0):
        order, draws = training._draw_epoch()
        orders.append((order.tolist(), draws.top.tolist()))
    assert orders[0] == orders[2]
    assert orders[0][0] != orders[1][0]
    assert orders[0][1] != orders[1][1]
    assert len(set(orders[0][0])) == 224


def test_normalisation_comes_from_the_training_images_unless_the_network_has_one(digits):
    network = training_of(digits).network
    assert torch.equal(network.mean, normalisation(digits.images[:240])[0])
    given = fresh()
    given.set_normalisation_(torch.tensor([0.4]), torch.tensor([0.2]))
    assert training_of(digits, given).network.mean.tolist() == pytest.approx([0.4])


def test_float_images_are_taken_as_normalised_already(digits):
    network = fresh()
    network.set_normalisation_(*normalisation(digits.images))
    normalised = network.normalise(digits.images)
    settings = {**SETTINGS, "precision": "float32"}
    list(train(network, normalised, digits.labels, **settings))
    other = fresh()
    list(train(other, digits.images, digits.labels, **settings))
    assert weights_sha256(network) == weights_sha256(other)


def test_images_left_on_disk_train_to_the_same_bits(digits, monkeypatch):
    resident = training_of(digits)
    list(resident.run())
    monkeypatch.setattr("searches.nash.augmentation.RESIDENT_CPU_BYTES", 0)
    mapped = training_of(digits)
    list(mapped.run())
    assert weights_sha256(mapped.network) == weights_sha256(resident.network)


def test_a_batch_in_parts_has_the_gradient_of_the_whole_where_batchnorm_sees_no_batch():
    blocks = [node.name for node in tangled_architecture().nodes if node.op == "conv"]
    frozen = {"freeze_new_batchnorm_epochs": 3, "new_batchnorms": blocks, "precision": "float32"}
    whole, parts = tangled_training(**frozen), tangled_training(**frozen, accumulate=3)
    losses = [[p.loss for p in training.run()] for training in (whole, parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    for (name, p), q in zip(whole.network.named_parameters(), parts.network.named_parameters(), strict=True):
        torch.testing.assert_close(p, q[1], rtol=1e-3, atol=1e-4, msg=name)


def test_new_batchnorms_keep_their_statistics_for_so_many_epochs(digits):
    training = training_of(digits, freeze_new_batchnorm_epochs=2, new_batchnorms=("c2",))
    before = {name: getattr(training.network, name).bn.running_mean.clone() for name in ("c1", "c2")}

    def moved(name):
        return not torch.equal(before[name], getattr(training.network, name).bn.running_mean)

    seen = [(moved("c1"), moved("c2")) for point in training.run() if point.ends_epoch]
    assert seen == [(True, False), (True, False), (True, True)]


@pytest.mark.parametrize(("frozen_epochs", "wanted"), [(0, [(0, True)]), (2, [(0, False), (2, True)])])
def test_a_step_is_captured_anew_when_the_modes_of_batchnorms_change_and_never_else(
    digits, monkeypatch, frozen_epochs, wanted
):
    captured = []
    training = training_of(
        digits, epochs=4, freeze_new_batchnorm_epochs=frozen_epochs, new_batchnorms=("c2",), validation=None
    )
    monkeypatch.setattr(
        OptimiserStep, "capture", lambda *_: captured.append((training.epoch, training.network.c2.bn.training))
    )
    list(training.run())
    assert captured == wanted
