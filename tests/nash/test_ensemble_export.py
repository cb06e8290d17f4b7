"""An ensemble as files: model.py, ONNX and torch.export answer with the mean of the members' softmax outputs."""

import ast

import pytest
import torch

from searches.nash.ensemble_source import ensemble_card, ensemble_source, ensemble_texts
from searches.nash.export import DamagedModel, weights_of_members
from searches.nash.model_zip import pack_files
from searches.nash.network import Network
from searches.nash.parity import LOADERS, parity
from searches.nash.programs import exported_program, save_onnx, save_program
from tests.nash.networks import random_network, tangled_architecture

CLASSES = ("ant", "bee", "cat", "dog", "élan")
INFO = {"name": "both", "classes": list(CLASSES), "members": ["first", "second", "third"], "test_accuracy": 0.5}


@pytest.fixture(scope="module")
def networks():
    tangled = tangled_architecture()
    return [
        random_network(tangled, dtype=torch.float32).eval(),
        random_network(tangled, seed=4, dtype=torch.float32).eval(),
        random_network(tangled.initial(tangled.input_shape, 5, (4, 6)), seed=9, dtype=torch.float32).eval(),
    ]


@pytest.fixture(scope="module")
def folder(networks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble")
    for name, content in ensemble_texts([n.architecture for n in networks], INFO).items():
        (folder / name).write_bytes(content)
    (folder / "model.safetensors").write_bytes(weights_of_members(networks))
    program = exported_program(networks)
    save_onnx(program, folder / "model.onnx", classes=CLASSES, about={"name": "both"})
    save_program(program, folder / "model.pt2")
    return folder


def mean_softmax(networks, images):
    with torch.inference_mode():
        return torch.stack([network(network.normalise(images)).softmax(1) for network in networks]).mean(0)


@pytest.mark.parametrize("name", list(LOADERS))
@pytest.mark.parametrize("n", [1, 5])
def test_every_form_gives_the_mean_of_the_softmax_outputs(networks, folder, name, n):
    images = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(n))
    with torch.inference_mode():
        answers = LOADERS[name](folder)(images).softmax(1)
    assert (answers - mean_softmax(networks, images)).abs().max() <= 1e-5


def test_every_form_errs_on_the_same_images(networks, folder):
    images = torch.randint(0, 256, (300, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    labels = mean_softmax(networks, images.float() / 255).argmax(1).clone()
    labels[:60] = (labels[:60] + 1) % 5
    found = parity(networks, folder, images, labels)
    assert found["errors"] == dict.fromkeys(("trainer", *LOADERS), 0.2)
    assert parity(networks[:2], folder, images, labels)["errors"]["trainer"] != 0.2


def test_networks_of_one_architecture_share_a_class_and_the_code_says_who_they_are(networks):
    source = ensemble_source([n.architecture for n in networks], INFO)
    classes = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert classes == ["Network1", "Network2", "Ensemble"]
    assert "nn.ModuleList([Network1(), Network1(), Network2()])" in source
    assert source.startswith('"""An ensemble of 3 convolutional networks, found by NASH.')
    assert "Test accuracy 50.00 %" in source
    assert "Members 1, 2 of the ensemble" in source


def test_words_from_archives_never_become_code():
    hostile = {"name": '"""\nimport os', "classes": ['a"""', "b\\", "c", "d", "e"], "members": ['x"""\ny', "z"]}
    architecture = tangled_architecture()
    tree = ast.parse(ensemble_source([architecture, architecture], hostile))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"sys", "torch"}


def test_the_zip_is_no_single_network_and_says_so(folder, tmp_path):
    zipped = pack_files([p for p in folder.iterdir() if p.is_file()], tmp_path / "model.zip")
    with pytest.raises(DamagedModel, match="an ensemble of 3 networks, not one network"):
        Network.load(zipped)


def test_the_card_says_what_it_is_made_of(networks):
    measured = {"accuracy": 0.5, "n_images": 300, "interval": (0.44, 0.56)}
    card = ensemble_card([n.architecture for n in networks], {**INFO, "test_measured": measured})
    assert "1. first, " in card
    assert "Network.load" not in card
    assert "Test accuracy 50.00 %, 95 % interval 44.00 to 56.00 % (300 images)" in card
    assert f"{sum(n.architecture.n_parameters for n in networks):,} parameters" in card
