"""What the files of a model cost: seconds a format, of a network of 5 million parameters, on one thread.

In a process of its own, as the background job is, and with what it loads only for that: the first use of a format is
part of its seconds. Writing alone; that all answer alike is counted by a test, on whatever images there are.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from benchmarks.images import ROOT
from benchmarks.measures import Measure, Measures
from benchmarks.networks import GROWN_BY
from searches.nash.architecture import Architecture

WIDTHS = (74, 148, 296)
"""model_0 that grows to 5 million parameters by the morphisms of network C: deepened, concatenated, added."""
SMALL = (8, 16, 32)
TURNS = 3
Seconds = dict[str, float]


def measures_of(*, quick: bool) -> Measures:
    """export_seconds, and of each format; of a small network where it is quick."""
    turns = [_in_a_process(quick=quick) for _ in range(1 if quick else TURNS)]
    found = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
    total = statistics.median(sum(turn.values()) for turn in turns)
    return {
        "export_seconds": Measure(total, "s"),
        **{f"export_seconds, {name}": Measure(seconds, "s") for name, seconds in found.items()},
    }


def network_of(*, quick: bool) -> Architecture:
    """What is exported."""
    return Architecture.initial((3, 32, 32), 10, SMALL if quick else WIDTHS).morphed(GROWN_BY)


def _in_a_process(*, quick: bool) -> Seconds:
    """Seconds of each format. Raises CalledProcessError."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "benchmarks.exporting", *(["--quick"] if quick else [])]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment)
    seconds: Seconds = json.loads(told.stdout.splitlines()[-1])
    return seconds


def export(folder: Path, *, quick: bool) -> Seconds:
    """Write every file that a model's page offers, as the background job does; seconds of each."""
    import torch

    from searches.nash.export import save_weights
    from searches.nash.model_card import model_card
    from searches.nash.model_zip import pack_files, texts_of
    from searches.nash.network import Network
    from searches.nash.programs import exported_program, save_onnx, save_program

    torch.set_num_threads(1)
    architecture = network_of(quick=quick)
    network = Network(architecture, torch.Generator().manual_seed(0)).eval()
    info = {"name": "Export", "dataset": "cifar10", "classes": [f"class {k}" for k in range(10)]}
    seconds: Seconds = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = perf_counter()
        yield
        seconds[name] = perf_counter() - began

    with timed("model.safetensors"):
        weights = save_weights(network, folder / "model.safetensors").read_bytes()
    with timed("model.py, architecture.json, README.txt, model_card.md"):
        for name, content in texts_of(architecture, weights, info, programs=True).items():
            (folder / name).write_bytes(content)
        (folder / "model_card.md").write_text(model_card(architecture, info), encoding="utf-8")
    with timed("torch.export, for the two that follow"):
        program = exported_program([network])
    with timed("model.onnx"):
        save_onnx(program, folder / "model.onnx", classes=info["classes"], about={"origin": "NASH"})
    with timed("model.pt2"):
        save_program(program, folder / "model.pt2")
    with timed("model.zip"):
        pack_files(sorted(folder.iterdir()), folder / "model.zip")
    return seconds


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(export(Path(made), quick="--quick" in sys.argv)))
