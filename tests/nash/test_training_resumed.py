"""How a training goes on to the same bits, and how it is stopped or ends by an error."""

import copy
import math

import pytest
import torch

from searches.nash.checkpoints import read_checkpoint, write_checkpoint
from searches.nash.devices import OutOfMemory
from searches.nash.export import weights_sha256
from searches.nash.training import Diverged

from .trainings import tangled_training, training_of

pytestmark = pytest.mark.usefixtures("one_thread")


# ---------------------------------------------------------------- stop and go on


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("after", [1, 2])
def test_a_resumed_training_ends_in_the_bits_of_an_uninterrupted_one(tmp_path, precision, after):
    whole = tangled_training(precision=precision)
    list(whole.run())
    cut = tangled_training(precision=precision)
    for point in cut.run():
        if point.ends_epoch and point.epoch == after:
            write_checkpoint(tmp_path / "checkpoint.pt", cut.state())
        if point.epoch > after + 0.4:
            break  # dies in the middle of the next epoch
    resumed = tangled_training(precision=precision)
    resumed.load_state(read_checkpoint(tmp_path / "checkpoint.pt"))
    assert resumed.epoch == after
    list(resumed.run())
    assert weights_sha256(resumed.network) == weights_sha256(whole.network)
    assert resumed.points == whole.points
    assert all(map(torch.equal, resumed.state()["momenta"].values(), whole.state()["momenta"].values()))


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    hashes = []
    for seed in (1, 1, 2):
        training = tangled_training(seed=seed)
        list(training.run())
        hashes.append(weights_sha256(training.network))
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_state_is_a_copy_that_later_steps_do_not_change(digits):
    training = training_of(digits)
    run = training.run()
    next(run)
    state = training.state()
    before = copy.deepcopy(state)
    list(run)
    for part in ("weights", "momenta"):
        assert all(torch.equal(before[part][name], t) for name, t in state[part].items())
    assert state["points"] == before["points"]


def test_the_state_of_a_training_of_other_length_is_refused(digits):
    with pytest.raises(ValueError, match="21 steps, not 35"):
        training_of(digits, epochs=5).load_state(training_of(digits).state())


def test_on_batch_is_called_at_every_batch_and_may_stop_training_and_evaluation(digits):
    calls = []
    list(training_of(digits, on_batch=lambda: calls.append(1)).run())
    assert len(calls) == 3 * (7 + 1)  # 60 validation images are one batch

    class Stop(Exception):
        pass

    def stop_at(n):
        calls.append(1)
        if len(calls) == n:
            raise Stop

    for n, steps_done in ((3, 2), (8, 7)):
        calls.clear()
        training = training_of(digits, on_batch=lambda n=n: stop_at(n))
        with pytest.raises(Stop):
            list(training.run())
        assert int(training.network.c1.bn.num_batches_tracked) == steps_done


# ------------------------------------------------------------------------ the end


def test_a_loss_that_is_no_number_ends_the_training(digits):
    with pytest.raises(Diverged, match=r"the loss is nan at optimiser step \d+ of 21"):
        list(training_of(digits, lambda_start=1e18, precision="float32").run())


def test_logits_that_are_no_number_end_the_training_too(digits):
    training = training_of(digits, batch_size=240, epochs=1)
    take = training._step._optimiser.step

    def step_into_the_void():
        take()
        with torch.no_grad():
            training.network.fc.bias.fill_(math.nan)

    training._step._optimiser.step = step_into_the_void
    with pytest.raises(Diverged, match="logits of validation images are not finite"):
        list(training.run())


def test_short_memory_is_named(digits, monkeypatch):
    training = training_of(digits)

    def allocate(*_):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(training.network, "forward", allocate)
    with pytest.raises(OutOfMemory, match="can't allocate memory"):
        list(training.run())


@pytest.mark.parametrize("name", ["epochs", "batch_size", "accumulate"])
def test_settings_below_one_are_refused(digits, name):
    with pytest.raises(ValueError, match=f"{name}=0"):
        training_of(digits, **{name: 0})
