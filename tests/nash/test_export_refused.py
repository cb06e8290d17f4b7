"""What is no download of ours, or is damaged, is refused in one sentence and never executed."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from searches.nash.atomic import write_atomically
from searches.nash.export import (
    DamagedModel,
    load_weights,
    save_weights,
)
from searches.nash.network import Network
from tests.nash.exported import unpacked
from tests.nash.networks import random_network, small_architecture


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
