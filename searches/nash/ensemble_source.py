"""The texts of an exported ensemble: model.py with all members and their mean, README.txt, architecture.json, card.

No torch is needed. Words of people's archives enter as in export_source.py.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pprint import pformat
from typing import Any

from searches.nash.architecture import Architecture
from searches.nash.export_code import WIDTH, forward, layers
from searches.nash.export_source import (
    FOUND,
    HEAD,
    IMAGE_MODES,
    LOAD,
    MAIN,
    MAX_CLASSES_IN_WORDS,
    class_names,
    functions,
    words,
)
from searches.nash.model_card import USE, accuracy_section, list_section, table_section
from searches.nash.model_zip import ARCHITECTURE, MEMBERS, PROGRAMS, README, SOURCE

ENSEMBLE = '''

class Ensemble(nn.Module):
{docstring}
    def __init__(self):
        super().__init__()
        self.members = nn.ModuleList([{members}])

    def forward(self, images):
        """Images ({shape}), values 0..1 -> logits (N, {n_classes}): logarithms of the mean softmax outputs."""
        return torch.stack([member(images).softmax(1) for member in self.members]).mean(0).log()
'''


def ensemble_texts(architectures: Sequence[Architecture], info: Mapping[str, Any]) -> dict[str, bytes]:
    """README.txt, model.py and architecture.json of networks with the same images and classes.

    `info` is plain JSON and may hold name, dataset, classes, test_accuracy, `members` (a line of words for each).
    Raises ValueError where classes are not as many as the networks have.
    """
    described = {MEMBERS: [a.to_dict() for a in architectures], "info": dict(info)}
    return {
        README: _readme(architectures, info).encode(),
        SOURCE: ensemble_source(architectures, info).encode(),
        ARCHITECTURE: (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode(),
    }


def ensemble_source(architectures: Sequence[Architecture], info: Mapping[str, Any]) -> str:
    """The text of model.py: a class for each architecture that differs, and Ensemble, their mean."""
    first = architectures[0]
    channels, height, width = first.input_shape
    classes = pformat(class_names(first, info), width=WIDTH, compact=True)
    bodies = [layers(a) + forward(a) for a in architectures]
    names = {body: f"Network{k}" for k, body in enumerate(dict.fromkeys(bodies), start=1)}
    operations = {node.op for a in architectures for node in a.nodes}
    parts = [
        HEAD.format(
            what=f"An ensemble of {len(architectures)} convolutional networks, {FOUND}",
            n=f"N, {channels}, {height}, {width}",
            classes=classes,
        ),
        functions(operations, "".join(names)),
        *(_network(name, body, bodies) for body, name in names.items()),
        ENSEMBLE.format(
            docstring=_docstring(architectures, info),
            members=", ".join(f"{names[body]}()" for body in bodies),
            shape=f"N, {channels}, {height}, {width}",
            n_classes=first.n_classes,
        ),
        LOAD.format(name="Ensemble"),
    ]
    if mode := IMAGE_MODES.get(channels):
        parts.append(MAIN.format(mode=mode, height=height, width=width, channels=channels))
    return "".join(parts)


def _network(name: str, body: str, bodies: Sequence[str]) -> str:
    places = [str(k) for k, other in enumerate(bodies, start=1) if other == body]
    which = f"Member {places[0]}" if len(places) == 1 else f"Members {', '.join(places)}"
    return f'\n\nclass {name}(nn.Module):\n    """{which} of the ensemble, with its own normalisation."""\n{body}'


def _docstring(architectures: Sequence[Architecture], info: Mapping[str, Any]) -> str:
    first = architectures[0]
    names = [words(name) for name in class_names(first, info)]
    more = len(names) - MAX_CLASSES_IN_WORDS
    listed = ", ".join(names[:MAX_CLASSES_IN_WORDS]) + (f" and {more:,} more, see CLASSES" if more > 0 else "")
    paragraphs = [
        _title(architectures, info),
        "",
        _figures(architectures, info),
        f"Input: images (N, {', '.join(str(v) for v in first.input_shape)}) with values 0..1; each member normalises "
        "them.",
        f"Classes: {listed}.",
        *(f"Member {k}: {line}." for k, line in enumerate(_member_lines(architectures, info), start=1)),
    ]
    lines = [line for p in paragraphs for line in textwrap.wrap(p, WIDTH - 4, break_on_hyphens=False) or [""]]
    return textwrap.indent('"""' + "\n".join(lines) + '\n"""\n', "    ")


def _title(architectures: Sequence[Architecture], info: Mapping[str, Any]) -> str:
    name, dataset = words(info.get("name", "")), words(info.get("dataset", ""))
    what = f"an ensemble of {len(architectures)} convolutional networks"
    title = f"{name}: {what}" if name else what.capitalize()
    return f"{title}{f' for {dataset}' if dataset else ''}, {FOUND} (arXiv 1711.04528)."


def _figures(architectures: Sequence[Architecture], info: Mapping[str, Any]) -> str:
    accuracy = info.get("test_accuracy")
    measured = "" if accuracy is None else f"Test accuracy {100 * float(accuracy):.2f} %. "
    n_parameters, n_macs = (sum(getattr(a, name) for a in architectures) for name in ("n_parameters", "n_macs"))
    return (
        f"{measured}{n_parameters:,} parameters, {n_macs:,} multiply-accumulates an image, all members together. "
        "It answers with the mean of their softmax outputs, each with the same weight."
    )


def _member_lines(architectures: Sequence[Architecture], info: Mapping[str, Any]) -> list[str]:
    known = [words(line) for line in info.get("members", ())] or [f"network {a.digest}" for a in architectures]
    return [f"{line}, {a.n_parameters:,} parameters" for line, a in zip(known, architectures, strict=True)]


def _readme(architectures: Sequence[Architecture], info: Mapping[str, Any]) -> str:
    shape = ", ".join(str(v) for v in architectures[0].input_shape)
    return "\n".join(
        (
            f"{_title(architectures, info)} {_figures(architectures, info)}",
            "model.py is all of it in plain PyTorch; it needs torch and safetensors (Pillow to read image files).",
            "Classify images: python model.py image.png",
            f"In code: from model import load; logits = load()(images), images of shape (N, {shape}), values 0..1.",
            "model.safetensors holds the weights of all members; architecture.json their nodes.",
            *PROGRAMS,
            "",
        )
    )


def ensemble_card(architectures: Sequence[Architecture], info: Mapping[str, Any]) -> str:
    """Markdown. `info` as at ensemble_texts, and where known test_measured, dataset_digest and versions."""
    first = architectures[0]
    names = [words(name) for name in class_names(first, info)]
    channels, height, width = first.input_shape
    data = (
        f"## Data\n\n* Data set: {words(info.get('dataset', '')) or 'not named'}, {width} x {height} px, "
        f"{channels} channel{'s' if channels > 1 else ''}\n* {len(names):,} classes: "
        f"{', '.join(names[:MAX_CLASSES_IN_WORDS])}{' and more' if len(names) > MAX_CLASSES_IN_WORDS else ''}"
    )
    digest = words(info.get("dataset_digest", ""))
    sections = (
        f"# {words(info.get('name', '')) or 'An ensemble'}",
        f"{_title(architectures, info)} {_figures(architectures, info)}",
        data + (f"\n* Digest of the data set: {digest}" if digest else ""),
        accuracy_section(info),
        list_section("Members", _member_lines(architectures, info)),
        table_section("Versions", info.get("versions", {})),
        "\n".join(line for line in USE.splitlines() if "Network.load" not in line),
    )
    return "\n\n".join(section for section in sections if section) + "\n"
