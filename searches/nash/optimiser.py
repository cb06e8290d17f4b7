"""One step of SGD as work for the device alone: augment, forward, backward, clip, step, clamp.

Nothing in it waits for the device, every shape is static and the learning rate is a tensor there, so that on CUDA
the whole step is captured once as a graph and replayed; everywhere else the same function runs as it stands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from searches.nash.augmentation import Draws, MappedPixels, Pixels
from searches.nash.devices import OutOfMemory, out_of_memory_named
from searches.nash.network import Network

logger = logging.getLogger(__name__)

Run = Callable[[Tensor, Draws], None]
"""A step on the images at some indices (B,), augmented as drawn."""

WARM_UP_STEPS = 3
"""Steps before a capture, in which libraries choose their algorithms and take their workspaces."""


class OptimiserStep:
    """Steps of Nesterov SGD on `network`, from a fresh optimiser; `sums` gathers loss and right answers.

    `batch_size`: images a step; `accumulate`: parts that a batch is cut into; `clip_gradient_norm`: longest
    gradient over all parameters together, None for no limit. `lr` (a tensor on the device) is set by the caller.
    """

    def __init__(
        self,
        network: Network,
        pixels: Pixels | MappedPixels,
        labels: Tensor,
        *,
        batch_size: int,
        dtype: torch.dtype,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
        clip_gradient_norm: float | None,
        accumulate: int,
    ) -> None:
        self.network, self.batch_size, self.dtype = network, batch_size, dtype
        self.clip_gradient_norm, self.accumulate = clip_gradient_norm, accumulate
        self.device = network.mean.device
        self._pixels, self._labels = pixels, labels
        self.lr = torch.zeros((), device=self.device)
        self.sums = torch.zeros(2, dtype=torch.float64, device=self.device)  # loss, right answers
        groups = network.parameter_groups(weight_decay)
        self._optimiser = torch.optim.SGD(groups, self.lr, momentum, nesterov=nesterov and momentum > 0, fused=True)
        self.momenta: dict[str, Tensor] = {}
        if momentum > 0:
            # Zero from the start: torch would decide on the host whether this is the first step, and a graph cannot.
            self.momenta = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
            for name, parameter in network.named_parameters():
                self._optimiser.state[parameter]["momentum_buffer"] = self.momenta[name]
        self._run: Run = self._work
        self._capturable = self.device.type == "cuda" and not isinstance(pixels, MappedPixels)

    def __call__(self, indices: Tensor, draws: Draws) -> None:
        """One step on the images at `indices` (B,), augmented as drawn; only queued on a CUDA device."""
        self._run(indices, draws)

    def capture(self, indices: Tensor, draws: Draws) -> None:
        """On CUDA, capture the step as a graph; anew whenever a module's mode has changed.

        `indices` and `draws` of any batch of the epoch, for their shapes. Weights, statistics and momenta are the
        same after it. Where a capture fails the steps run as they are, and the log says why.
        """
        self._run = self._work
        if not self._capturable:
            return
        kept = [(t, t.clone()) for t in self._state()]
        try:
            with out_of_memory_named():
                self._run = _graph_of(self._work, indices, draws)
        except (OutOfMemory, RuntimeError) as error:
            logger.warning("training goes on without a CUDA graph: %s", str(error).splitlines()[0])
        finally:
            with torch.no_grad():
                for tensor, before in kept:
                    tensor.copy_(before)

    @property
    def is_captured(self) -> bool:
        """Whether steps are replays of a CUDA graph."""
        return self._run != self._work

    def _state(self) -> list[Tensor]:
        """Every tensor that a step changes."""
        return [*self.network.state_dict().values(), *self.momenta.values(), self.sums]

    def _work(self, indices: Tensor, draws: Draws) -> None:
        rows = self._pixels.crop_rows(indices, draws)
        labels = self._labels[indices.to(self.device)]
        self._optimiser.zero_grad(set_to_none=True)
        for part, part_labels in zip(rows.chunk(self.accumulate), labels.chunk(self.accumulate), strict=True):
            self._backward(part, part_labels)
        if self.clip_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_gradient_norm)
        self._optimiser.step()
        self.network.clamp_lambdas_()

    def _backward(self, rows: Tensor, labels: Tensor) -> None:
        """Add the gradients of a batch, or of a part of one by its share; the loss is only added up."""
        dtype = self.dtype if self.dtype == torch.bfloat16 else self.network.mean.dtype
        if rows.dtype == torch.uint8:
            x = self.network.normalise_rows(rows, dtype)
        else:
            x = rows.permute(0, 3, 1, 2).to(dtype=dtype, memory_format=torch.channels_last)
        logits = self.network(x)
        loss = functional.cross_entropy(logits.float(), labels, reduction="sum")
        (loss / self.batch_size).backward()  # type: ignore[no-untyped-call]
        self.sums += torch.stack((loss.detach(), (logits.argmax(1) == labels).sum()))


def _graph_of(work: Run, indices: Tensor, draws: Draws) -> Run:
    """`work` as the replay of a CUDA graph on inputs of these shapes. What it changes has changed after this."""
    static = indices.clone(), draws.top.clone(), draws.left.clone(), draws.flipped.clone()
    static_draws = Draws(*static[1:], draws.padding)
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_STEPS):
            work(static[0], static_draws)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        work(static[0], static_draws)

    def replay(indices: Tensor, draws: Draws) -> None:
        for to, new in zip(static, (indices, draws.top, draws.left, draws.flipped), strict=True):
            to.copy_(new, non_blocking=True)
        graph.replay()

    return replay
