"""A checkpoint is whole, or known not to be."""

import hashlib
import io
import os
from pathlib import Path

import pytest
import torch

from searches.nash.checkpoints import MAGIC, DamagedCheckpoint, read_checkpoint, write_checkpoint

STATE = {
    "weights": {"c1.conv.weight": torch.arange(12.0).view(3, 1, 2, 2), "n": torch.tensor(5)},
    "epoch": 3,
    "points": [[1, 0.5, None, 0.05, None, False, None], [2, 1.0, 0.7, 0.0, 0.9, True, 0.8]],
}


@pytest.fixture
def path(tmp_path):
    write_checkpoint(tmp_path / "checkpoint-a.pt", STATE)
    return tmp_path / "checkpoint-a.pt"


def test_a_state_comes_back_as_it_was(path):
    state = read_checkpoint(path)
    assert (state["epoch"], state["points"]) == (3, STATE["points"])
    assert all(torch.equal(state["weights"][name], t) for name, t in STATE["weights"].items())


def test_the_order_of_bytes_in_memory_comes_back_too(tmp_path):
    weight = torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    write_checkpoint(tmp_path / "a", {"weight": weight})
    assert read_checkpoint(tmp_path / "a")["weight"].stride() == weight.stride()


def test_nothing_but_the_checkpoint_is_left_in_the_folder(path):
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint-a.pt"]


@pytest.mark.parametrize("n_bytes", [0, 10, len(MAGIC) + 65, 400, -1])
def test_a_cut_file_is_detected(path, n_bytes):
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(DamagedCheckpoint, match=r"checkpoint-a\.pt"):
        read_checkpoint(path)


@pytest.mark.parametrize("place", [3, 40, 200, -20])
def test_one_changed_byte_is_detected(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedCheckpoint):
        read_checkpoint(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DamagedCheckpoint, match=r"none\.pt: No such file"):
        read_checkpoint(tmp_path / "none.pt")


def test_an_object_of_another_kind_is_never_unpickled(path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(path.parent / "sprung"),)

    buffer = io.BytesIO()
    torch.save({"weights": Trap()}, buffer)
    body = buffer.getvalue()
    path.write_bytes(MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    with pytest.raises(DamagedCheckpoint):
        read_checkpoint(path)
    assert not (path.parent / "sprung").exists()


def test_a_failed_write_leaves_the_old_checkpoint_and_no_scrap(path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, {"epoch": 4})
    monkeypatch.undo()
    assert read_checkpoint(path)["epoch"] == 3
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint-a.pt"]


def test_file_and_folder_reach_the_disk_before_and_after_the_rename(path, monkeypatch):
    seen = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda f: (seen.append("dir" if Path(f"/proc/self/fd/{f}").is_dir() else "file"), fsync(f))
    )
    monkeypatch.setattr(Path, "replace", lambda a, b: (seen.append("rename"), replace(a, b)))
    write_checkpoint(path, {"epoch": 4})
    assert seen == ["file", "rename", "dir"]
