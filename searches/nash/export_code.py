"""The code of an exported network: the text of its __init__ and its forward, plain PyTorch."""

from __future__ import annotations

import textwrap

from searches.nash.architecture import Architecture, operand_maps
from searches.nash.nodes import Node
from searches.nash.steps import Run, runs_of

WIDTH = 100
"""Columns of the generated text."""


def layers(architecture: Architecture) -> str:
    """The text of __init__: every module and buffer of a network."""
    lines = ["", "def __init__(self):", "    super().__init__()"]
    for node in architecture.nodes:
        if node.op == "conv":
            c_in = architecture.shapes[node.inputs[0]][0]
            lines.append(f"    self.{node.name} = conv_block({c_in}, {node.channels}, kernel={node.kernel})")
        elif node.op == "convolution":
            c_in, padding = architecture.shapes[node.inputs[0]][0], node.kernel // 2
            sizes = f"{c_in}, {node.channels}, {node.kernel}, stride={node.stride}, padding={padding}"
            lines.append(f"    self.{node.name} = nn.Conv2d({sizes}, bias=False)")
        elif node.op == "norm":
            lines.append(f"    self.{node.name} = nn.BatchNorm2d({architecture.shapes[node.name][0]})")
        elif node.op == "mix":
            lines.append(f"    self.{node.name} = mix_weight()")
        elif node.op == "linear":
            lines.append(f"    self.{node.name} = nn.Linear({architecture.n_features()}, {node.channels})")
    channels = architecture.input_shape[0]
    lines += [f'    self.register_buffer("{name}", torch.zeros({channels}))' for name in ("mean", "std")]
    return textwrap.indent("\n".join(lines) + "\n", "    ", lambda line: bool(line.strip()))


def forward(architecture: Architecture) -> str:
    """The text of forward, from images with values 0..1 to logits."""
    shape = ", ".join(str(v) for v in architecture.input_shape)
    lines = [
        "",
        "def forward(self, images):",
        f'    """Images (N, {shape}), values 0..1 -> logits (N, {architecture.n_classes})."""',
        "    x = (images - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)",
    ]
    for node in architecture.nodes[1:-1]:
        *before, last = _statements(architecture, node)
        made = "x".join(str(v) for v in architecture.shapes[node.name])
        lines += [f"    {line}" for line in before] + [f"    {last}  # {made}"]
    head = architecture.nodes[-1]
    read = _variable(head.inputs[0])
    features = f"{read}.mean(dim=(2, 3))" if head.pool else f"{read}.flatten(1)"
    lines.append(f"    return self.{head.name}({features})")
    return textwrap.indent("\n".join(lines) + "\n", "    ", lambda line: bool(line.strip()))


def _variable(name: str) -> str:
    return "x" if name == "input" else name


def _statements(architecture: Architecture, node: Node) -> list[str]:
    """The lines that compute a node's value from those of its inputs."""
    reads = [_variable(name) for name in node.inputs]
    if node.op in ("conv", "convolution"):
        return [f"{node.name} = self.{node.name}({reads[0]})"]
    if node.op == "norm":
        return [f"{node.name} = F.relu(self.{node.name}({reads[0]}))"]
    if node.op == "add":
        return [f"{node.name} = {reads[0]} + {reads[1]}"]
    if node.op == "max_pool":
        return [f"{node.name} = F.max_pool2d({reads[0]}, 2)"]
    if node.op == "concat":
        return [f"{node.name} = torch.cat(({', '.join(reads)}), dim=1)"]
    lines: list[str] = []
    operands = []
    for name, x, channel_map in zip("fh", reads, operand_maps(architecture, node.name), strict=True):
        parts = _placed(x, runs_of(channel_map), len(channel_map), node.channels)
        if parts != [x]:
            lines += _joined(name, parts)
        operands.append(x if parts == [x] else name)
    return [*lines, f'{node.name} = mix({", ".join(operands)}, self.{node.name}["lam"])']


def _placed(x: str, runs: tuple[Run, ...], width: int, channels: int) -> list[str]:
    """Operand `x` of `width` channels on its output channels, zeros elsewhere: expressions to be concatenated."""
    parts, filled = [], 0
    for k, (first, start, length) in enumerate(runs):
        before = start - filled
        after = channels - start - length if k == len(runs) - 1 else 0
        part = x if length == width else f"{x}[:, {first}:{first + length}]"
        parts.append(f"pad_channels({part}, {before}, {after})" if before or after else part)
        filled = start + length
    return parts


def _joined(name: str, parts: list[str]) -> list[str]:
    if len(parts) == 1:
        return [f"{name} = {parts[0]}"]
    if len(", ".join(parts)) < WIDTH - 40:
        return [f"{name} = torch.cat(({', '.join(parts)}), dim=1)"]
    return [f"{name} = torch.cat(", "    (", *(f"        {part}," for part in parts), "    ),", "    dim=1,", ")"]
