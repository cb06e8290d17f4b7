"""A zip that was exported here, or its folder, read with distrust: nothing is unpacked, no torch and no pickle.

What is read is architecture.json and the header of model.safetensors, each bounded before it is read; names, shapes
and dtypes of the tensors must be those that the architecture asks for, and their bytes as many as these take.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from searches.nash.architecture import Architecture
from searches.nash.imagefolder.archives import ENCRYPTED, check_directory
from searches.nash.imagefolder.source import BadArchive, is_bomb
from searches.nash.model_zip import ARCHITECTURE, HEADER_LENGTH, MEMBERS, WEIGHTS, DamagedModel
from searches.nash.nodes import InvalidArchitecture
from searches.nash.weights_header import (
    MAX_HEADER_BYTES,
    Header,
    check_values,
    header_length,
    read_header,
    short,
    tensor_shapes,
)

MAX_ENTRIES = 1000
MAX_ARCHITECTURE_BYTES = 4 * 2**20
MAX_WEIGHTS_BYTES = 4 * 2**30
MAX_NODES, MAX_CHANNELS, MAX_SIDE = 2000, 2**16, 1024
"""Far more than a search can make, and few enough that counting them takes no time."""
PIECE = 2**20
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, KeyError,
              BadArchive)  # fmt: skip
NOT_OURS = "give the zip as it was downloaded, or its folder"


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

    def verify(self) -> str:
        """Read the weights to their end, look at every number; their sha256. Raises DamagedModel, OSError."""
        with tempfile.TemporaryFile() as file:
            digest = self.copy_weights(file)
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                check_values(self.header, content)
        return digest


def read_model_file(path: str | Path) -> ModelFile:
    """What an exported zip, or the folder of one, holds. Raises DamagedModel with one sentence, OSError."""
    path = Path(path)
    with _contents(path) as contents:
        described = _described(contents.read(ARCHITECTURE, MAX_ARCHITECTURE_BYTES))
        try:
            _check_sizes(described)
            architecture = Architecture.from_dict(described)
        except (InvalidArchitecture, ValueError, OverflowError, TypeError, RecursionError) as error:
            raise DamagedModel(f"{ARCHITECTURE}: {short(error)}") from error
        n_bytes = contents.size(WEIGHTS)
        needed = sum(8 * math.prod(shape) for shape in tensor_shapes(architecture).values()) + MAX_HEADER_BYTES
        if n_bytes > min(needed, MAX_WEIGHTS_BYTES):
            raise DamagedModel(
                f"{WEIGHTS}: larger than the {min(needed, MAX_WEIGHTS_BYTES):,} bytes that this model can need"
            )
        with contents.open(WEIGHTS) as file:
            start = file.read(HEADER_LENGTH)
            start += file.read(header_length(start))
    header = read_header(start, n_bytes, architecture)
    info = described.get("info")
    return ModelFile(
        path, architecture, info if isinstance(info, dict) else {}, header, header["mean"].dtype, n_bytes
    )


# ---------------------------------------------------------------------- architecture.json


def _described(content: bytes) -> dict[str, Any]:
    try:
        described = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedModel(f"{ARCHITECTURE}: {short(error)}") from error
    if not isinstance(described, dict):
        raise DamagedModel(f"{ARCHITECTURE}: not an architecture, which has input_shape and nodes")
    if isinstance(members := described.get(MEMBERS), list):
        raise DamagedModel(
            f"{ARCHITECTURE}: an ensemble of {len(members):,} networks, not one network; as one answer its model.py, "
            "model.onnx and model.pt2"
        )
    return described


def _check_sizes(described: Mapping[str, Any]) -> None:
    """Raises InvalidArchitecture for sizes whose mere counting would take time or memory."""
    nodes, shape = described.get("nodes", ()), described.get("input_shape", ())
    if not isinstance(nodes, list) or len(nodes) > MAX_NODES:
        raise InvalidArchitecture(f"nodes: a list of at most {MAX_NODES:,}")
    if not isinstance(shape, list) or not all(isinstance(n, int) and 1 <= n <= MAX_SIDE for n in shape):
        raise InvalidArchitecture(f"input_shape={short(shape)}: give (C, H, W), each from 1 to {MAX_SIDE:,}")
    if shape[0] not in (1, 3):
        raise InvalidArchitecture(f"input_shape={short(shape)}: 1 (grey) or 3 (colour) channels")
    for node in nodes:
        channels = node.get("channels", 0) if isinstance(node, dict) else None
        if not isinstance(channels, int) or not 0 <= channels <= MAX_CHANNELS:
            raise InvalidArchitecture(f"node {short(node)}: channels is a whole number of at most {MAX_CHANNELS:,}")


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
        raise DamagedModel(f"{path.name}: not an exported model ({short(error)}); {NOT_OURS}") from error


def _other_length(n_bytes: int) -> str:
    return f"{WEIGHTS}: not the {n_bytes:,} bytes that were announced"
