"""The nodes that architectures are made of, with their JSON form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Map = tuple[int, ...] | None

REFERENCE_OPERATIONS = ("convolution", "norm", "add")
"""What only reference networks are made of: a plain convolution, BatchNorm-ReLU and a plain sum."""
OPERATIONS = ("input", "conv", "max_pool", "concat", "mix", "linear", *REFERENCE_OPERATIONS)
BLOCK_KERNELS = (3, 5)
PROJECTION_KERNEL = 1
CONVOLUTION_KERNELS = (1, 3)
STRIDES = (1, 2)
MAX_MAPPED_CHANNELS = 2**16
N_INPUTS = {"input": 0, "conv": 1, "max_pool": 1, "mix": 2, "linear": 1, "convolution": 1, "norm": 1, "add": 2}


class InvalidArchitecture(ValueError):
    """The nodes do not form an architecture; the message names the node, the value and what is allowed."""


class UnknownNode(InvalidArchitecture):
    """A name that is not a node of this architecture."""


@dataclass(frozen=True)
class Node:
    """One named node of the graph.

    `channels`: output channels of conv, convolution and mix, classes of linear; 0 where it follows from the inputs.
    `maps` (mix only): per operand the output channel of each operand channel; None = the identity onto all of
    them. Output channels that an operand does not reach count as zero for that operand.
    `pool` (linear only): global average pooling in place of the flatten, which is channel-major.
    `stride` (convolution only): 1 or 2; the same padding, so that a side of n becomes ceil(n / stride).
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    kernel: int = 0
    channels: int = 0
    maps: tuple[Map, ...] = ()
    pool: bool = False
    stride: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, fields at their default left out; maps as runs [first, length]."""
        d: dict[str, Any] = {"name": self.name, "op": self.op}
        if self.inputs:
            d["inputs"] = list(self.inputs)
        if self.kernel:
            d["kernel"] = self.kernel
        if self.channels:
            d["channels"] = self.channels
        if any(m is not None for m in self.maps):
            d["maps"] = [None if m is None else _runs(m) for m in self.maps]
        if self.pool:
            d["pool"] = True
        if self.stride != 1:
            d["stride"] = self.stride
        return d

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Node:
        """The reverse of to_dict. Raises InvalidArchitecture where a field is missing or of another type."""
        try:
            op = str(d["op"])
            maps = tuple(None if m is None else _unruns(m) for m in d.get("maps", ()))
            return cls(
                name=str(d["name"]),
                op=op,
                inputs=tuple(str(i) for i in d.get("inputs", ())),
                kernel=int(d.get("kernel", 0)),
                channels=int(d.get("channels", 0)),
                maps=maps or ((None, None) if op == "mix" else ()),
                pool=bool(d.get("pool", False)),
                stride=int(d.get("stride", 1)),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InvalidArchitecture(f"node {d!r}: {error!r}; give at least name and op") from error


def _runs(channel_map: tuple[int, ...]) -> list[list[int]]:
    runs: list[list[int]] = []
    for channel in channel_map:
        if runs and runs[-1][0] + runs[-1][1] == channel:
            runs[-1][1] += 1
        else:
            runs.append([channel, 1])
    return runs


def _unruns(runs: Sequence[Sequence[int]]) -> tuple[int, ...]:
    if sum(abs(int(length)) for _, length in runs) > MAX_MAPPED_CHANNELS:
        raise ValueError(f"a map of more than {MAX_MAPPED_CHANNELS} channels")  # a file must not choose our memory
    return tuple(int(first) + k for first, length in runs for k in range(int(length)))
