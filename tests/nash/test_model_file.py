"""A model that comes back: to the bit what was exported, and nothing that is not one of ours."""

import hashlib
import json
import os
import struct
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from searches.nash.architecture import Architecture
from searches.nash.export import export_model, weights_of
from searches.nash.model_file import MAX_NODES, read_model_file
from searches.nash.model_zip import DamagedModel
from searches.nash.network import Graph, Network
from searches.nash.references import wide_resnet
from searches.nash.weights_header import check_values, read_header, tensor_shapes
from tests.archives import zip_that_is_all_directory
from tests.nash.networks import random_chain, random_network, small_architecture, tangled_architecture

INFO = {"name": "first light", "classes": ["ant", "bee", "cat", "dog", "eel"]}


@pytest.fixture
def network() -> Network:
    return random_network(tangled_architecture(), dtype=torch.float32).eval()


@pytest.fixture
def exported(network, tmp_path) -> Path:
    return export_model(network, tmp_path / "model.zip", info=INFO)


def packed(exported: Path, changed: dict[str, bytes | None], packing: int = zipfile.ZIP_STORED) -> Path:
    """The zip again, some of its files changed, added or left out."""
    path = exported.with_name("changed.zip")
    with zipfile.ZipFile(exported) as old:
        contents = {**{name: old.read(name) for name in old.namelist()}, **changed}
    with zipfile.ZipFile(path, "w", packing) as new:
        for name, content in contents.items():
            if content is not None:
                new.writestr(name, content)
    return path


def with_weights(exported: Path, change) -> Path:
    """The zip again, its tensors changed."""
    with zipfile.ZipFile(exported) as old:
        tensors = load(old.read("model.safetensors"))
    change(tensors)
    return packed(exported, {"model.safetensors": save(tensors)})


# ---------------------------------------------------------------------- what was exported


def test_a_network_comes_back_to_the_bit_and_answers_alike(network, exported):
    loaded = Network.load(exported).eval()
    before, after = weights_of(network), weights_of(loaded)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(network(network.normalise(images)), loaded(loaded.normalise(images)))


@pytest.mark.parametrize("head", ["flatten", "global_pool"])
def test_names_and_shapes_are_those_of_the_network(head):
    chain = small_architecture(head=head).morphed(random_chain(25, 2)[1])
    for architecture in (chain, tangled_architecture(), small_architecture(), wide_resnet(10, 1)):
        with torch.device("meta"):
            expected = {name: tuple(t.shape) for name, t in Graph(architecture).state_dict().items()}
        assert tensor_shapes(architecture) == expected


def test_a_file_says_what_it_holds_without_its_weights_being_read(network, exported):
    file = read_model_file(exported)
    assert (file.architecture, file.classes, file.dtype) == (network.architecture, tuple(INFO["classes"]), "F32")
    with zipfile.ZipFile(exported) as archive:
        assert file.weights() == archive.read("model.safetensors")


def test_weights_are_copied_as_they_are(exported, tmp_path):
    file = read_model_file(exported)
    with (tmp_path / "copy").open("wb") as target:
        digest = file.copy_weights(target)
    assert (tmp_path / "copy").read_bytes() == file.weights()
    assert digest == hashlib.sha256(file.weights()).hexdigest()


def test_a_zip_that_was_packed_again_is_the_same_model(network, exported):
    again = packed(exported, {}, zipfile.ZIP_DEFLATED)
    assert read_model_file(again).weights() == read_model_file(exported).weights()


@pytest.mark.parametrize("names", [None, ["a"], "abcde", 5])
def test_class_names_that_are_not_told_are_none(names, network, tmp_path):
    path = export_model(network, tmp_path / "model.zip", info={})
    with zipfile.ZipFile(path) as archive:
        described = json.loads(archive.read("architecture.json"))
    described["info"] = {"classes": names}
    assert read_model_file(packed(path, {"architecture.json": json.dumps(described).encode()})).classes == ()


# ---------------------------------------------------------------------- what was not


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t["c2.bn.weight"].__setitem__(0, float("nan")), r"c2\.bn\.weight holds what is no number"),
        (lambda t: t["fc.weight"].__setitem__((0, 0), float("inf")), r"fc\.weight holds what is no number"),
        (lambda t: t["std"].__setitem__(1, 0.0), "std holds a deviation that is not above 0"),
        (lambda t: t["c1.bn.running_var"].__setitem__(0, -1.0), r"c1\.bn\.running_var holds a variance below 0"),
        (lambda t: t.update(mean=t["mean"].bfloat16()), "mean is .* BF16, not"),
        (lambda t: t.update({"fc.bias": t["fc.bias"].half()}), r"fc\.bias is \(5,\) float16, not \(5,\) float32"),
        (lambda t: t.update(mean=t["mean"].view(torch.int32)), "mean is .* I32, not .* float32"),
    ],
)
def test_weights_that_cannot_be_are_refused_by_name(exported, change, words):
    with pytest.raises(DamagedModel, match=words):
        Network.load(with_weights(exported, change))


def header_changed(exported: Path, change) -> Path:
    weights = read_model_file(exported).weights()
    (length,) = struct.unpack_from("<Q", weights)
    header = json.loads(weights[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return packed(exported, {"model.safetensors": struct.pack("<Q", len(text)) + text + weights[8 + length :]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: h["mean"].update(data_offsets=h["std"]["data_offsets"]), "do not lie where"),
        (lambda h: h["mean"].update(data_offsets=[0, 10**18]), "do not lie where"),
        (lambda h: h["mean"].update(data_offsets=[-12, 0]), "do not lie where"),
        (lambda h: h["mean"].update(data_offsets=[0]), "header cannot be read"),
        (lambda h: h["mean"].update(shape=[3, 1]), r"mean is \(3, 1\)"),
        (lambda h: h["mean"].pop("dtype"), "header cannot be read"),
        (lambda h: h.update(mean=[1]), "header cannot be read"),
        (lambda h: h.update(x="y" * 2**21), "not a file of safetensors|larger than"),
    ],
)
def test_a_header_that_lies_is_refused(exported, change, words):
    with pytest.raises(DamagedModel, match=words):
        read_model_file(header_changed(exported, change))


def test_weights_that_were_cut_short_are_refused(exported):
    weights = read_model_file(exported).weights()
    with pytest.raises(DamagedModel, match="was it cut short"):
        read_model_file(packed(exported, {"model.safetensors": weights[:-8]}))


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"input_shape": [3, 10**9, 10**9], "nodes": []}, "from 1 to 1,024"),
        ({"input_shape": [2, 8, 8], "nodes": []}, "grey"),
        ({"input_shape": "abc", "nodes": []}, "input_shape"),
        ({"input_shape": [3, 8, 8], "nodes": [{}] * (MAX_NODES + 1)}, "at most 2,000"),
        ({"input_shape": [3, 8, 8], "nodes": [5]}, "node 5"),
        ({"input_shape": [3, 8, 8], "nodes": [{"name": "c1", "op": "conv", "channels": 10**9}]}, "at most 65,536"),
        ({"input_shape": [3, 8], "nodes": []}, r"give .C, H, W."),
        ([], "not an architecture"),
    ],
)
def test_an_architecture_beyond_all_bounds_is_refused_in_words(exported, described, words):
    with pytest.raises(DamagedModel, match=words):
        read_model_file(packed(exported, {"architecture.json": json.dumps(described).encode()}))


def test_channels_that_double_a_thousand_times_cost_neither_memory_nor_time(exported):
    nodes = [{"name": "input", "op": "input"}, {"name": "c1", "op": "conv", "inputs": ["input"], "channels": 9,
                                                "kernel": 3}]  # fmt: skip
    for k in range(2, 1500):
        nodes.append({"name": f"c{k}", "op": "concat", "inputs": [f"c{k - 1}"] * 2})
    nodes.append({"name": "m1", "op": "mix", "inputs": ["c1499", "c1499"], "channels": 2**16})
    nodes.append({"name": "fc", "op": "linear", "inputs": ["m1"], "channels": 5, "pool": True})
    content = json.dumps({"input_shape": [3, 8, 8], "nodes": nodes}).encode()
    began = time.monotonic()
    with pytest.raises(DamagedModel, match=r"^architecture\.json: m1: \d+"):
        read_model_file(packed(exported, {"architecture.json": content}))
    assert time.monotonic() - began < 5


def test_the_longest_architecture_that_is_read_is_read_in_seconds(tmp_path):
    nodes = [{"name": "input", "op": "input"}]
    for k in range(1, MAX_NODES - 1):
        nodes.append({"name": f"c{k}", "op": "conv", "inputs": [nodes[-1]["name"]], "channels": 1, "kernel": 3})
    nodes.append({"name": "fc", "op": "linear", "inputs": [nodes[-1]["name"]], "channels": 5, "pool": True})
    architecture = Architecture.from_dict({"input_shape": [1, 8, 8], "nodes": nodes})
    path = export_model(Network(architecture), tmp_path / "long.zip", info={})
    began = time.monotonic()
    assert read_model_file(path).architecture == architecture
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["architecture.json", "model.safetensors"])
def test_a_zip_without_or_with_two_of_its_files_is_refused(exported, name):
    with pytest.raises(DamagedModel, match=f"no {name} in it; give the zip as it was downloaded"):
        read_model_file(packed(exported, {name: None}))
    with zipfile.ZipFile(exported, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(name, b"{}")
    with pytest.raises(DamagedModel, match=f"2 {name} in it"):
        read_model_file(exported)


def test_a_bomb_is_not_unpacked(exported):
    zeros = packed(exported, {"model.safetensors": bytes(200 * 2**20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DamagedModel, match=r"larger than|unpacks to far more"):
        read_model_file(zeros)


def test_an_encrypted_or_oddly_packed_zip_is_refused(exported):
    odd = packed(exported, {}, zipfile.ZIP_LZMA)
    with pytest.raises(DamagedModel, match="packed by method 14"):
        read_model_file(odd)
    content = bytearray(exported.read_bytes())
    at = content.rfind(b"PK\x01\x02")
    while at >= 0:
        content[at + 8] |= 1
        at = content.rfind(b"PK\x01\x02", 0, at)
    exported.write_bytes(content)
    with pytest.raises(DamagedModel, match="is encrypted"):
        read_model_file(exported)


def test_a_zip_of_a_million_entries_is_refused_before_they_are_listed(exported):
    content = bytearray(exported.read_bytes())
    at = content.rfind(b"PK\x05\x06")
    content[at + 8 : at + 12] = b"\xff\xff\xff\xff"
    exported.write_bytes(content)
    with pytest.raises(DamagedModel, match="entries"):
        read_model_file(exported)


def test_a_zip_that_is_all_directory_is_refused_before_it_is_read(tmp_path):
    with pytest.raises(DamagedModel, match="a directory of 700 MB, more than the 4 MB"):
        read_model_file(zip_that_is_all_directory(tmp_path / "model.zip", 700 * 2**20))


@pytest.mark.parametrize("where", range(0, 400, 37))
def test_a_byte_that_fell_over_is_never_a_crash(exported, where):
    content = bytearray(exported.read_bytes())
    for at in (where, len(content) - 1 - where):
        broken = content.copy()
        broken[at] ^= 0xFF
        exported.write_bytes(broken)
        with suppress(DamagedModel):
            assert Network.load(exported).architecture == tangled_architecture()


def test_a_folder_without_files_a_pipe_or_nothing_is_refused(tmp_path):
    with pytest.raises(DamagedModel, match=r"no architecture\.json in it"):
        read_model_file(tmp_path)
    os.mkfifo(tmp_path / "architecture.json")
    with pytest.raises(DamagedModel, match=r"no architecture\.json in it"):
        read_model_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_model_file(tmp_path / "nowhere.zip")


def test_values_are_checked_in_the_last_of_many_pieces():
    network = random_network(small_architecture((64, 256, 512)), dtype=torch.float32)
    tensors = {name: t.contiguous() for name, t in network.state_dict().items()}
    assert tensors["c3.conv.weight"].numel() > 2**20
    tensors["c3.conv.weight"].view(-1)[-1] = float("nan")
    content = save(tensors)
    with pytest.raises(DamagedModel, match=r"c3\.conv\.weight"):
        check_values(read_header(content, len(content), network.architecture), content)
