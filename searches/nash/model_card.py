"""The text of model_card.md: what a downloaded model is, what it was made from and how good it is, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from searches.nash.architecture import Architecture
from searches.nash.export_source import class_names, words

MAX_CLASSES = 40


def model_card(architecture: Architecture, info: Mapping[str, Any]) -> str:
    """Markdown. `info` as at pack_model, and where known accuracies with n and interval, split, origin, versions."""
    return "\n\n".join(
        section
        for section in (
            f"# {words(info.get('name', '')) or 'A convolutional network'}",
            f"A convolutional network {words(info.get('origin', '')) or 'found by NASH'}: hill climbing with network "
            "morphisms and SGDR (Elsken, Metzen, Hutter 2017, arXiv 1711.04528).",
            _data(architecture, info),
            accuracy_section(info),
            _size(architecture),
            list_section("Lineage", info.get("lineage", ())),
            table_section("Settings", info.get("settings", {})),
            table_section("Versions", info.get("versions", {})),
            USE,
        )
        if section
    ) + "\n"


USE = """## Use

Images are (N, C, H, W) with values 0..1; every file normalises them itself and gives logits.

* `model.py` with `model.safetensors`: torch and safetensors (Pillow for `python model.py image.png`).
* `model.onnx`: `onnxruntime.InferenceSession("model.onnx").run(None, {"images": images})`; its metadata name
  the classes.
* `model.pt2`: `torch.export.load("model.pt2").module()(images)`.
* `architecture.json` with `model.safetensors`: NASH itself, `Network.load("model.zip")`.

No file holds pickle."""


def _data(architecture: Architecture, info: Mapping[str, Any]) -> str:
    names = [words(name) for name in class_names(architecture, info)]
    more = f" and {len(names) - MAX_CLASSES:,} more" if len(names) > MAX_CLASSES else ""
    channels, height, width = architecture.input_shape
    lines = [
        f"* Data set: {words(info.get('dataset', '')) or 'not named'}, "
        f"{width} x {height} px, {channels} channel{'s' if channels > 1 else ''}",
        f"* {len(names):,} classes: {', '.join(names[:MAX_CLASSES])}{more}",
    ]
    if digest := info.get("dataset_digest"):
        lines.append(f"* Digest of the data set: {words(digest)}")
    if split := info.get("split"):
        lines.append(f"* {words(split)}")
    return "## Data\n\n" + "\n".join(lines)


def accuracy_section(info: Mapping[str, Any]) -> str:
    """What was measured, with n and interval; "" where nothing was."""
    lines = []
    for name in ("test", "validation"):
        measured = info.get(f"{name}_measured")
        if measured:
            low, high = measured["interval"]
            lines.append(
                f"* {name.capitalize()} accuracy {100 * measured['accuracy']:.2f} %, "
                f"95 % interval {100 * low:.2f} to {100 * high:.2f} % ({measured['n_images']:,} images)"
            )
    return "## Accuracy\n\n" + "\n".join(lines) if lines else ""


def _size(architecture: Architecture) -> str:
    return (
        f"## Size\n\n{architecture.n_parameters:,} parameters, {architecture.n_macs:,} multiply-accumulates an "
        f"image, architecture {architecture.digest}."
    )


def list_section(title: str, lines: Any) -> str:
    """A numbered list under its title; "" without lines."""
    return f"## {title}\n\n" + "\n".join(f"1. {words(line)}" for line in lines) if lines else ""


def table_section(title: str, values: Mapping[str, Any]) -> str:
    """Names and values under a title; "" without values."""
    if not values:
        return ""
    rows = "\n".join(f"| {words(name)} | {words(value).replace('|', '/')} |" for name, value in values.items())
    return f"## {title}\n\n| | |\n|---|---|\n{rows}"
