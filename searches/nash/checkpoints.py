"""Checkpoints: one training's state in one file that is either whole or known to be damaged."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import torch

from searches.crash_points import reached
from searches.nash.atomic import write_atomically

State = dict[str, Any]

MAGIC = b"NASH checkpoint 1\n"


class DamagedCheckpoint(ValueError):
    """The file is not a whole checkpoint; the one before it, or the parent's weights, must do."""


def write_checkpoint(path: Path, state: State) -> None:
    """Put a state (tensors, numbers, text, lists and dicts of such) on disk, whole or not at all.

    A kill at any moment leaves either the old file or the new one. Raises OSError where the disk takes no more;
    nothing is left behind then.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    body = buffer.getbuffer()
    half = len(body) // 2

    def write(file: BinaryIO) -> None:
        file.write(MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n")
        file.write(body[:half])
        file.flush()
        reached("checkpoint-half-written")
        file.write(body[half:])

    write_atomically(path, write)


def read_checkpoint(path: Path) -> State:
    """The state that write_checkpoint put there. Raises DamagedCheckpoint if the file is missing or not whole."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedCheckpoint(f"{path}: {error.strerror}") from error
    head = len(MAGIC) + 64 + 1
    if not content.startswith(MAGIC) or len(content) <= head:
        raise DamagedCheckpoint(f"{path}: {len(content)} bytes that do not begin as a checkpoint")
    body = memoryview(content)[head:]
    if hashlib.sha256(body).hexdigest().encode() != content[len(MAGIC) : head - 1]:
        raise DamagedCheckpoint(f"{path}: the content does not match its sha256")
    try:
        state = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise DamagedCheckpoint(f"{path}: {error}") from error
    if not isinstance(state, dict):
        raise DamagedCheckpoint(f"{path}: holds a {type(state).__name__}, not a training's state")
    return state
