"""A forward pass as a list, worked out once from the architecture, so that running it only follows the list."""

from __future__ import annotations

from typing import NamedTuple

from searches.nash.architecture import Architecture

Run = tuple[int, int, int]
"""A stretch of consecutive channels: (first operand channel, first output channel, length)."""


class Step(NamedTuple):
    """One step of a forward pass: `name` is the node whose module acts, `output` the node whose value is made."""

    op: str
    name: str
    inputs: tuple[str, ...]
    output: str
    pool_first: bool
    dead: tuple[str, ...]


def steps_of(architecture: Architecture, *, pool_first: bool = True) -> tuple[Step, ...]:
    """The forward pass as a list: what to compute from what, and which values nothing needs any more.

    With `pool_first` a conv that only one max_pool reads is pooled before its ReLU: both are monotone, so value
    and gradients are the same bits, and the ReLU works on a quarter of the pixels.
    """
    merged = {
        node.name: architecture.consumers[node.name][0]
        for node in architecture.nodes
        if pool_first and node.op == "conv" and _only_reader_is_a_pool(architecture, node.name)
    }
    kept = [n for n in architecture.nodes if n.op != "input" and n.name not in merged.values()]
    last_use = {source: node.name for node in kept for source in node.inputs}
    return tuple(
        Step(
            op=node.op,
            name=node.name,
            inputs=node.inputs,
            output=merged.get(node.name, node.name),
            pool_first=node.name in merged,
            dead=tuple(source for source, reader in last_use.items() if reader == node.name),
        )
        for node in kept
    )


def _only_reader_is_a_pool(architecture: Architecture, name: str) -> bool:
    readers = architecture.consumers[name]
    return len(readers) == 1 and architecture.node(readers[0]).op == "max_pool"


def runs_of(channel_map: tuple[int, ...]) -> tuple[Run, ...]:
    """A channel map as runs in the order of the output channels."""
    runs: list[Run] = []
    for output, operand in sorted((o, i) for i, o in enumerate(channel_map)):
        if runs and runs[-1][0] + runs[-1][2] == operand and runs[-1][1] + runs[-1][2] == output:
            first, start, length = runs[-1]
            runs[-1] = (first, start, length + 1)
        else:
            runs.append((operand, output, 1))
    return tuple(runs)
