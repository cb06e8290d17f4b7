"""What only a CUDA device can show of a training; what a CPU can show of it is in test_devices, test_optimiser."""

import pytest
import torch

from searches.nash.devices import STEPS_AHEAD
from searches.nash.training import Training
from tests.nash.test_exact_bits import in_a_fresh_process
from tests.nash.trainings import tangled_training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_a_deterministic_search_finds_the_same_bits_in_two_fresh_processes(precision):
    first, second = (in_a_fresh_process(1, precision, hash_seed, "cuda") for hash_seed in (1, 2))
    assert first == second


def test_no_step_of_an_epoch_waits_for_the_device(monkeypatch):
    """torch then raises wherever it waits for a stream itself; that Pace waits for an event is not among it."""
    take = Training._take

    def watched(self, *step):
        torch.cuda.set_sync_debug_mode("error")
        try:
            take(self, *step)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Training, "_take", watched)
    training = tangled_training(batch_size=4, device="cuda")
    list(training.run())
    assert training._step.is_captured
    assert training.total_steps > STEPS_AHEAD
