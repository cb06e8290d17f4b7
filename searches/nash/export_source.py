"""The text of an exported model: model.py, plain PyTorch written out from the architecture, and README.txt.

Names of classes and data sets come from people's archives: they enter the source as string literals or as
docstring text without quotes, backslashes and line ends, never as code.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from pprint import pformat
from typing import Any

from searches.nash.architecture import Architecture
from searches.nash.export_code import WIDTH, forward, layers
from searches.nash.nodes import REFERENCE_OPERATIONS

MAX_CLASSES_IN_WORDS = 20
FOUND, REFERENCE = "found by NASH", "designed by people and trained as a reference for NASH"
IMAGE_MODES = {1: "L", 3: "RGB"}

HEAD = '''\
"""{what}.

NASH: hill climbing with network morphisms and SGDR (arXiv 1711.04528).
Needs torch and safetensors, and Pillow to read image files; the weights are in model.safetensors beside it.

    python model.py image.png

    from model import load
    logits = load()(images)  # images: ({n}), values 0..1
"""

import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

CLASSES = {classes}
'''

BLOCK = '''

def conv_block(c_in, c_out, kernel):
    """Conv-BatchNorm-ReLU, stride 1, same padding."""
    conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(c_out), relu=nn.ReLU()))
'''

MIX = '''

def mix_weight():
    """One learned number between 0 and 1."""
    return nn.ParameterDict({"lam": nn.Parameter(torch.ones(()))})


def mix(f, h, lam):
    """lam * f + (1 - lam) * h, exactly f at lam = 1."""
    return f + (1 - lam) * (h - f)
'''

PAD = '''

def pad_channels(x, before, after):
    """(N, C, H, W) -> (N, before + C + after, H, W), the new channels zero."""
    return F.pad(x, (0, 0, 0, 0, before, after))
'''

LOAD = '''

def load(folder=Path(__file__).parent):
    """The network with its weights, in evaluation mode."""
    network = {name}()
    network.load_state_dict(load_file(Path(folder) / "model.safetensors"))
    return network.eval()
'''

MAIN = '''

def read(name):
    """An image file as (1, {channels}, {height}, {width}), values 0..1, the way the training images were made.

    Transparency is laid on white, the shorter side scaled, the centre cut out.
    """
    from PIL import Image, ImageOps

    with Image.open(name) as file:
        image = ImageOps.exif_transpose(file)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = ImageOps.fit(image.convert("{mode}"), ({width}, {height}), Image.Resampling.LANCZOS)
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.view(1, {height}, {width}, {channels}).permute(0, 3, 1, 2) / 255


def main():
    """Print the likeliest classes of each image file that is named on the command line."""
    if len(sys.argv) < 2:
        sys.exit("usage: python model.py image.png [image.png ...]")
    network = load()
    for name in sys.argv[1:]:
        with torch.inference_mode():
            probabilities = network(read(name)).softmax(1)[0]
        values, places = probabilities.topk(min(3, len(CLASSES)))
        words = [f"{{CLASSES[k]}} {{p:.1%}}" for p, k in zip(values.tolist(), places.tolist())]
        print(f"{{name}}: {{', '.join(words)}}")


if __name__ == "__main__":
    main()
'''


def model_source(
    architecture: Architecture, info: Mapping[str, Any], *, mean: Sequence[float], std: Sequence[float]
) -> str:
    """The text of model.py. `mean`, `std`: the input normalisation per channel. Raises ValueError (see classes)."""
    channels, height, width = architecture.input_shape
    classes = pformat(class_names(architecture, info), width=WIDTH, compact=True)
    operations = {node.op for node in architecture.nodes}
    computed, name = forward(architecture), "ReferenceNetwork" if _is_reference(architecture) else "FoundNetwork"
    parts = [
        HEAD.format(
            what=f"A convolutional network {_origin(architecture, info)}",
            n=f"N, {channels}, {height}, {width}",
            classes=classes,
        ),
        functions(operations, computed),
        f"\n\nclass {name}(nn.Module):\n",
        _docstring(architecture, info, mean, std),
        layers(architecture),
        computed,
        LOAD.format(name=name),
    ]
    if mode := IMAGE_MODES.get(channels):
        parts.append(MAIN.format(mode=mode, height=height, width=width, channels=channels))
    return "".join(parts)


def functions(operations: Collection[str], code: str) -> str:
    """The functions that the code of networks with these operations calls."""
    needed = (BLOCK, "conv" in operations), (MIX, "mix" in operations), (PAD, "pad_channels(" in code)
    return "".join(text for text, is_needed in needed if is_needed)


def class_names(architecture: Architecture, info: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the classes, numbered where there are none. Raises ValueError for another number of them."""
    names = tuple(str(name) for name in info.get("classes", ()))
    if names and len(names) != architecture.n_classes:
        raise ValueError(f"classes: {len(names)} names for {architecture.n_classes} classes; give one for each")
    return names or tuple(f"class {k}" for k in range(architecture.n_classes))


# ---------------------------------------------------------------------- words


def words(text: object) -> str:
    """Text for a docstring: one line, printable, without quotes and backslashes."""
    printable = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(printable.replace("\\", "/").replace('"', "'").split())


def _is_reference(architecture: Architecture) -> bool:
    return any(node.op in REFERENCE_OPERATIONS for node in architecture.nodes)


def _origin(architecture: Architecture, info: Mapping[str, Any]) -> str:
    return words(info.get("origin", "")) or (REFERENCE if _is_reference(architecture) else FOUND)


def title(architecture: Architecture, info: Mapping[str, Any]) -> str:
    """The first sentence of what describes a model."""
    name, dataset = words(info.get("name", "")), words(info.get("dataset", ""))
    title = f"{name}: a convolutional network" if name else "A convolutional network"
    return f"{title}{f' for {dataset}' if dataset else ''}, {_origin(architecture, info)} (arXiv 1711.04528)."


def figures(architecture: Architecture, info: Mapping[str, Any]) -> str:
    """How accurate and how large a model is, in a sentence or two."""
    kinds = {"Test": info.get("test_accuracy"), "Validation": info.get("val_accuracy")}
    measured = "".join(
        f"{kind} accuracy {100 * float(value):.2f} %. " for kind, value in kinds.items() if value is not None
    )
    return (
        f"{measured}{architecture.n_parameters:,} parameters, {architecture.n_macs:,} multiply-accumulates an image."
    )


def _docstring(
    architecture: Architecture, info: Mapping[str, Any], mean: Sequence[float], std: Sequence[float]
) -> str:
    classes = [words(name) for name in class_names(architecture, info)]
    more = len(classes) - MAX_CLASSES_IN_WORDS
    listed = ", ".join(classes[:MAX_CLASSES_IN_WORDS]) + (f" and {more:,} more, see CLASSES" if more > 0 else "")
    shape = ", ".join(str(v) for v in architecture.input_shape)
    paragraphs = [
        title(architecture, info),
        "",
        figures(architecture, info),
        f"Input: images (N, {shape}) with values 0..1; forward normalises them, (image - mean) / std per channel, "
        f"mean {_numbers(mean)}, std {_numbers(std)}.",
        f"Classes: {listed}.",
    ]
    if lineage := [words(line) for line in info.get("lineage", ())]:
        paragraphs.append(f"Lineage: {'; '.join(lineage)}.")
    lines = [line for p in paragraphs for line in textwrap.wrap(p, WIDTH - 4, break_on_hyphens=False) or [""]]
    return textwrap.indent('"""' + "\n".join(lines) + '\n"""\n', "    ")


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{v:.4f}" for v in values) + ")"
