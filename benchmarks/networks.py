"""The networks that are measured: A = 16-32-64, B = 64-128-256, and C, a child as a search grows it."""

from __future__ import annotations

import json
from pathlib import Path

from searches.nash.architecture import Architecture, Shape
from searches.nash.morphisms import Deepen, Morphism, SkipAdd, SkipConcat

GROWN = Path(__file__).with_name("grown.json")
GROWN_FROM = (32, 64, 128)
GROWN_BY: tuple[Morphism, ...] = (
    Deepen("c1", 5),
    Deepen("c2", 5),
    Deepen("c3", 5),
    Deepen("c5", 3),
    Deepen("c6", 3),
    SkipConcat("c4", "c3"),
    SkipAdd("c2", "c7"),
)
"""From 32-64-128 to 8 blocks, three of them 5x5, a concatenation and an addition."""
CHANNELS = {"A": (16, 32, 64), "B": (64, 128, 256)}
NAMES = (*CHANNELS, "C")


def architecture(name: str, input_shape: Shape = (3, 32, 32), n_classes: int = 10) -> Architecture:
    """A, B or C; C on CIFAR-10's shape is the one that grown.json keeps. Raises KeyError for another name."""
    if name != "C":
        return Architecture.initial(input_shape, n_classes, CHANNELS[name])
    if (input_shape, n_classes) == ((3, 32, 32), 10):
        return Architecture.from_dict(json.loads(GROWN.read_text()))
    return grown(input_shape, n_classes)


def grown(input_shape: Shape = (3, 32, 32), n_classes: int = 10) -> Architecture:
    """C from its morphisms, for any images."""
    return Architecture.initial(input_shape, n_classes, GROWN_FROM).morphed(GROWN_BY)


def write_grown() -> None:
    """Write grown.json anew: python -c "from benchmarks.networks import write_grown; write_grown()"."""
    GROWN.write_text(json.dumps(grown().to_dict(), indent=1) + "\n")
