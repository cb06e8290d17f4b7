"""A network as programs that run without its source: model.onnx (ONNX Runtime) and model.pt2 (torch.export).

Both take images (N, C, H, W) with values 0..1, any N, normalise them inside and give logits (N, n_classes). Neither
holds pickle, nor where on this machine it was made.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from searches.nash.atomic import write_atomically
from searches.nash.model_zip import ZIP_DATE
from searches.nash.network import Network

INPUT, OUTPUT = "images", "logits"
SAMPLES = "data/sample_inputs/"
"""The one entry of torch.export's archives that is pickle; torch reads an empty one as none."""
TRACES = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


class OnImages(nn.Module):
    """Networks from images 0..1 to logits; of several the logarithm of their mean softmax outputs."""

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._forwards = [partial(_on_images, network) for network in networks]

    def forward(self, images: Tensor) -> Tensor:
        logits: list[Tensor] = [forward(images) for forward in self._forwards]  # each (N, n_classes)
        if len(logits) == 1:
            return logits[0]
        return torch.stack([one.softmax(1) for one in logits]).mean(0).log()


def _on_images(network: Network, images: Tensor) -> Tensor:
    logits: Tensor = network(network.normalise(images))
    return logits


def exported_program(networks: Sequence[Network]) -> ExportedProgram:
    """One program of them all, for any number of images. The networks are float32, on the CPU."""
    shape = networks[0].architecture.input_shape
    module = OnImages(networks).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of what it will deprecate
        program = torch.export.export(
            module, (torch.rand(2, *shape),), dynamic_shapes={INPUT: {0: Dim("batch", min=1)}}
        )
    for node in program.graph.nodes:
        for name in TRACES:
            node.meta.pop(name, None)
    return program


def save_program(program: ExportedProgram, path: str | Path) -> Path:
    """Write model.pt2, whole or not at all; torch.export.load reads it. Raises OSError."""
    program.example_inputs = None
    made, kept = io.BytesIO(), io.BytesIO()
    torch.export.save(program, made)
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            target.writestr(entry, b"" if SAMPLES in name else source.read(name))
    return write_atomically(Path(path), kept.getvalue())


def save_onnx(
    program: ExportedProgram, path: str | Path, *, classes: Sequence[str], about: Mapping[str, str]
) -> Path:
    """Write model.onnx, whole or not at all. Raises OSError.

    Its metadata: `classes` as a JSON list in the order of the logits, and `about`.
    """
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(
            program, (), input_names=[INPUT], output_names=[OUTPUT], dynamo=True, verbose=False, external_data=False
        )
    assert made is not None
    model = made.model_proto
    model.producer_name = "NASH"
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    for key, text in {"classes": json.dumps(list(classes), ensure_ascii=False), **about}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, text
    onnx.checker.check_model(model)
    return write_atomically(Path(path), model.SerializeToString())
