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


def steps_of(architecture: Architecture, *, every_node: bool = False) -> tuple[Step, ...]:
    """The forward pass as a list: what to compute from what, and which values nothing needs any more.

    Pools of the same value, which skips across a pool bring along, are computed once, and a conv that only a
    max_pool reads is pooled before its ReLU: both are monotone, so value and gradients are the same bits, and the
    ReLU works on a quarter of the pixels. `every_node`: neither, so that the value of each node is made.
    """
    same = {} if every_node else _shared_pools(architecture)
    inputs = {
        node.name: tuple(same.get(source, source) for source in node.inputs)
        for node in architecture.nodes
        if node.op != "input" and same.get(node.name, node.name) == node.name
    }
    readers = {source: [name for name in inputs if source in inputs[name]] for source in architecture.shapes}
    last_use = {source: names[-1] for source, names in readers.items() if names}
    pools = {
        node.name: readers[node.name][0]
        for node in architecture.nodes
        if not every_node and node.op == "conv" and _is_one_pool(architecture, readers[node.name])
    }
    return tuple(
        Step(
            op=architecture.node(name).op,
            name=name,
            inputs=sources,
            output=pools.get(name, name),
            pool_first=name in pools,
            dead=tuple(source for source, reader in last_use.items() if reader == name),
        )
        for name, sources in inputs.items()
        if name not in pools.values()
    )


def _shared_pools(architecture: Architecture) -> dict[str, str]:
    """For each max_pool the first one with the same value, itself where there is none before it."""
    same: dict[str, str] = {}
    first: dict[str, str] = {}
    for node in architecture.nodes:
        if node.op == "max_pool":
            source = same.get(node.inputs[0], node.inputs[0])
            same[node.name] = first.setdefault(source, node.name)
    return same


def _is_one_pool(architecture: Architecture, readers: list[str]) -> bool:
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
