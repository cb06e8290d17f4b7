"""What is downloaded: a zip that runs without this project, the same bytes each time, and safe to load."""

import ast
import json
import zipfile

import pytest
import torch
from PIL import Image

from searches.nash.architecture import Architecture
from searches.nash.export import (
    export_model,
    load_weights,
    save_weights,
    weights_of,
    weights_sha256,
)
from searches.nash.export_source import model_source
from searches.nash.network import Network
from tests.nash.exported import INFO, STRANGER, run_alone, unpacked
from tests.nash.networks import random_chain, random_network, small_architecture, tangled_architecture

# ---------------------------------------------------------------------- without this project


@pytest.mark.parametrize("head", ["flatten", "global_pool"])
def test_the_exported_model_gives_the_same_logits_without_this_project(head, tmp_path):
    architecture = tangled_architecture() if head == "flatten" else random_chain(20, 1)[0]
    if head == "global_pool":
        architecture = small_architecture(head=head).morphed(random_chain(20, 1)[1])
    network = random_network(architecture, dtype=torch.float32).eval()
    source = model_source(architecture, INFO, mean=(0.5,) * 3, std=(0.2,) * 3)
    assert all(part in source for part in ("torch.cat(", "mix(", "pad_channels(", "kernel=1", "max_pool2d"))
    folder = unpacked(export_model(network, tmp_path / "model.zip", info=INFO))
    images = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.save(images, folder / "images.pt")
    done = run_alone(folder, "-c", STRANGER)
    assert done.returncode == 0, done.stderr
    logits = torch.load(folder / "logits.pt", weights_only=True)
    with torch.no_grad():
        expected = network(network.normalise(images))
    assert expected.std(0).min() > 1e-3
    assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)


def test_the_exported_model_names_the_class_of_an_image_file(network, exported, tmp_path):
    folder = unpacked(exported)
    Image.new("RGBA", (8, 8), (200, 30, 90, 255)).save(folder / "image.png")
    done = run_alone(folder, "model.py", "image.png")
    assert done.returncode == 0, done.stderr
    pixels = torch.tensor([200, 30, 90], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    with torch.no_grad():
        probabilities = network(network.normalise(pixels)).softmax(1)[0]
    best = int(probabilities.argmax())
    assert done.stdout.startswith(f"image.png: {INFO['classes'][best]} {probabilities[best]:.1%}")


def test_a_grey_model_reads_colour_files_as_grey(tmp_path):
    network = random_network(Architecture.initial((1, 8, 8), 5, channels=(4, 4, 4)), dtype=torch.float32)
    folder = unpacked(export_model(network, tmp_path / "model.zip", info={}))
    Image.new("RGB", (20, 30), (10, 200, 90)).save(folder / "image.png")
    done = run_alone(folder, "model.py", "image.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("image.png: class ")


# ---------------------------------------------------------------------- its text


def test_the_source_is_one_class_with_the_layers_by_their_names(network):
    source = model_source(network.architecture, INFO, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    tree = ast.parse(source)
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef)]
    assert len(classes) == 1
    for node in network.architecture.nodes[1:-1]:
        assert f"        {node.name} = " in source
    for node in network.architecture.nodes:
        assert (f"        self.{node.name} = " in source) == (node.op in ("conv", "mix", "linear"))
    docstring = ast.get_docstring(classes[0])
    for words in ("first light", "five things", "93.41 %", "(0.1000, 0.2000, 0.3000)", "ant, bee", "widen c3, ×2"):
        assert words in docstring
    imported = {
        (n.module if isinstance(n, ast.ImportFrom) else n.names[0].name).split(".")[0]
        for n in ast.walk(tree)
        if isinstance(n, ast.Import | ast.ImportFrom)
    }
    assert imported == {"sys", "collections", "pathlib", "torch", "safetensors", "PIL"}
    assert max(len(line) for line in source.splitlines()) <= 118


def test_a_plain_network_gets_no_helper_that_it_does_not_use():
    source = model_source(small_architecture(), {}, mean=(0,) * 3, std=(1,) * 3)
    assert "def mix" not in source
    assert "pad_channels" not in source
    assert "Test accuracy" not in source


@pytest.mark.parametrize(
    "hostile", ['"""\nimport os\n"""', "a\\", "'; import os; '", "line\nbreak", "\u202etxt", "\ud800", "{n}", "\x00"]
)
def test_names_from_an_archive_stay_text(hostile):
    info = {"name": hostile, "dataset": hostile, "classes": [hostile] * 5, "lineage": [hostile]}
    source = model_source(small_architecture(), info, mean=(0,) * 3, std=(1,) * 3)
    tree = ast.parse(source)
    plain = ast.parse(model_source(small_architecture(), {}, mean=(0,) * 3, std=(1,) * 3))
    assert [type(n) for n in tree.body] == [type(n) for n in plain.body]
    (assigned,) = (n.value for n in tree.body if isinstance(n, ast.Assign))
    assert ast.literal_eval(assigned) == (hostile,) * 5


def test_a_thousand_classes_are_all_in_the_file_and_few_in_the_words():
    architecture = Architecture.initial((3, 8, 8), 1000, channels=(2, 2, 2))
    names = [f"n{k:08d} a kind of thing" for k in range(1000)]
    source = model_source(architecture, {"classes": names}, mean=(0,) * 3, std=(1,) * 3)
    tree = ast.parse(source)
    (assigned,) = (n.value for n in tree.body if isinstance(n, ast.Assign))
    assert ast.literal_eval(assigned) == tuple(names)
    docstring = ast.get_docstring(next(n for n in tree.body if isinstance(n, ast.ClassDef)))
    assert "and 980 more" in docstring


def test_another_number_of_class_names_is_refused(network, tmp_path):
    with pytest.raises(ValueError, match="2 names for 5 classes"):
        export_model(network, tmp_path / "model.zip", info={"classes": ["a", "b"]})
    assert list(tmp_path.iterdir()) == []


def test_the_zip_holds_weights_architecture_source_and_five_lines(network, exported):
    with zipfile.ZipFile(exported) as archive:
        assert sorted(archive.namelist()) == ["README.txt", "architecture.json", "model.py", "model.safetensors"]
        readme = archive.read("README.txt").decode()
        described = json.loads(archive.read("architecture.json"))
    assert readme.count("\n") == len(readme.splitlines()) == 5
    assert "93.41 %" in readme
    assert described.pop("info") == INFO
    assert Architecture.from_dict(described) == network.architecture


def test_the_same_network_gives_the_same_bytes(network, tmp_path):
    first = export_model(network, tmp_path / "a.zip", info=INFO).read_bytes()
    last = network.to(memory_format=torch.channels_last)
    assert export_model(last, tmp_path / "b.zip", info=dict(INFO)).read_bytes() == first


# ---------------------------------------------------------------------- loading


def same(a: Network, b: Network) -> bool:
    left, right = weights_of(a), weights_of(b)
    return a.architecture == b.architecture and all(torch.equal(left[name], right[name]) for name in left)


def test_a_download_loads_from_the_zip_and_from_its_folder(network, exported):
    assert same(Network.load(exported), network)
    assert same(Network.load(str(unpacked(exported))), network)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_come_back_to_the_bit(dtype, tmp_path):
    network = random_network(tangled_architecture(), dtype=dtype).to(memory_format=torch.channels_last)
    path = save_weights(network, tmp_path / "weights.safetensors")
    loaded = load_weights(path, network.architecture)
    assert same(loaded, network)
    assert weights_sha256(loaded) == weights_sha256(network)
    assert all(p.requires_grad for p in loaded.parameters())


def test_the_hash_changes_with_any_bit_of_any_tensor(network):
    before = weights_sha256(network)
    for tensor in network.state_dict().values():
        first = tensor.view(-1)[0].clone()
        tensor.view(-1)[0] = torch.nextafter(first, first + 1) if tensor.is_floating_point() else first + 1
        assert weights_sha256(network) != before
        tensor.view(-1)[0] = first
    assert weights_sha256(network) == before
