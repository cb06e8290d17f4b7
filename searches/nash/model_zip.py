"""The zip that leaves the house, made from an architecture and its weights as bytes: no torch is needed.

It holds model.safetensors, architecture.json, model.py and README.txt. The same contents give the same bytes.
"""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from searches.nash.architecture import Architecture
from searches.nash.atomic import write_atomically
from searches.nash.export_source import figures, model_source, title

WEIGHTS, ARCHITECTURE, SOURCE, README = "model.safetensors", "architecture.json", "model.py", "README.txt"
MEMBERS = "members"
"""In architecture.json of an ensemble the list of its networks', in its tensors' names what they begin with."""
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
HEADER_LENGTH = 8
FLOATS = {"F64": "d", "F32": "f", "F16": "e"}
"""safetensors' names of floating-point numbers, and struct's."""


PROGRAMS = (
    "model.onnx: pip install onnxruntime; InferenceSession('model.onnx').run(None, {'images': images}).",
    "model.pt2: needs torch; torch.export.load('model.pt2').module()(images). Both take any number of images.",
    "model_card.md says what it was made from and how good it is.",
)


def readme(architecture: Architecture, info: Mapping[str, Any], *, programs: bool = False) -> str:
    """The lines of README.txt; `programs`: whether model.onnx, model.pt2 and model_card.md lie beside it."""
    shape = ", ".join(str(v) for v in architecture.input_shape)
    return "\n".join(
        (
            f"{title(architecture, info)} {figures(architecture, info)}",
            "model.py is the network in plain PyTorch; it needs torch and safetensors (Pillow to read image files).",
            "Classify images: python model.py image.png",
            f"In code: from model import load; logits = load()(images), images of shape (N, {shape}), values 0..1.",
            "model.safetensors holds the weights; architecture.json the nodes, the settings and the lineage.",
            *(PROGRAMS if programs else ()),
            "",
        )
    )


class DamagedModel(ValueError):
    """Not a model that was exported here, or one whose weights do not fit its architecture."""


def pack_model(architecture: Architecture, weights: bytes, path: str | Path, *, info: Mapping[str, Any]) -> Path:
    """Write a network, its weights as safetensors, as one zip, whole or not at all; returns the path.

    `info` is plain JSON and may hold name, dataset, classes (list of str), test_accuracy (0..1), lineage (list
    of str), origin (where it is not "found by NASH"), settings and more: all of it stands in architecture.json,
    the first six in words in model.py.
    Raises ValueError where classes are not as many as the network has, OSError where the disk takes no more.
    Raises DamagedModel where the weights hold no mean and std of the images.
    """
    contents = {**texts_of(architecture, weights, info), WEIGHTS: weights}
    return write_atomically(Path(path), lambda file: _write_zip(file, contents))


def texts_of(
    architecture: Architecture, weights: bytes, info: Mapping[str, Any], *, programs: bool = False
) -> dict[str, bytes]:
    """README.txt, model.py and architecture.json, in the order of the zip. Raises as pack_model does.

    `programs`: whether model.onnx, model.pt2 and model_card.md lie beside them.
    """
    described = {**architecture.to_dict(), "info": dict(info)}
    mean, std = (_floats(weights, name) for name in ("mean", "std"))
    return {
        README: readme(architecture, info, programs=programs).encode(),
        SOURCE: model_source(architecture, info, mean=mean, std=std).encode(),
        ARCHITECTURE: (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode(),
    }


def pack_files(files: Sequence[Path], path: str | Path) -> Path:
    """Put files, by their names, into one zip, whole or not at all; returns its path. Raises OSError."""

    def write(target: Any) -> None:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for file in files:
                with file.open("rb") as source, archive.open(_entry(file.name), "w", force_zip64=True) as part:
                    shutil.copyfileobj(source, part)

    return write_atomically(Path(path), write)


def _write_zip(file: Any, contents: Mapping[str, bytes]) -> None:
    # Stored, dated 1980, entries in one order: the bytes depend on nothing but the contents.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(_entry(name), content)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, ZIP_DATE)
    entry.create_system = 3  # Unix, wherever it is written, for the permissions to be read as such
    entry.external_attr = 0o644 << 16
    return entry


def _floats(weights: bytes, name: str) -> tuple[float, ...]:
    """One tensor of a safetensors file as numbers: eight bytes of length, a JSON header, the tensors' bytes."""
    try:
        (length,) = struct.unpack_from("<Q", weights)
        entry = json.loads(weights[HEADER_LENGTH : HEADER_LENGTH + length])[name]
        begin, end = (HEADER_LENGTH + length + offset for offset in entry["data_offsets"])
        code = FLOATS[entry["dtype"]]
        return struct.unpack(f"<{(end - begin) // struct.calcsize(code)}{code}", weights[begin:end])
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise DamagedModel(f"{WEIGHTS}: no {name} of the images in it ({error})") from error
