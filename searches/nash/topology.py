"""How a change travels through an architecture: names, insertion, and new channels carried to their consumers.

All that morphisms.py needs to know of graphs, in one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from searches.nash.architecture import Architecture, operand_maps
from searches.nash.nodes import Node

Origin = tuple[int | None, ...]
"""For each new channel of a layer's input or output the channel it was before, None for one that is new."""


def skips_of(architecture: Architecture) -> frozenset[tuple[str, str, str]]:
    """(kind, source block, target block) of every skip, each join traced back to its two blocks."""
    kinds = {"concat": "concat", "mix": "add"}
    return frozenset(
        (kinds[node.op], trunk_block(architecture, node.inputs[1]), trunk_block(architecture, node.inputs[0]))
        for node in architecture.nodes
        if node.op in kinds
    )


def trunk_block(architecture: Architecture, name: str) -> str:
    node = architecture.node(name)
    while node.name not in architecture.blocks:
        node = architecture.node(node.inputs[0])
    return node.name


def level(architecture: Architecture, name: str) -> int:
    """Max-pools between the input and a node."""
    level, node = 0, architecture.node(name)
    while node.inputs:
        level += node.op == "max_pool"
        node = architecture.node(node.inputs[0])
    return level


def next_name(architecture: Architecture, prefix: str, ahead: int = 0) -> str:
    numbers = (re.fullmatch(prefix + r"(\d+)", node.name) for node in architecture.nodes)
    return f"{prefix}{1 + ahead + max((int(m[1]) for m in numbers if m), default=0)}"


def inserted(architecture: Architecture, after: str, born: Sequence[Node], *, reads: str) -> list[Node]:
    """The nodes with `born` directly behind `after`, whose older consumers now read `reads`."""
    nodes: list[Node] = []
    for node in architecture.nodes:
        nodes.append(replace(node, inputs=tuple(reads if i == after else i for i in node.inputs)))
        if node.name == after:
            nodes += born
    return nodes


def propagated(
    old: Architecture, nodes: Sequence[Node], changed: Mapping[str, Origin]
) -> tuple[Architecture, dict[str, Origin]]:
    """Carries changed output channels downstream, to the convolutions and the head that read them.

    Through max_pool as they are; through concat at their offset, as often as the producer occurs; into a mix
    as new channels at its end, which the other operand does not reach (it counts as zero there).
    """
    out: dict[str, Origin] = dict(changed)
    reached: dict[str, Origin] = {}
    done: list[Node] = []
    for node in nodes:
        if node.name not in changed and any(source in out for source in node.inputs):
            if node.op in ("conv", "linear"):
                reached[node.name] = out[node.inputs[0]]
            elif node.op == "max_pool":
                out[node.name] = out[node.inputs[0]]
            elif node.op == "concat":
                out[node.name] = _concatenated(old, node, out)
            elif node.op == "mix":
                node, out[node.name] = _mixed(old, node, out)
        done.append(node)
    return Architecture(old.input_shape, tuple(done)), reached


def _concatenated(old: Architecture, node: Node, out: Mapping[str, Origin]) -> Origin:
    origin: list[int | None] = []
    offset = 0
    for source, old_source in zip(node.inputs, old.node(node.name).inputs, strict=True):
        width = old.shapes[old_source][0]
        moved = out.get(source, tuple(range(width)))
        origin += [None if k is None else offset + k for k in moved]
        offset += width
    return tuple(origin)


def _mixed(old: Architecture, node: Node, out: Mapping[str, Origin]) -> tuple[Node, Origin]:
    channels = node.channels
    maps: list[tuple[int, ...]] = []
    for source, old_map in zip(node.inputs, operand_maps(old, node.name), strict=True):
        moved: list[int] = []
        for k in out.get(source, tuple(range(len(old_map)))):
            moved.append(channels if k is None else old_map[k])
            channels += k is None
        maps.append(tuple(moved))
    origin: Origin = (*range(node.channels), *([None] * (channels - node.channels)))
    identity = tuple(range(channels))
    mixed = replace(node, channels=channels, maps=tuple(None if m == identity else m for m in maps))
    return mixed, origin
