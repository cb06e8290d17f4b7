"""model.onnx and model.pt2: the network's own answers, for any batch, without this project and without pickle."""

import json
import os
import pickletools
import subprocess
import sys
import zipfile

import pytest
import torch

from searches.nash.export import save_weights
from searches.nash.model_zip import pack_files, texts_of
from searches.nash.network import Network
from searches.nash.parity import LOADERS, parity
from searches.nash.programs import exported_program, save_onnx, save_program
from tests.nash.networks import random_network, tangled_architecture

CLASSES = ("ant", "bee", "cat", "dog", "élan")
INFO = {"name": "first light", "classes": list(CLASSES)}

STRANGER = """
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


@pytest.fixture(scope="module")
def network():
    return random_network(tangled_architecture(), dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    weights = save_weights(network, folder / "model.safetensors").read_bytes()
    for name, content in texts_of(network.architecture, weights, INFO, programs=True).items():
        (folder / name).write_bytes(content)
    program = exported_program([network])
    save_onnx(program, folder / "model.onnx", classes=CLASSES, about={"name": "first light"})
    save_program(program, folder / "model.pt2")
    return folder


@pytest.mark.parametrize("name", list(LOADERS))
@pytest.mark.parametrize("n", [1, 2, 7])
def test_every_form_gives_the_network_s_logits_for_any_number_of_images(network, folder, name, n):
    images = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(n))
    with torch.inference_mode():
        answers = LOADERS[name](folder)(images)
        expected = network(network.normalise(images))
    assert answers.shape == (n, 5)
    assert (answers - expected).abs().max() <= 1e-4 * expected.abs().max().clamp(min=1)


def test_every_form_errs_on_the_same_images(network, folder):
    images = torch.randint(0, 256, (600, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        labels = network(network.normalise(images)).argmax(1)
    labels = labels.clone()
    labels[:150] = (labels[:150] + 1) % 5
    told = []
    found = parity([network], folder, images, labels, on_batch=lambda form, done: told.append((form, done)))
    assert found["errors"] == dict.fromkeys(("trainer", *LOADERS), 0.25)
    assert found["holds"]
    assert told[:3] == [("trainer", 0), ("trainer", 250), ("trainer", 500)]


def test_a_form_with_other_weights_breaks_parity(network, folder, tmp_path):
    other = random_network(tangled_architecture(), seed=5, dtype=torch.float32).eval()
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    save_program(exported_program([other]), tmp_path / "model.pt2")
    images = torch.randint(0, 256, (200, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        labels = network(network.normalise(images)).argmax(1)
    found = parity([network], tmp_path, images, labels)
    assert not found["holds"]
    assert found["errors"]["model.pt2"] > found["errors"]["model.onnx"] == 0


def test_without_this_project_the_files_answer_with_what_the_readme_names(network, folder):
    import numpy as np

    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    np.save(folder / "images.npy", images.numpy())
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DJANGO"))}
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with torch.inference_mode():
        expected = network(network.normalise(images)).numpy()
    assert np.abs(np.load(folder / "answers.npy") - expected).max() < 1e-4 * max(1, np.abs(expected).max())


def test_the_onnx_file_names_its_classes_and_nothing_of_this_machine(folder):
    import onnx

    model = onnx.load(folder / "model.onnx")
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["classes"]) == list(CLASSES)
    content = (folder / "model.onnx").read_bytes() + (folder / "model.pt2").read_bytes()
    assert b"searches/nash" not in content
    assert b".py" not in content


def test_no_entry_of_the_program_is_pickle(folder):
    with zipfile.ZipFile(folder / "model.pt2") as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert not content.startswith(b"PK"), name
            if content.startswith(b"\x80"):  # how a pickle begins, and perhaps a weight
                with pytest.raises((ValueError, IndexError, EOFError)):
                    list(pickletools.genops(content))


def test_the_zip_of_all_files_loads_as_a_network(network, folder, tmp_path):
    names = ("README.txt", "model.safetensors", "model.py", "model.onnx", "model.pt2", "architecture.json")
    path = pack_files([folder / name for name in names], tmp_path / "model.zip")
    again, before = Network.load(path).state_dict(), network.state_dict()
    assert all(torch.equal(again[name], before[name]) for name in before)
