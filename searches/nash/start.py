"""What a search can begin from in place of a fresh model_0: a network that was trained before, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from searches.nash.architecture import Architecture, Shape
from searches.nash.nodes import REFERENCE_OPERATIONS, InvalidArchitecture

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Start:
    """A network's architecture and the sha256 of its model.safetensors. Raises ValueError.

    Part of the settings, so that plan() draws from it without reading a file, and what a search is reproduced by
    names the weights that it began from.
    """

    architecture: Architecture
    sha256: str

    def __post_init__(self) -> None:
        if not SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256={self.sha256!r}: give 64 hexadecimal digits")

    def __hash__(self) -> int:
        return hash((self.architecture.digest, self.sha256))

    def to_dict(self) -> dict[str, Any]:
        return {"sha256": self.sha256, "architecture": self.architecture.to_dict()}

    @property
    def words(self) -> str:
        """In one line, where the architecture would be too long."""
        return f"architecture {self.architecture.digest}, weights sha256 {self.sha256}"

    def misfits(self, input_shape: Shape, n_classes: int) -> str:
        """Why a search on such images cannot begin from it, in words; "" where it can."""
        has, needs = self.architecture, []
        if has.input_shape != input_shape:
            needs.append(f"it takes images of {_shape(has.input_shape)}, the data set has {_shape(input_shape)}")
        if has.n_classes != n_classes:
            needs.append(f"it tells {has.n_classes} classes apart, the data set has {n_classes}")
        if needs:
            return "; ".join(needs)
        strange = sorted({node.op for node in has.nodes} & set(REFERENCE_OPERATIONS))
        if strange or not has.blocks:
            what = f"it is made of {', '.join(strange)}" if strange else "it has no blocks"
            return f"{what}, which no morphism applies to: reference networks cannot be climbed from"
        return ""


def start_from(value: Any) -> Start | None:
    """What a setting holds, as a Start. Raises ValueError with a sentence for people."""
    if value is None or isinstance(value, Start):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"{str(value)[:40]!r} is no network: choose one that was trained, or its zip")
    try:
        return Start(Architecture.from_dict(value["architecture"]), str(value["sha256"]))
    except (KeyError, InvalidArchitecture) as error:
        raise ValueError(f"not a network to begin from: {error}") from error


def _shape(shape: Shape) -> str:
    channels, height, width = shape
    return f"{height} x {width} px, {'grey' if channels == 1 else 'in colour'}"
