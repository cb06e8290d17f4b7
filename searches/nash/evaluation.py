"""What a network says of images: logits and accuracy, with BatchNorm folded into the convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from searches.nash.folding import FoldedNetwork, fold_batchnorm
from searches.nash.inheritance.calibration import exact_evaluation
from searches.nash.network import Network

BATCH_SIZE = 250


def evaluate(
    network: Network,
    images: Tensor,
    labels: Tensor,
    dtype: torch.dtype = torch.float32,
    *,
    on_batch: Callable[[], None] | None = None,
) -> float:
    """Accuracy, a fraction 0..1, on images (N, C, H, W) with labels (N,); nan where a logit is not finite.

    Images as uint8 are normalised by the network's mean and std; floats are taken as normalised already.
    """
    return accuracy(predict(network, images, dtype=dtype, on_batch=on_batch), labels)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of rows of logits (N, n_classes) that are highest at their label (N,); nan where one is not finite."""
    if not len(labels) or not bool(logits.isfinite().all()):
        return math.nan
    return int(rights(logits, labels).sum()) / len(labels)


def balanced(right: Tensor, labels: Tensor) -> float:
    """Mean over the classes that occur of the share of their images that is right: bool (N,), int64 (N,); 0..1."""
    n = torch.bincount(labels.cpu())
    hits = torch.bincount(labels.cpu()[right.cpu()], minlength=len(n))
    occurs = n > 0
    return float((hits[occurs].double() / n[occurs].double()).mean())


def rights(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether each row of logits (N, n_classes) is highest at its label (N,): bool (N,)."""
    return logits.argmax(1) == labels.to(logits.device)


def predict(
    network: Network,
    images: Tensor,
    *,
    dtype: torch.dtype = torch.float32,
    batch_size: int = BATCH_SIZE,
    on_batch: Callable[[], None] | None = None,
) -> Tensor:
    """Logits (N, n_classes), float32 on the CPU, of images (N, C, H, W), which may lie on another device.

    The network is left as it is. `dtype` is that of the convolutions; the head adds up in float32 at least, since
    two bfloat16 logits are often equal. `on_batch` is called before each batch and may raise to stop.
    """
    device = network.mean.device
    folded = _folded(network, dtype)
    logits = []
    with exact_evaluation(folded), torch.inference_mode():
        for start in range(0, len(images), batch_size):
            if on_batch is not None:
                on_batch()
            x = to_device(images[start : start + batch_size], device)
            if x.dtype == torch.uint8:
                x = network.normalise(x)
            logits.append(folded(x.to(dtype=dtype, memory_format=torch.channels_last)))
        if not logits:
            return torch.empty(0, network.architecture.n_classes)
        return torch.cat(logits).to("cpu", torch.float32)


def _folded(network: Network, dtype: torch.dtype) -> FoldedNetwork:
    """The network for evaluation, its convolutions in `dtype`, lambdas and head in float32 at least."""
    exact = torch.promote_types(dtype, torch.float32)
    folded = fold_batchnorm(network).to(exact).to(memory_format=torch.channels_last)
    for module in folded.children():
        if isinstance(module, nn.Conv2d):
            module.to(dtype)
    head = folded.get_submodule("fc")
    head.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(exact),))
    return folded


def to_device(images: Tensor, device: torch.device) -> Tensor:
    """The images on the device; from pageable memory by way of pinned, so that the copy need not wait."""
    if images.device == device or device.type == "cpu":
        return images.to(device)
    pinned = images.pin_memory() if images.device.type == "cpu" else images
    return pinned.to(device, non_blocking=True)
