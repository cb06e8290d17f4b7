"""A set of the size of Tiny-ImageNet is imported and trained on in bounded memory."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.archives import encoded

N_CLASSES, N_EACH, SIDE = 200, 500, 64

RESIDENT = """
def resident():  # kB of its own; pages of the arrays that are mapped can be dropped at any time
    return int(next(l.split()[1] for l in open("/proc/self/status") if l.startswith("RssAnon")))
"""
IMPORT = f"""
import sys, threading
from pathlib import Path
from searches.nash.imagefolder import convert
{RESIDENT}
most, ended = [0], threading.Event()

def watch():
    while not ended.wait(0.02):
        most.append(resident())

threading.Thread(target=watch, daemon=True).start()
convert(Path(sys.argv[1]), Path(sys.argv[2]), name="large", n_processes=1)
ended.set()
print(max(most))
"""
TRAIN = f"""
import json, sys
import torch
from searches.nash import augmentation
from searches.nash.config import SearchConfig
from searches.nash.data import load_dataset
from searches.nash.hillclimb import plan
augmentation.RESIDENT_CPU_BYTES = 2**20
torch.set_num_threads(1)

{RESIDENT}
from searches.nash.execution import execute
images = load_dataset(sys.argv[1])
config = SearchConfig(input_shape=(3, 64, 64), n_classes=200, channels=(4, 4, 4), head="global_pool",
                      epoch_pretrain=1, n_training=4000, n_validation=500, max_channels=8)
before, most = resident(), [0]
execute(plan(config, [])[0], config, images, on_batch=lambda: most.append(resident()))
print(json.dumps([len(images.images), max(most) - before]))
"""


def run(code: str, *arguments: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_hundred_thousand_images_of_64_pixels_are_imported_and_trained_memory_mapped(tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (N_EACH, 1, 1, 3), dtype=np.uint8)
    files = [encoded(np.broadcast_to(colour, (SIDE, SIDE, 3)).copy()) for colour in colours]
    archive = tmp_path / "large.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for label in range(N_CLASSES):
            for i, data in enumerate(files):
                zipped.writestr(f"train/c{label:03d}/{i:03d}.png", data)
            zipped.writestr(f"test/c{label:03d}/0.png", files[label])
    assert int(run(IMPORT, archive, tmp_path / "large")) < 500_000  # kB
    n_images, grown = json.loads(run(TRAIN, tmp_path / "large"))
    assert n_images == N_CLASSES * N_EACH
    assert grown < 500_000  # kB; all of it would be 1.2 GB
