"""A zip that was exported here, or its folder, read with distrust: nothing is unpacked, no torch and no pickle.

What is read is architecture.json and the header of model.safetensors, each bounded before it is read; names, shapes
and dtypes of the tensors must be those that the architecture asks for, and their bytes as many as these take.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from searches.nash.architecture import Architecture, Shape
from searches.nash.imagefolder.archives import ENCRYPTED, check_directory
from searches.nash.imagefolder.source import BadArchive, is_bomb
from searches.nash.model_zip import ARCHITECTURE, HEADER_LENGTH, WEIGHTS, DamagedModel
from searches.nash.nodes import InvalidArchitecture

MAX_ENTRIES = 1000
MAX_ARCHITECTURE_BYTES = 4 * 2**20
MAX_HEADER_BYTES = 2**20
MAX_WEIGHTS_BYTES = 4 * 2**30
MAX_NODES, MAX_CHANNELS, MAX_SIDE = 2000, 2**16, 1024
"""Far more than a search can make, and few enough that counting them takes no time."""
DTYPES = {"F64": ("float64", 8), "F32": ("float32", 4), "F16": ("float16", 2), "I64": ("int64", 8)}
"""safetensors' names of the dtypes that a network can have: ours, and bytes each."""
PIECE = 2**20
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, KeyError,
              BadArchive)  # fmt: skip
NOT_OURS = "give the zip as it was downloaded, or its folder"

Header = Mapping[str, tuple[str, tuple[int, ...], int, int]]
"""Of each tensor: dtype, shape, and where its bytes begin and end in the file."""


@dataclass(frozen=True)
class ModelFile:
    """An exported model whose contents fit together. `info`: what it says of itself; `dtype`: that of its weights."""

    path: Path
    architecture: Architecture
    info: Mapping[str, Any] = field(compare=False)
    header: Header = field(compare=False)
    dtype: str
    n_bytes: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the outputs; () where they are not told."""
        names = self.info.get("classes")
        told = isinstance(names, list) and len(names) == self.architecture.n_classes
        return tuple(map(str, names)) if told else ()  # type: ignore[arg-type]

    def weights(self) -> bytes:
        """model.safetensors. Raises DamagedModel, OSError."""
        with _contents(self.path) as contents, contents.open(WEIGHTS) as file:
            content = file.read(self.n_bytes + 1)
        if len(content) != self.n_bytes:
            raise DamagedModel(_other_length(self.n_bytes))
        return content

    def copy_weights(self, target: IO[bytes]) -> str:
        """Copy model.safetensors piece by piece; returns its sha256. Raises DamagedModel, OSError."""
        digest, left = hashlib.sha256(), self.n_bytes
        with _contents(self.path) as contents, contents.open(WEIGHTS) as file:
            while piece := file.read(min(PIECE, left)):
                target.write(piece)
                digest.update(piece)
                left -= len(piece)
            if left or file.read(1):
                raise DamagedModel(_other_length(self.n_bytes))
        return digest.hexdigest()


def read_model_file(path: str | Path) -> ModelFile:
    """What an exported zip, or the folder of one, holds. Raises DamagedModel with one sentence, OSError."""
    path = Path(path)
    with _contents(path) as contents:
        described = _described(contents.read(ARCHITECTURE, MAX_ARCHITECTURE_BYTES))
        try:
            _check_sizes(described)
            architecture = Architecture.from_dict(described)
        except (InvalidArchitecture, ValueError, OverflowError, TypeError, RecursionError) as error:
            raise DamagedModel(f"{ARCHITECTURE}: {_short(error)}") from error
        n_bytes = contents.size(WEIGHTS)
        needed = sum(8 * math.prod(shape) for shape in tensor_shapes(architecture).values()) + MAX_HEADER_BYTES
        if n_bytes > min(needed, MAX_WEIGHTS_BYTES):
            raise DamagedModel(
                f"{WEIGHTS}: larger than the {min(needed, MAX_WEIGHTS_BYTES):,} bytes that this model can need"
            )
        with contents.open(WEIGHTS) as file:
            start = file.read(HEADER_LENGTH)
            start += file.read(_header_length(start))
    header = read_header(start, n_bytes, architecture)
    info = described.get("info")
    return ModelFile(path, architecture, info if isinstance(info, dict) else {}, header, header["mean"][0], n_bytes)


# ---------------------------------------------------------------------- the tensors


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
    begin = HEADER_LENGTH + _header_length(start)
    try:
        entries = json.loads(start[HEADER_LENGTH:begin])
        entries.pop("__metadata__", None)
        found = {
            name: (str(e["dtype"]), tuple(map(int, e["shape"])), *(begin + int(at) for at in e["data_offsets"]))
            for name, e in entries.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedModel(f"{WEIGHTS}: its header cannot be read ({_short(error)})") from error
    expected = tensor_shapes(architecture)
    if wrong := sorted(found.keys() ^ expected.keys()):
        which = "is missing" if wrong[0] in expected else "is not of this network"
        raise DamagedModel(f"{WEIGHTS}: {_short(wrong[0])} {which}")
    dtype = found["mean"][0]
    for name, shape in expected.items():
        wanted = "I64" if name.endswith(".num_batches_tracked") else dtype if dtype[:1] == "F" else "F32"
        if found[name][:2] != (wanted, shape) or wanted not in DTYPES or len(found[name]) != 4:
            is_so = f"{found[name][1]} {_dtype_words(found[name][0])}"
            raise DamagedModel(f"{WEIGHTS}: {name} is {is_so}, not {shape} {_dtype_words(wanted)}")
    at = begin
    for name, (kind, shape, first, last) in sorted(found.items(), key=lambda item: item[1][2:]):
        at += math.prod(shape) * DTYPES[kind][1]
        if first != at - math.prod(shape) * DTYPES[kind][1] or last != at:
            raise DamagedModel(f"{WEIGHTS}: the bytes of {name} do not lie where its shape says")
    if at != n_bytes:
        raise DamagedModel(f"{WEIGHTS}: {n_bytes:,} bytes, not the {at:,} that its header says; was it cut short?")
    return found


def check_values(header: Header, content: Any) -> None:
    """Raises DamagedModel where the weights (bytes, or a mapped file) hold no number, or one that cannot be."""
    import numpy as np

    for name, (kind, shape, first, _) in header.items():
        if kind == "I64":
            continue
        left, at = math.prod(shape), first
        while left:
            piece = np.frombuffer(content, f"<f{DTYPES[kind][1]}", min(left, PIECE), at)
            if not np.isfinite(piece).all():
                raise DamagedModel(f"{WEIGHTS}: {name} holds what is no number (inf or nan)")
            if name == "std" and (piece <= 0).any():
                raise DamagedModel(f"{WEIGHTS}: std holds a deviation that is not above 0")
            if name.endswith(".running_var") and (piece < 0).any():
                raise DamagedModel(f"{WEIGHTS}: {name} holds a variance below 0")
            left -= len(piece)
            at += piece.nbytes


def _header_length(start: bytes) -> int:
    length = struct.unpack_from("<Q", start)[0] if len(start) >= HEADER_LENGTH else 0
    if not 0 < length <= MAX_HEADER_BYTES:
        raise DamagedModel(f"{WEIGHTS}: not a file of safetensors")
    return int(length)


def _dtype_words(dtype: str) -> str:
    return DTYPES[dtype][0] if dtype in DTYPES else _short(dtype)


# ---------------------------------------------------------------------- architecture.json


def _described(content: bytes) -> dict[str, Any]:
    try:
        described = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedModel(f"{ARCHITECTURE}: {_short(error)}") from error
    if not isinstance(described, dict):
        raise DamagedModel(f"{ARCHITECTURE}: not an architecture, which has input_shape and nodes")
    return described


def _check_sizes(described: Mapping[str, Any]) -> None:
    """Raises InvalidArchitecture for sizes whose mere counting would take time or memory."""
    nodes, shape = described.get("nodes", ()), described.get("input_shape", ())
    if not isinstance(nodes, list) or len(nodes) > MAX_NODES:
        raise InvalidArchitecture(f"nodes: a list of at most {MAX_NODES:,}")
    if not isinstance(shape, list) or not all(isinstance(n, int) and 1 <= n <= MAX_SIDE for n in shape):
        raise InvalidArchitecture(f"input_shape={_short(shape)}: give (C, H, W), each from 1 to {MAX_SIDE:,}")
    if shape[0] not in (1, 3):
        raise InvalidArchitecture(f"input_shape={_short(shape)}: 1 (grey) or 3 (colour) channels")
    for node in nodes:
        channels = node.get("channels", 0) if isinstance(node, dict) else None
        if not isinstance(channels, int) or not 0 <= channels <= MAX_CHANNELS:
            raise InvalidArchitecture(f"node {_short(node)}: channels is a whole number of at most {MAX_CHANNELS:,}")


def _short(value: Any) -> str:
    """A value of the file in a sentence about it."""
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else f"{text[:200]}…"


# ---------------------------------------------------------------------- zip and folder


class _Contents:
    """The files of a model, by name."""

    def __init__(self, path: Path, archive: zipfile.ZipFile | None) -> None:
        self._path, self._archive = path, archive

    def size(self, name: str) -> int:
        """Bytes of the file, as a zip claims them. Raises DamagedModel, OSError."""
        if self._archive is None:
            self._must_be_file(name)
            return (self._path / name).stat().st_size
        return self._entry(name).file_size

    def open(self, name: str) -> IO[bytes]:
        if self._archive is None:
            self._must_be_file(name)
            return (self._path / name).open("rb")
        return self._archive.open(self._entry(name))

    def read(self, name: str, limit: int) -> bytes:
        if self.size(name) > limit:
            raise DamagedModel(f"{name}: larger than the {limit:,} bytes that this model can need")
        with self.open(name) as file:
            return file.read(limit)

    def _must_be_file(self, name: str) -> None:
        if not (self._path / name).is_file():
            raise DamagedModel(f"{self._path.name}: no {name} in it; {NOT_OURS}")

    def _entry(self, name: str) -> zipfile.ZipInfo:
        assert self._archive is not None
        found = [info for info in self._archive.infolist() if info.filename == name]
        if len(found) != 1:
            raise DamagedModel(f"{self._path.name}: {len(found) or 'no'} {name} in it; {NOT_OURS}")
        info = found[0]
        if info.flag_bits & ENCRYPTED:
            raise DamagedModel(f"{self._path.name}: {name} is encrypted; {NOT_OURS}")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DamagedModel(f"{self._path.name}: {name} is packed by method {info.compress_type}; {NOT_OURS}")
        if is_bomb(info.file_size, info.compress_size):
            raise DamagedModel(f"{self._path.name}: {name} unpacks to far more than weights can; {NOT_OURS}")
        return info


@contextmanager
def _contents(path: Path) -> Iterator[_Contents]:
    """Raises DamagedModel where it is no zip or folder, or breaks while it is read; OSError."""
    if path.is_dir():
        yield _Contents(path, None)
        return
    try:
        with path.open("rb") as file:
            check_directory(file, path.name, MAX_ENTRIES)
            with zipfile.ZipFile(file) as archive:
                yield _Contents(path, archive)
    except DamagedModel:
        raise
    except UNREADABLE as error:
        raise DamagedModel(f"{path.name}: not an exported model ({_short(error)}); {NOT_OURS}") from error


def _other_length(n_bytes: int) -> str:
    return f"{WEIGHTS}: not the {n_bytes:,} bytes that were announced"
