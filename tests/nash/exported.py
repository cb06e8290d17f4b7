"""What tests of exports share: what is said of a network, a download unpacked and run without this project."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from searches.nash.export import save_weights
from searches.nash.model_zip import texts_of
from searches.nash.network import Network
from searches.nash.programs import exported_program, save_onnx, save_program

INFO = {
    "name": "first light",
    "dataset": "five things",
    "classes": ["ant", "bee", "cat", "dog", "eel"],
    "test_accuracy": 0.9341,
    "settings": {"n_steps": 2, "n_neigh": 3},
    "lineage": ["model_0", "widen c3, ×2", "add c1 → c3"],
}

STRANGER = """
import importlib.util, sys
import torch
assert importlib.util.find_spec("searches") is None, "the project must not be importable here"
spec = importlib.util.spec_from_file_location("model", "model.py")
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)
network = model.load()
assert not network.training
assert "PIL" not in sys.modules
with torch.inference_mode():
    torch.save(network(torch.load("images.pt")), "logits.pt")
"""

OF_README = """
import importlib.util, re, sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

# Whatever is installed here beside what README.txt names, and what that needs itself, is not there for what follows.
def needs(name):
    try:
        return [line for line in requires(name) or () if "extra ==" not in line]
    except PackageNotFoundError:  # of another platform or Python
        return []

there, wanted = set(), ["torch", "safetensors", "pillow", "onnxruntime"]
while wanted:
    name = re.match("[A-Za-z0-9._-]+", wanted.pop())[0].lower().replace("_", "-")
    if name not in there:
        there.add(name)
        wanted += needs(name)
blocked = {
    module for module, makers in packages_distributions().items()
    if not there & {maker.lower().replace("_", "-") for maker in makers}
}

class OnlyThose:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in blocked else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [OnlyThose(finder) for finder in sys.meta_path]
assert not any(map(importlib.util.find_spec, ("django", "onnx", "torchvision", "sklearn")))
import numpy as np
assert importlib.util.find_spec("searches") is None
import onnxruntime
images = np.load("images.npy")
answers = onnxruntime.InferenceSession("model.onnx").run(None, {"images": images})[0]
assert "torch" not in sys.modules
import torch
program = torch.export.load("model.pt2").module()(torch.from_numpy(images)).detach().numpy()
sys.path.insert(0, "")
from model import load
with torch.inference_mode():
    source = load()(torch.from_numpy(images)).numpy()
np.save("answers.npy", np.stack([answers, program, source]))
"""


def every_form(network: Network, folder: Path, info: Mapping[str, Any]) -> Path:
    """The folder, with the files of a model in it as the worker writes them."""
    weights = save_weights(network, folder / "model.safetensors").read_bytes()
    for name, content in texts_of(network.architecture, weights, info, programs=True).items():
        (folder / name).write_bytes(content)
    program = exported_program([network])
    save_onnx(program, folder / "model.onnx", classes=info["classes"], about={"name": info["name"]})
    save_program(program, folder / "model.pt2")
    return folder


def answers_with_what_the_readme_names(folder: Path, images: Tensor) -> Tensor:
    """Logits (3, N, n_classes) of ONNX, program and model.py to images uint8 (N, C, H, W), where nothing else is."""
    np.save(folder / "images.npy", (images.float() / 255).numpy())
    done = run_alone(folder, "-c", OF_README, seconds=600)  # torch, ONNX Runtime and three models
    assert done.returncode == 0, done.stderr
    return torch.from_numpy(np.load(folder / "answers.npy"))


def unpacked(path: Path) -> Path:
    """The folder that a zip holds, beside it."""
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def run_alone(folder: Path, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Python without this project: isolated, and with the folder as its working directory."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DJANGO"))}
    return subprocess.run(
        [sys.executable, "-I", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds,
    )  # fmt: skip
