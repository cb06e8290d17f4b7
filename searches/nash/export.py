"""What leaves the house: weights as safetensors, and a found network as one zip that runs without this project.

The zip holds model.safetensors, architecture.json, model.py and README.txt. The same network and the same
information give the same bytes. Nothing here reads or writes pickle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from searches.nash.architecture import Architecture
from searches.nash.atomic import write_atomically
from searches.nash.model_file import read_model_file
from searches.nash.model_zip import MEMBERS, WEIGHTS, pack_model
from searches.nash.model_zip import DamagedModel as DamagedModel
from searches.nash.network import Network
from searches.nash.nodes import InvalidArchitecture
from searches.nash.weights_header import check_values, read_header

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


def file_sha256(network: Network) -> str:
    """sha256 of the network's model.safetensors, as it is exported."""
    return hashlib.sha256(save(weights_of(network))).hexdigest()


def save_weights(network: Network, path: str | Path) -> Path:
    """Put the network's tensors on disk as safetensors, whole or not at all. Raises OSError."""
    return write_atomically(Path(path), save(weights_of(network)))


def weights_of_members(networks: Sequence[Network]) -> bytes:
    """All members' tensors as one safetensors file, named members.0.c1.conv.weight as in an ensemble's model.py."""
    tensors: dict[str, Tensor] = {}
    for k, network in enumerate(networks):
        tensors |= {f"{MEMBERS}.{k}.{name}": tensor for name, tensor in weights_of(network).items()}
    return save(tensors)


def load_weights(path: str | Path, architecture: Architecture) -> Network:
    """The network of `architecture` with the weights of a safetensors file. Raises DamagedModel, OSError."""
    return network_of(architecture, Path(path).read_bytes())


def network_of(architecture: Architecture, weights: bytes) -> Network:
    """A network from safetensors bytes. Raises DamagedModel unless they are those of the architecture."""
    read_header(weights, len(weights), architecture)
    try:
        return Network(architecture, tensors=load(weights))
    except (SafetensorError, InvalidArchitecture) as error:
        raise DamagedModel(f"{WEIGHTS}: {error}") from error


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
    file = read_model_file(path)
    weights = file.weights()
    check_values(file.header, weights)
    return network_of(file.architecture, weights)
