"""The network of an architecture: torch modules under the architecture's own names.

How the graph is walked is worked out once, from the architecture, in `steps_of`; a forward pass only follows that
list. It does nothing that waits for the device or depends on the data, so it can be captured or exported.
Convolutions and the head compute in the dtype of their input, whatever that of the parameters: a bfloat16 batch
through float32 parameters is the mixed precision of training, with nothing to switch on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from searches.nash.architecture import Architecture, operand_maps
from searches.nash.nodes import InvalidArchitecture, Node
from searches.nash.steps import Run, Step, runs_of, steps_of

Watch = Callable[[str, Tensor], None]
# A trailing digit keeps node names clear of torch's own attributes and of Python's words (model.py uses them too).
NODE_NAME = re.compile(r"[a-z]+[0-9]+", re.ASCII)


def place(x: Tensor, runs: tuple[Run, ...], channels: int) -> Tensor:
    """Operand channels at their output channels, zeros elsewhere: (N, c, H, W) -> (N, channels, H, W)."""
    if runs == ((0, 0, channels),):
        return x
    parts, filled = [], 0
    for k, (first, start, length) in enumerate(runs):
        after = channels - start - length if k == len(runs) - 1 else 0
        parts.append(functional.pad(x[:, first : first + length], (0, 0, 0, 0, start - filled, after)))
        filled = start + length
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class Convolution(nn.Conv2d):
    """A convolution that computes in its input's dtype."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight.to(x.dtype), stride=self.stride, padding=self.padding)


class Norm(nn.BatchNorm2d):
    """BatchNorm-ReLU, as a reference network has it before its convolutions."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(super().forward(x), inplace=True)


class Head(nn.Linear):
    """The linear head on a map (N, C, H, W), pooled globally or flattened; it computes in its input's dtype."""

    def __init__(self, n_features: int, n_classes: int, *, pool: bool) -> None:
        super().__init__(n_features, n_classes)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        if self.pool:
            return functional.linear(x.mean((2, 3)), weight, bias)  # (N, C, H, W) -> (N, C) -> (N, n_classes)
        # The weight is channel-major, (n_classes, C * H * W). It is turned instead of the batch, which is flattened
        # as channels_last lies in memory: a gradient that came back channel-major would take slow paths from here on.
        n, c, h, w = x.shape
        turned = weight.view(-1, c, h, w).permute(0, 2, 3, 1).reshape(-1, h * w * c)
        return functional.linear(x.permute(0, 2, 3, 1).reshape(n, -1), turned, bias)


class ConvBlock(nn.Module):
    """Conv-BatchNorm of a conv block; the ReLU follows in the graph, after a max-pool where that is the same."""

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__()
        # No bias: BatchNorm's beta takes its place.
        self.conv = Convolution(c_in, c_out, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))  # type: ignore[no-any-return]


class Mix(nn.Module):
    """lambda * f + (1 - lambda) * h, operands placed by their channel maps. Source: Eq. 6."""

    def __init__(self, runs: tuple[tuple[Run, ...], ...], channels: int) -> None:
        super().__init__()
        self.lam = nn.Parameter(torch.ones(()))
        self.runs = runs
        self.channels = channels

    def forward(self, f: Tensor, h: Tensor) -> Tensor:
        f = place(f, self.runs[0], self.channels)
        h = place(h, self.runs[1], self.channels)
        # Written from f: exactly f at lambda = 1, and 1 - lambda keeps its digits in bfloat16 near there.
        return torch.lerp(f, h, (1 - self.lam).to(f.dtype))


class Graph(nn.Module):
    """An architecture's modules and the walk through them; what Network and folding.FoldedNetwork share."""

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        for node in architecture.nodes:
            if not (NODE_NAME.fullmatch(node.name) or node.name in ("input", "fc")):
                raise InvalidArchitecture(f"{node.name!r}: a node's name is letters and a number, such as c1")
            if (module := self.module_of(node)) is not None:
                self.add_module(node.name, module)
        channels = architecture.input_shape[0]
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self._steps = steps_of(architecture)

    def module_of(self, node: Node) -> nn.Module | None:
        """The module of a node, None for those without parameters."""
        if node.op == "conv":
            return ConvBlock(self.architecture.shapes[node.inputs[0]][0], node.channels, node.kernel)
        if node.op == "convolution":
            c_in, padding = self.architecture.shapes[node.inputs[0]][0], node.kernel // 2
            return Convolution(c_in, node.channels, node.kernel, node.stride, padding, bias=False)
        if node.op == "norm":
            return Norm(self.architecture.shapes[node.name][0])
        if node.op == "mix":
            maps = operand_maps(self.architecture, node.name)
            return Mix(tuple(runs_of(m) for m in maps), node.channels)
        if node.op == "linear":
            return Head(self.architecture.n_features(), node.channels, pool=node.pool)
        return None

    def normalise(self, images: Tensor) -> Tensor:
        """Images as uint8 or as floats 0..1, (N, C, H, W) -> (image - mean) / std in the network's dtype."""
        x = images.to(self.mean.dtype)
        if images.dtype == torch.uint8:
            x = x / 255
        # (image - mean) / std as one multiply-add instead of two passes.
        return torch.addcmul((-self.mean / self.std).view(-1, 1, 1), x, (1 / self.std).view(-1, 1, 1))

    def normalise_rows(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        """Uint8 pixels as they lie, (N, H, W, P >= C), -> the normalised images (N, C, H, W), in channels_last order.

        To the bit what normalise() makes of the same images, in `dtype`. A row of an image is one long run of numbers
        here, several times faster than three at a time; what a pixel has beyond its channels is left out last.
        """
        channels, width, beyond = len(self.mean), rows.shape[2], rows.shape[3] - len(self.mean)
        shift, scale = (functional.pad(t, (0, beyond)).repeat(width) for t in (-self.mean / self.std, 1 / self.std))
        x = torch.addcmul(shift, rows.flatten(2).to(self.mean.dtype) / 255, scale).to(dtype).view(rows.shape)
        return x[..., :channels].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def set_normalisation_(self, mean: Tensor, std: Tensor) -> None:
        """Store mean and standard deviation per channel, of images scaled 0..1. Raises ValueError if std <= 0."""
        if not bool((std > 0).all()):
            raise ValueError(f"std={std.tolist()}: must be above 0; give 1 for a constant channel")
        with torch.no_grad():
            self.mean.copy_(mean)
            self.std.copy_(std)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) -> logits (N, n_classes)."""
        return self._walk(x, self._steps)

    def watched(self, x: Tensor, watch: Watch) -> Tensor:
        """A forward pass that shows `watch` the value of every node, a block's being its ReLU output."""
        return self._walk(x, steps_of(self.architecture, every_node=True), watch)

    def _walk(self, x: Tensor, steps: tuple[Step, ...], watch: Watch | None = None) -> Tensor:
        values = {"input": x}
        for step in steps:
            values[step.output] = value = self._act(step, [values[name] for name in step.inputs])
            if watch is not None:
                watch(step.output, value)
            for name in step.dead:
                del values[name]
        return value

    def _act(self, step: Step, inputs: list[Tensor]) -> Tensor:
        if step.op == "conv":
            x: Tensor = self._modules[step.name](inputs[0])  # type: ignore[misc]
            if step.pool_first:
                x = functional.max_pool2d(x, 2)
            return functional.relu(x, inplace=True)
        if step.op == "max_pool":
            return functional.max_pool2d(inputs[0], 2)
        if step.op == "concat":
            return torch.cat(inputs, 1)
        if step.op == "add":
            return inputs[0] + inputs[1]
        module: Any = self._modules[step.name]
        if step.op == "mix":
            return module(*inputs)  # type: ignore[no-any-return]
        return module(inputs[0])  # type: ignore[no-any-return]


class Network(Graph):
    """A trainable network with fresh weights drawn from `generator`, or with the given `tensors`.

    Convolutions are He-normal, BatchNorms the identity, the linear head as torch draws it. `tensors` are taken,
    not copied; their names, shapes and dtypes are those of a state dict. Raises RuntimeError where they differ.
    """

    def __init__(
        self,
        architecture: Architecture,
        generator: torch.Generator | None = None,
        *,
        tensors: Mapping[str, Tensor] | None = None,
    ) -> None:
        with torch.device("meta"):  # torch's own initialisation would draw from the global stream
            super().__init__(architecture)
        if tensors is not None:
            self.load_state_dict(dict(tensors), strict=True, assign=True)
        else:
            self.to_empty(device="cpu")
            self._initialise(generator)

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator | None) -> None:
        self.mean.zero_()
        self.std.fill_(1)
        for module in self.children():
            if isinstance(module, ConvBlock):
                he_normal_(module.conv.weight, generator)
                module.bn.reset_parameters()
            elif isinstance(module, Convolution):
                he_normal_(module.weight, generator)
            elif isinstance(module, Norm):
                module.reset_parameters()
            elif isinstance(module, Mix):
                module.lam.fill_(1)
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.uniform_(-bound, bound, generator=generator)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """A network from an exported zip or folder. Raises DamagedModel where it is not one."""
        from searches.nash.export import read_model

        return read_model(path)

    def mixes(self) -> Iterator[Mix]:
        return (module for module in self.children() if isinstance(module, Mix))

    @torch.no_grad()
    def clamp_lambdas_(self) -> None:
        """Put every lambda back into [0, 1]; called after each optimiser step."""
        for mix in self.mixes():
            mix.lam.clamp_(0, 1)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Two optimiser groups: conv and linear weights with decay; BatchNorm, bias and lambda without.

        Source: method section 3; decay alone would pull lambda from 1 to 0.52 in one child.
        """
        decayed = [p for p in self.parameters() if p.ndim > 1]
        free = [p for p in self.parameters() if p.ndim <= 1]
        return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def he_normal_(weight: Tensor, generator: torch.Generator | None) -> Tensor:
    """Fill conv filters (c_out, c_in, k, k) with N(0, 2 / (c_in * k * k)). Source: method section 2."""
    c_in_k_k = weight[0].numel()
    return weight.normal_(0, math.sqrt(2 / c_in_k_k), generator=generator)
