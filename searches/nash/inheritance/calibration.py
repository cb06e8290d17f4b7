"""Per-channel statistics of a network's blocks on real images: what a new BatchNorm must start from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from searches.nash.network import Network

Statistics = dict[str, tuple[Tensor, Tensor]]
"""For each block the mean and (biased) variance per channel of its ReLU output, each of shape (C,)."""

BATCH = 100
"""Images a pass: few, so that a network of billions of multiply-accumulates still beats every few seconds."""


@contextmanager
def exact_evaluation(*networks: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, autocast or reduced-precision float32; everything is put back after."""
    modes = [(module, module.training) for network in networks for module in network.modules()]
    torch_backends: Any = torch.backends
    backends = (
        torch_backends.cuda.matmul,
        torch_backends.cudnn.conv,
        torch_backends.mkldnn.matmul,
        torch_backends.mkldnn.conv,
    )
    precisions = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        for network in networks:
            network.eval()
        with torch.no_grad(), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        for backend, precision in zip(backends, precisions, strict=True):
            backend.fp32_precision = precision
        for module, training in modes:
            module.training = training


class Moments:
    """Mean and variance per channel, gathered batch by batch in float64."""

    def __init__(self) -> None:
        self.n = 0
        self.total: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def add(self, x: Tensor) -> None:
        """Take in one batch (N, C, H, W)."""
        mean = x.mean((0, 2, 3))
        # Twice through the batch, which on the CPU takes a third of torch.var_mean's time and is as stable.
        variance = (x - mean.view(-1, 1, 1)).square_().mean((0, 2, 3)).double()
        mean = mean.double()
        self.n += len(x)
        self.total = self.total + len(x) * mean
        self.squares = self.squares + len(x) * (variance + mean.square())

    def result(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """(mean, variance), each (C,)."""
        mean = torch.as_tensor(self.total) / self.n
        variance = (torch.as_tensor(self.squares) / self.n - mean.square()).clamp(min=0)
        return mean.to(dtype), variance.to(dtype)


def calibrate(parent: Network, images: Tensor, *, on_batch: Callable[[], None] | None = None) -> Statistics:
    """Statistics of every block in one pass over normalised `images` (N, C, H, W), best 1,000 to 2,000.

    In evaluation mode, in the parent's dtype but at least float32, without autocast. The parent is unchanged.
    `on_batch` is called before each batch and may raise to stop.
    Raises ValueError without images. Source: Eq. 3; the images and their number are ours (method section 3).
    """
    if not len(images):
        raise ValueError("images: none to calibrate on; give 1,000 to 2,000 training images")
    dtype = torch.promote_types(parent.mean.dtype, torch.float32)
    network = in_dtype(parent, dtype)
    moments: defaultdict[str, Moments] = defaultdict(Moments)
    blocks = set(network.architecture.blocks)

    def watch(name: str, value: Tensor) -> None:
        if name in blocks:
            moments[name].add(value)

    with exact_evaluation(network):
        for batch in batches(images, on_batch):
            network.watched(placed_for(batch, network), watch)
    return {name: moments[name].result(dtype) for name in network.architecture.blocks}


def batches(images: Tensor, on_batch: Callable[[], None] | None = None) -> Iterator[Tensor]:
    """The images in order, BATCH at a time, each announced by a call of `on_batch`."""
    for batch in torch.split(images, BATCH):
        if on_batch is not None:
            on_batch()
        yield batch


def placed_for(images: Tensor, network: Network) -> Tensor:
    """Images in the network's dtype, on its device, in the layout in which convolutions are fastest."""
    return images.to(network.mean).contiguous(memory_format=torch.channels_last)


def in_dtype(network: Network, dtype: torch.dtype) -> Network:
    """The network itself where it has that dtype, else a copy in it."""
    if network.mean.dtype == dtype:
        return network
    tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in network.state_dict().items()}
    return Network(network.architecture, tensors=tensors)


def calibrate_filters(network: Network, block: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance per filter of a block's convolution, before its BatchNorm, over normalised images."""
    moments = Moments()
    conv = network.get_submodule(f"{block}.conv")
    handle = conv.register_forward_hook(lambda module, inputs, output: moments.add(output))
    try:
        with exact_evaluation(network):
            for batch in batches(images):
                network(placed_for(batch, network))
    finally:
        handle.remove()
    return moments.result(network.mean.dtype)
