"""A hundred damaged checkpoints: each is noticed, and the one before it, or the parent, is used."""

import random
from pathlib import Path

import pytest
import torch

from searches import selectors, worker_files
from searches.models import Candidate, Search
from searches.nash.architecture import Architecture
from searches.nash.network import Network
from searches.nash.training import Training

pytestmark = pytest.mark.durability

N_MUTATIONS = 100
WAYS = ("truncated", "one bit flipped", "empty", "a block of zeros")


def damaged(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """What was done to a file, and what is left of it."""
    way = rng.choice(WAYS)
    place = rng.randrange(len(content))
    if way == "empty":
        return way, b""
    if way == "truncated":
        return f"{way} to {place} bytes", content[:place]
    changed = bytearray(content)
    if way == "one bit flipped":
        bit = rng.randrange(8)
        changed[place] ^= 1 << bit
        return f"{way}: {bit} of byte {place}", bytes(changed)
    changed[place : place + 512] = bytes(len(changed[place : place + 512]))
    if changed == content:  # zeros already
        changed[place] ^= 1
    return f"{way} at {place}", bytes(changed)


@pytest.fixture
def candidate(settings, tmp_path) -> Candidate:
    settings.NASH_DATA_DIR = tmp_path
    return Candidate(search=Search(name="Damaged"), kind="neighbour", step=2, index=1)


@pytest.fixture
def checkpoints(candidate) -> list[Path]:
    """Those of two epochs of a real training, the newest first."""
    architecture = Architecture.initial(input_shape=(1, 8, 8), n_classes=10, channels=(4, 4))
    draws = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8, generator=draws)
    labels = torch.randint(0, 10, (64,), generator=draws)
    training = Training(
        Network(architecture, draws), images, labels, epochs=3, lambda_start=0.05, seed=1, batch_size=32, device="cpu"
    )
    for point in training.run():
        if point.ends_epoch and training.epoch < 3:
            worker_files.write_checkpoint(candidate, 1, training.state())
    paths = selectors.checkpoint_paths(selectors.candidate_folder(candidate))
    assert [path.name for path in paths] == ["checkpoint-1-2.pt", "checkpoint-1-1.pt"]
    return paths


def test_a_hundred_mutations(candidate, checkpoints):
    rng = random.Random(7)
    whole = [path.read_bytes() for path in checkpoints]
    seen = set()
    for _ in range(N_MUTATIONS):
        how, content = damaged(whole[0], rng)
        checkpoints[0].write_bytes(content)
        checkpoints[1].write_bytes(whole[1])
        found = worker_files.newest_checkpoint(candidate)
        assert found is not None, how
        name, state = found
        assert (Path(name).name, state["epoch"]) == ("checkpoint-1-1.pt", 1), how

        how_too, content = damaged(whole[1], rng)
        checkpoints[1].write_bytes(content)
        assert worker_files.newest_checkpoint(candidate) is None, f"{how}; {how_too}"
        seen |= {way for way in WAYS if how.startswith(way)}
    assert seen == set(WAYS)


def test_the_whole_ones_are_read(candidate, checkpoints):
    found = worker_files.newest_checkpoint(candidate)
    assert found is not None
    assert found[1]["epoch"] == 2
    checkpoints[0].unlink()
    found = worker_files.newest_checkpoint(candidate)
    assert found is not None
    assert found[1]["epoch"] == 1
