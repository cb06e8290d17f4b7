"""What leaves the house: weights as safetensors, and a found network as one zip that runs without this project.

The zip holds model.safetensors, architecture.json, model.py and README.txt. The same network and the same
information give the same bytes. Nothing here reads or writes pickle.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from searches.nash.architecture import Architecture
from searches.nash.atomic import write_atomically
from searches.nash.model_zip import ARCHITECTURE, WEIGHTS, pack_model
from searches.nash.model_zip import DamagedModel as DamagedModel
from searches.nash.network import Graph, Network
from searches.nash.nodes import InvalidArchitecture

MAX_ARCHITECTURE_BYTES = 4 * 2**20
MAX_HEADER_BYTES = 2**20
UNREADABLE_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError)


# ---------------------------------------------------------------------- weights


def weights_of(network: Network) -> dict[str, Tensor]:
    """The network's tensors by name, sorted, on the CPU, contiguous: what files hold and hashes count."""
    return {name: t.detach().cpu().contiguous() for name, t in sorted(network.state_dict().items())}


def weights_sha256(network: Network) -> str:
    """64 hex digits over names, dtypes, shapes and bytes of all tensors: equal exactly where the weights are."""
    digest = hashlib.sha256()
    for name, tensor in weights_of(network).items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_weights(network: Network, path: str | Path) -> Path:
    """Put the network's tensors on disk as safetensors, whole or not at all. Raises OSError."""
    return write_atomically(Path(path), save(weights_of(network)))


def load_weights(path: str | Path, architecture: Architecture) -> Network:
    """The network of `architecture` with the weights of a safetensors file. Raises DamagedModel, OSError."""
    return network_of(architecture, Path(path).read_bytes())


def network_of(architecture: Architecture, weights: bytes) -> Network:
    """A network from safetensors bytes. Raises DamagedModel unless they are those of the architecture."""
    try:
        tensors = load(weights)
    except (SafetensorError, KeyError) as error:
        raise DamagedModel(f"{WEIGHTS}: {error}") from error
    expected = _expected(architecture)
    if wrong := sorted(tensors.keys() ^ expected.keys()):
        raise DamagedModel(f"{WEIGHTS}: {wrong[0]} is {'missing' if wrong[0] in expected else 'not of this network'}")
    dtype = tensors["mean"].dtype
    for name, tensor in expected.items():
        wanted = (tuple(tensor.shape), dtype if tensor.is_floating_point() else tensor.dtype)
        found = (tuple(tensors[name].shape), tensors[name].dtype)
        if found != wanted or not dtype.is_floating_point:
            raise DamagedModel(f"{WEIGHTS}: {name} is {found[0]} {found[1]}, not {wanted[0]} {wanted[1]}")
    return Network(architecture, tensors=tensors)


def _expected(architecture: Architecture) -> dict[str, Tensor]:
    """Names, shapes and kinds of an architecture's tensors, without their memory."""
    with torch.device("meta"):
        return dict(Graph(architecture).state_dict())


# ---------------------------------------------------------------------- the zip


def export_model(network: Network, path: str | Path, *, info: Mapping[str, Any]) -> Path:
    """Write the network as one zip, whole or not at all; returns the path.

    What `info` may hold is said at pack_model. Raises ValueError where classes are not as many as the network has,
    OSError where the disk takes no more.
    """
    return pack_model(network.architecture, save(weights_of(network)), path, info=info)


def read_model(path: str | Path) -> Network:
    """A network from an exported zip, or from the folder of one, by its architecture.json and weights.

    Sizes are bounded by what the architecture needs before anything is read. Raises DamagedModel, OSError.
    """
    path = Path(path)
    if path.is_dir():
        return _read_model(lambda name, limit: _read_file(path / name, limit))
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_model(lambda name, limit: _read_entry(archive, name, limit))
    except UNREADABLE_ZIP as error:
        raise DamagedModel(f"{path.name}: not an exported model ({error}); give the zip or its folder") from error


def _read_model(read: Callable[[str, int], bytes]) -> Network:
    try:
        architecture = Architecture.from_dict(json.loads(read(ARCHITECTURE, MAX_ARCHITECTURE_BYTES)))
        needed = sum(t.numel() * 8 for t in _expected(architecture).values())
    except (InvalidArchitecture, ValueError, OverflowError, RecursionError) as error:
        raise DamagedModel(f"{ARCHITECTURE}: {error}") from error
    return network_of(architecture, read(WEIGHTS, needed + MAX_HEADER_BYTES))


def _read_file(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return _at_most(file.read(limit + 1), limit, path.name)


def _read_entry(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as file:
        return _at_most(file.read(limit + 1), limit, name)


def _at_most(content: bytes, limit: int, name: str) -> bytes:
    if len(content) > limit:
        raise DamagedModel(f"{name}: larger than the {limit} bytes that this model can need")
    return content
