"""model.onnx and model.pt2: the network's own answers, for any batch, without this project and without pickle."""

import json
import pickletools
import zipfile

import pytest
import torch

from searches.nash.model_zip import pack_files
from searches.nash.network import Network
from searches.nash.parity import LOADERS, parity
from searches.nash.programs import exported_program, save_program
from tests.nash.exported import answers_with_what_the_readme_names, every_form
from tests.nash.networks import random_network, tangled_architecture

CLASSES = ("ant", "bee", "cat", "dog", "élan")
INFO = {"name": "first light", "classes": list(CLASSES)}

@pytest.fixture(scope="module")
def network():
    return random_network(tangled_architecture(), dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    return every_form(network, tmp_path_factory.mktemp("model"), INFO)


def images_and_labels(network):
    """600 images, and labels that the network errs on a quarter of."""
    images = torch.randint(0, 256, (600, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        labels = network(network.normalise(images)).argmax(1)
    labels = labels.clone()  # outside: it is changed
    labels[:150] = (labels[:150] + 1) % 5
    return images, labels


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
    images, labels = images_and_labels(network)
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


def test_without_this_project_the_files_answer_and_err_alike_with_what_the_readme_names(network, folder):
    images, labels = images_and_labels(network)
    answers = answers_with_what_the_readme_names(folder, images)
    with torch.inference_mode():
        expected = network(network.normalise(images))
    assert (answers - expected).abs().max() < 1e-4 * max(1, expected.abs().max())
    assert [int((logits.argmax(1) != labels).sum()) for logits in answers] == [150] * 3


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
