"""What a file of safetensors says of itself, held against what an architecture has: no torch is needed."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from searches.nash.architecture import Architecture, Shape
from searches.nash.model_zip import HEADER_LENGTH, WEIGHTS, DamagedModel

MAX_HEADER_BYTES = 2**20
DTYPES = {"F64": ("float64", 8), "F32": ("float32", 4), "F16": ("float16", 2), "I64": ("int64", 8)}
"""safetensors' names of the dtypes that a network can have: ours, and bytes each."""
PIECE = 2**20


class Place(NamedTuple):
    """A tensor in the file: its dtype and shape, and where its bytes begin and end."""

    dtype: str
    shape: tuple[int, ...]
    first: int
    last: int


Header = Mapping[str, Place]


def tensor_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a network: those of network.Network's state dict."""
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("mean", "std"), (architecture.input_shape[0],))
    for node in architecture.nodes:
        out = architecture.shapes[node.name]
        c_in = architecture.shapes[node.inputs[0]][0] if node.inputs else 0
        filters = (node.channels, c_in, node.kernel, node.kernel)
        if node.op == "conv":
            shapes[f"{node.name}.conv.weight"] = filters
            shapes |= _norm(f"{node.name}.bn", out)
        elif node.op == "convolution":
            shapes[f"{node.name}.weight"] = filters
        elif node.op == "norm":
            shapes |= _norm(node.name, out)
        elif node.op == "mix":
            shapes[f"{node.name}.lam"] = ()
        elif node.op == "linear":
            shapes[f"{node.name}.weight"] = (node.channels, architecture.n_features())
            shapes[f"{node.name}.bias"] = (node.channels,)
    return shapes


def _norm(name: str, shape: Shape) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (shape[0],) for part in parts}, f"{name}.num_batches_tracked": ()}


def read_header(start: bytes, n_bytes: int, architecture: Architecture) -> Header:
    """The header of a safetensors file of `n_bytes`, from its first bytes on.

    Raises DamagedModel unless it holds the tensors of the architecture, no more, in one dtype, without gaps.
    """
    begin = HEADER_LENGTH + header_length(start)
    try:
        entries = json.loads(start[HEADER_LENGTH:begin])
        entries.pop("__metadata__", None)
        found = {name: _place(entry, begin) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedModel(f"{WEIGHTS}: its header cannot be read ({short(error)})") from error
    _check_tensors(found, tensor_shapes(architecture))
    _check_places(found, begin, n_bytes)
    return found


def _place(entry: Any, begin: int) -> Place:
    first, last = (begin + int(at) for at in entry["data_offsets"])
    return Place(str(entry["dtype"]), tuple(int(n) for n in entry["shape"]), first, last)


def _check_tensors(found: Header, expected: Mapping[str, tuple[int, ...]]) -> None:
    if wrong := sorted(found.keys() ^ expected.keys()):
        which = "is missing" if wrong[0] in expected else "is not of this network"
        raise DamagedModel(f"{WEIGHTS}: {short(wrong[0])} {which}")
    dtype = found["mean"].dtype
    for name, shape in expected.items():
        wanted = "I64" if name.endswith(".num_batches_tracked") else dtype if dtype[:1] == "F" else "F32"
        place = found[name]
        if (place.dtype, place.shape) != (wanted, shape) or wanted not in DTYPES:
            is_so = f"{place.shape} {_dtype_words(place.dtype)}"
            raise DamagedModel(f"{WEIGHTS}: {name} is {is_so}, not {shape} {_dtype_words(wanted)}")


def _check_places(found: Header, begin: int, n_bytes: int) -> None:
    """One tensor behind the other, from the end of the header to the end of the file."""
    at = begin
    for name, place in sorted(found.items(), key=lambda item: item[1].first):
        if (place.first, place.last) != (at, at + math.prod(place.shape) * DTYPES[place.dtype][1]):
            raise DamagedModel(f"{WEIGHTS}: the bytes of {name} do not lie where its shape says")
        at = place.last
    if at != n_bytes:
        raise DamagedModel(f"{WEIGHTS}: {n_bytes:,} bytes, not the {at:,} that its header says; was it cut short?")


def check_values(header: Header, content: Any) -> None:
    """Raises DamagedModel where the weights (bytes, or a mapped file) hold no number, or one that cannot be."""
    import numpy as np

    for name, place in header.items():
        if place.dtype == "I64":
            continue
        left, at = math.prod(place.shape), place.first
        while left:
            piece = np.frombuffer(content, f"<f{DTYPES[place.dtype][1]}", min(left, PIECE), at)
            if not np.isfinite(piece).all():
                raise DamagedModel(f"{WEIGHTS}: {name} holds what is no number (inf or nan)")
            if name == "std" and (piece <= 0).any():
                raise DamagedModel(f"{WEIGHTS}: std holds a deviation that is not above 0")
            if name.endswith(".running_var") and (piece < 0).any():
                raise DamagedModel(f"{WEIGHTS}: {name} holds a variance below 0")
            left -= len(piece)
            at += piece.nbytes


def header_length(start: bytes) -> int:
    length = struct.unpack_from("<Q", start)[0] if len(start) >= HEADER_LENGTH else 0
    if not 0 < length <= MAX_HEADER_BYTES:
        raise DamagedModel(f"{WEIGHTS}: not a file of safetensors")
    return int(length)


def _dtype_words(dtype: str) -> str:
    return DTYPES[dtype][0] if dtype in DTYPES else short(dtype)


def short(value: Any) -> str:
    """A value of the file in a sentence about it."""
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else f"{text[:200]}…"
