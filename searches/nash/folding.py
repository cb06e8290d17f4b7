"""A network for evaluation alone: what BatchNorm does there is linear, so it goes into the convolution before it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from searches.nash.architecture import Architecture
from searches.nash.network import ConvBlock, Graph, Network
from searches.nash.nodes import Node


def folded_norms(architecture: Architecture) -> dict[str, str]:
    """For each plain convolution that a norm alone reads the name of that norm: they fold into one."""
    readers = {n.name: architecture.consumers[n.name] for n in architecture.nodes if n.op == "convolution"}
    return {name: r[0] for name, r in readers.items() if len(r) == 1 and architecture.node(r[0]).op == "norm"}


class FoldedNetwork(Graph):
    """A network for evaluation only: each BatchNorm folded into its convolution, which gains a bias.

    The norm of a reference network stays where its convolution has other readers, or where it reads a sum.
    """

    def module_of(self, node: Node) -> nn.Module | None:
        folded = folded_norms(self.architecture)
        if node.name in folded.values():
            return nn.ReLU(inplace=True)
        if node.op != "conv" and node.name not in folded:
            return super().module_of(node)
        c_in, padding = self.architecture.shapes[node.inputs[0]][0], node.kernel // 2
        return nn.Conv2d(c_in, node.channels, node.kernel, node.stride, padding)


@torch.no_grad()
def fold_batchnorm(network: Network) -> FoldedNetwork:
    """The network's evaluation-mode function without BatchNorm, in its dtype and on its device; new tensors."""
    modules: dict[str, Any] = dict(network.named_children())
    pairs = {name: (m.conv, m.bn) for name, m in modules.items() if isinstance(m, ConvBlock)}
    norms = folded_norms(network.architecture)
    pairs |= {name: (modules[name], modules[norm]) for name, norm in norms.items()}
    gone = {*pairs, *norms.values()}
    tensors = {name: t.clone() for name, t in network.state_dict().items() if name.partition(".")[0] not in gone}
    for name, (conv, bn) in pairs.items():
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = _folded(conv.weight, bn)
    with torch.device("meta"):
        folded = FoldedNetwork(network.architecture)
    folded.load_state_dict(tensors, strict=True, assign=True)
    return folded.eval().requires_grad_(False)


def _folded(weight: Tensor, bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that equals convolution + BatchNorm; worked out in float64."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    scale = bn.weight.double() / torch.sqrt(bn.running_var.double() + bn.eps)
    bias = bn.bias.double() - bn.running_mean.double() * scale
    return (weight.double() * scale.view(-1, 1, 1, 1)).to(weight.dtype), bias.to(weight.dtype)
