"""Does every exported form of a network answer as the network does? Counted on the same images."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from searches.nash.evaluation import BATCH_SIZE, predict
from searches.nash.network import Network
from searches.nash.programs import INPUT

TOLERANCE = 0.0001
"""Shares of wrong answers that may lie between two forms: 0.01 percentage points."""
Forward = Callable[[Tensor], Tensor]
"""Images (N, C, H, W), values 0..1 -> logits (N, n_classes)."""


def parity(
    networks: Sequence[Network],
    folder: Path,
    images: Tensor,
    labels: Tensor,
    *,
    on_batch: Callable[[str, int], None] = lambda form, done: None,
) -> dict[str, Any]:
    """Errors (fractions) on images uint8 (N, C, H, W) of the trainer's float32 pass and of the forms in `folder`.

    `holds`: they are within TOLERANCE of each other. `on_batch(form, images done)` may raise to stop.
    """
    forms: dict[str, Callable[[Callable[[int], None]], int]] = {
        "trainer": lambda tell: _wrong_of_trainer(networks, images, labels, tell),
        **{
            name: lambda tell, load=load: _wrong(load(folder), images, labels, tell)  # type: ignore[misc]
            for name, load in LOADERS.items()
        },
    }
    n = len(labels)
    errors = {name: count(lambda done, name=name: on_batch(name, done)) / n for name, count in forms.items()}  # type: ignore[misc]
    spread = max(errors.values()) - min(errors.values())
    return {"n_images": n, "errors": errors, "spread": spread, "holds": spread <= TOLERANCE + 1e-12}


def load_source(folder: Path) -> Forward:
    """model.py with model.safetensors, loaded as a stranger would."""
    spec = importlib.util.spec_from_file_location("exported_model", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    written = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    network: Forward = module.load(folder)
    return network


def load_onnx(folder: Path) -> Forward:
    """model.onnx on the CPU by ONNX Runtime, with torch's number of threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), sess_options=options, providers=["CPUExecutionProvider"]
    )
    return lambda images: torch.from_numpy(session.run(None, {INPUT: images.numpy()})[0])


def load_program(folder: Path) -> Forward:
    """model.pt2 by torch.export."""
    module: Forward = torch.export.load(str(folder / "model.pt2")).module()
    return module


LOADERS: dict[str, Callable[[Path], Forward]] = {
    "model.py": load_source,
    "model.onnx": load_onnx,
    "model.pt2": load_program,
}


def _wrong_of_trainer(
    networks: Sequence[Network], images: Tensor, labels: Tensor, tell: Callable[[int], None]
) -> int:
    wrong = 0
    for start in range(0, len(labels), BATCH_SIZE):
        tell(start)
        batch = images[start : start + BATCH_SIZE]
        softmax = sum(predict(network, batch).double().softmax(1) for network in networks)
        assert isinstance(softmax, Tensor)
        wrong += int((softmax.argmax(1) != labels[start : start + BATCH_SIZE]).sum())
    return wrong


def _wrong(forward: Forward, images: Tensor, labels: Tensor, tell: Callable[[int], None]) -> int:
    wrong = 0
    with torch.inference_mode():
        for start in range(0, len(labels), BATCH_SIZE):
            tell(start)
            logits = forward(images[start : start + BATCH_SIZE].float() / 255)
            wrong += int((logits.argmax(1) != labels[start : start + BATCH_SIZE]).sum())
    return wrong
