"""Random streams: every draw of a search comes from one derived from (seed, purpose, step, index, epoch).

Two searches that differ only in a switch then see the same draws, a child's result depends neither on the
worker that trained it nor on when, and a training that is resumed needs no saved generator state.
Ours: the paper does not speak of seeds (docs/paper-map.md).
"""

from __future__ import annotations

import hashlib

PURPOSES = ("split", "morphism", "init", "inherit", "train", "order", "augment")


def derive(seed: int, purpose: str, step: int = 0, index: int = 0, epoch: int = 0) -> int:
    """A 63-bit seed for one purpose, the same on every machine and Python version.

    Raises ValueError for a purpose that is not in PURPOSES, so that a misspelt one cannot open a new stream.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"purpose={purpose!r}: not a stream; streams: {', '.join(PURPOSES)}")
    text = f"{seed}/{purpose}/{step}/{index}/{epoch}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
