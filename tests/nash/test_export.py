"""What is downloaded: a zip that runs without this project, the same bytes each time, and safe to load."""

import ast
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from searches.nash.architecture import Architecture
from searches.nash.atomic import write_atomically
from searches.nash.export import (
    DamagedModel,
    export_model,
    load_weights,
    save_weights,
    weights_of,
    weights_sha256,
)
from searches.nash.export_source import model_source
from searches.nash.network import Network
from tests.nash.networks import random_chain, random_network, small_architecture, tangled_architecture

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


@pytest.fixture
def network() -> Network:
    return random_network(tangled_architecture(), dtype=torch.float32).eval()


@pytest.fixture
def exported(network, tmp_path) -> Path:
    return export_model(network, tmp_path / "model.zip", info=INFO)


def unpacked(path: Path) -> Path:
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


def damage(tmp_path: Path, change) -> Path:
    """The weights file of a small network after `change` of its tensors."""
    tensors = load_file(save_weights(random_network(small_architecture(), dtype=torch.float32), tmp_path / "w"))
    change(tensors)
    save_file(tensors, tmp_path / "w")
    return tmp_path / "w"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("c2.bn.bias"), r"c2\.bn\.bias is missing"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra is not of this network"),
        (lambda t: t.update({"c1.conv.weight": torch.zeros(4, 3, 5, 5)}), r"c1\.conv\.weight is \(4, 3, 5, 5\)"),
        (lambda t: t.update({"fc.bias": torch.zeros(5, dtype=torch.float64)}), r"fc\.bias is .*float64"),
        (lambda t: t.update({"mean": torch.zeros(3, dtype=torch.int64)}), "int64"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(change, words, tmp_path):
    with pytest.raises(DamagedModel, match=words):
        load_weights(damage(tmp_path, change), small_architecture())


def test_a_pickle_is_never_read(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    (tmp_path / "w").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DamagedModel):
        load_weights(tmp_path / "w", small_architecture())
    torch.save({"x": Bomb()}, tmp_path / "w")
    with pytest.raises(DamagedModel):
        Network.load(tmp_path / "w")
    assert not (tmp_path / "exploded").exists()


def rezipped(exported: Path, **changed: bytes | None) -> Path:
    path = exported.with_name("changed.zip")
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = changed.get(name.replace(".", "_"), old.read(name))
            if content is not None:
                new.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model_safetensors": None}, r"model\.safetensors"),
        ({"model_safetensors": b"\xff" * 100}, r"model\.safetensors"),
        ({"model_safetensors": b"\0" * 40_000_000}, "larger than"),
        ({"architecture_json": b"[1, 2"}, r"architecture\.json"),
        ({"architecture_json": b"[1, 2]"}, r"architecture\.json"),
        ({"architecture_json": b"[" * 100_000}, r"architecture\.json"),
        ({"architecture_json": b" " * 5_000_000}, "larger than"),
    ],
)
def test_a_damaged_or_hostile_zip_is_refused_with_one_clear_message(exported, changed, words):
    with pytest.raises(DamagedModel, match=words):
        Network.load(rezipped(exported, **changed))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: next(n for n in d["nodes"] if "maps" in n).update(maps=[[[0, 10**12]], None]),
        lambda d: next(n for n in d["nodes"] if "maps" in n).update(maps=[[[0, 60_000]] * 10**5, None]),
        lambda d: d["nodes"][1].update(channels=10**7),
        lambda d: d["nodes"][1].update(channels=float("inf")),
        lambda d: d["nodes"][1].update(name="__class__"),
        lambda d: d.update(input_shape=[3, 8, float("inf")]),
    ],
)
def test_an_architecture_that_asks_for_too_much_is_refused_before_memory_is_taken(exported, change):
    described = json.loads((unpacked(exported) / "architecture.json").read_text())
    change(described)
    with pytest.raises(DamagedModel, match=r"json|safetensors"):
        Network.load(rezipped(exported, architecture_json=json.dumps(described).encode()))


def test_a_truncated_zip_and_something_else_are_refused(exported, tmp_path):
    (tmp_path / "cut.zip").write_bytes(exported.read_bytes()[:-100])
    (tmp_path / "text.zip").write_text("not a zip")
    for name in ("cut.zip", "text.zip"):
        with pytest.raises(DamagedModel, match="not an exported model"):
            Network.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Network.load(tmp_path / "nowhere.zip")


# ---------------------------------------------------------------------- whole or not at all


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_atomically(tmp_path / "file", b"old")

    def half(file):
        file.write(b"ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(path, half)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
