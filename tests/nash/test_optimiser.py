"""One optimiser step as device work: what a capture must leave alone, and what happens where it fails."""

import logging

import pytest
import torch

from searches.nash import optimiser
from searches.nash.augmentation import Augmentation, Pixels, draw_augmentation
from searches.nash.export import weights_sha256
from searches.nash.optimiser import OptimiserStep
from tests.nash.images import random_images
from tests.nash.networks import random_network, tangled_architecture

N = 48
BATCH = 16
SETTINGS = {
    "batch_size": BATCH, "dtype": torch.float32, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4,
    "clip_gradient_norm": 1.0, "accumulate": 1,
}  # fmt: skip


def draws_of(seed: int):
    return draw_augmentation(BATCH, Augmentation(1, flip=True), torch.Generator().manual_seed(seed))


def order_of(seed: int):
    return torch.randperm(N, generator=torch.Generator().manual_seed(seed))[:BATCH]


def a_step(device: str = "cpu", **settings) -> OptimiserStep:
    network = random_network(tangled_architecture(), dtype=torch.float32).to(device).train()
    network.to(memory_format=torch.channels_last)
    labels = (torch.arange(N) % 5).to(device)
    step = OptimiserStep(
        network, Pixels(random_images(N), torch.device(device)), labels,
        **{**SETTINGS, **settings},
    )  # fmt: skip
    step.lr.fill_(0.05)
    return step


def taken(step: OptimiserStep, n: int = 5) -> OptimiserStep:
    for seed in range(n):
        step(order_of(seed).to(step.device), draws_of(seed).to(step.device))
    return step


def test_on_a_cpu_the_same_function_runs_uncaptured():
    step = a_step()
    before = weights_sha256(step.network)
    step.capture(order_of(9), draws_of(9))
    assert not step.is_captured
    assert weights_sha256(step.network) == before


def test_a_capture_that_fails_leaves_no_trace_but_a_line_in_the_log(monkeypatch, caplog):
    def fails(work, indices, draws):
        for _ in range(3):
            work(indices, draws)
        raise RuntimeError("operation not permitted when stream is capturing\nand a long trace")

    monkeypatch.setattr(optimiser, "_graph_of", fails)
    step = a_step()
    monkeypatch.setattr(step, "_capturable", True)
    with caplog.at_level(logging.WARNING):
        step.capture(order_of(9), draws_of(9))
    assert not step.is_captured
    assert "without a CUDA graph: operation not permitted when stream is capturing" in caplog.text
    plain = taken(a_step())
    assert weights_sha256(taken(step).network) == weights_sha256(plain.network)
    assert torch.equal(step.sums, plain.sums)
    assert all(torch.equal(step.momenta[name], plain.momenta[name]) for name in plain.momenta)


def test_a_capture_that_succeeds_starts_from_the_same_weights_statistics_and_momenta(monkeypatch):
    def warms_up(work, indices, draws):
        work(indices, draws)
        return lambda indices, draws: work(indices, draws)

    monkeypatch.setattr(optimiser, "_graph_of", warms_up)
    step = taken(a_step(), 2)
    monkeypatch.setattr(step, "_capturable", True)
    before = [t.clone() for t in step._state()]
    step.capture(order_of(9), draws_of(9))
    assert step.is_captured
    assert all(torch.equal(a, b) for a, b in zip(before, step._state(), strict=True))


def test_a_batch_in_parts_has_the_gradient_of_the_whole_but_for_batchnorm():
    whole, parts = (a_step(accumulate=k, clip_gradient_norm=None) for k in (1, 2))
    for step in (whole, parts):
        step.network.eval()  # BatchNorm would see the parts
        taken(step, 1)
    for (name, a), b in zip(whole.network.named_parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6, msg=name)


def test_without_momentum_there_is_nothing_to_carry_over():
    assert taken(a_step(momentum=0.0)).momenta == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_replayed_graph_computes_what_eager_steps_compute(dtype):
    eager, captured = taken(a_step("cuda", dtype=dtype)), a_step("cuda", dtype=dtype)
    captured.capture(order_of(9).cuda(), draws_of(9).to(captured.device))
    assert captured.is_captured
    taken(captured)
    torch.cuda.synchronize()
    torch.testing.assert_close(captured.sums, eager.sums, rtol=1e-3, atol=1e-3)
    for (name, a), b in zip(eager.network.named_parameters(), captured.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3, msg=name)
