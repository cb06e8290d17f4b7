"""Reference networks that people built, as architectures like those that a search finds: what NASH is measured by.

Trained, exported and counted by the same code. Their operations are not those of the search space, so that no
morphism applies to them.
"""

from __future__ import annotations

from searches.nash.architecture import Architecture, Shape
from searches.nash.nodes import InvalidArchitecture, Node

STEM_CHANNELS = 16
GROUPS = ((16, 1), (32, 2), (64, 2))
"""Channels, before they are widened, and first stride of the three groups."""


def wide_resnet(depth: int, width: int, input_shape: Shape = (3, 32, 32), n_classes: int = 10) -> Architecture:
    """WRN-depth-width: pre-activation residual blocks of two 3x3 convolutions, no dropout, global average pooling.

    Three groups of (depth - 4) / 6 blocks. A block that changes channels or size has a 1x1 convolution as its
    shortcut, which reads what its first convolution reads; the others add their input as it is.
    Raises InvalidArchitecture for a depth that is not 6 n + 4, and for a width below 1.
    Source: Zagoruyko & Komodakis (2016), Table 1; one of the paper's rows in Tables 2 and 3.
    """
    n_blocks, rest = divmod(depth - 4, 6)
    if rest or n_blocks < 1 or width < 1:
        raise InvalidArchitecture(f"WRN-{depth}-{width}: the depth is 10, 16, 22, ..., the width at least 1")
    drawing = _Drawing()
    x, c_in = drawing.convolution("input", STEM_CHANNELS), STEM_CHANNELS
    for channels, first_stride in GROUPS:
        for k in range(n_blocks):
            x = drawing.block(x, c_in, channels * width, first_stride if k == 0 else 1)
            c_in = channels * width
    head = Node("fc", "linear", (drawing.norm(x),), channels=n_classes, pool=True)
    return Architecture(input_shape, (*drawing.nodes, head))


class _Drawing:
    """Nodes put down one after another, each named by its operation and a number; each call returns the name."""

    def __init__(self) -> None:
        self.nodes = [Node("input", "input")]

    def convolution(self, x: str, channels: int, kernel: int = 3, stride: int = 1) -> str:
        name = self._next_name("convolution", "conv")
        return self._put(Node(name, "convolution", (x,), kernel=kernel, channels=channels, stride=stride))

    def norm(self, x: str) -> str:
        return self._put(Node(self._next_name("norm", "norm"), "norm", (x,)))

    def block(self, x: str, c_in: int, channels: int, stride: int) -> str:
        """BatchNorm-ReLU-Conv twice, added to the input or to its 1x1 convolution."""
        active = self.norm(x)
        inner = self.norm(self.convolution(active, channels, stride=stride))
        residual = self.convolution(inner, channels)
        changes = c_in != channels or stride != 1
        shortcut = self.convolution(active, channels, kernel=1, stride=stride) if changes else x
        return self._put(Node(self._next_name("add", "add"), "add", (residual, shortcut)))

    def _next_name(self, op: str, prefix: str) -> str:
        return f"{prefix}{1 + sum(node.op == op for node in self.nodes)}"

    def _put(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name
