"""What tests of exports share: what is said of a network, a download unpacked and run without this project."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

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


def unpacked(path: Path) -> Path:
    """The folder that a zip holds, beside it."""
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def run_alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python without this project: isolated, and with the folder as its working directory."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DJANGO"))}
    return subprocess.run(
        [sys.executable, "-I", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
