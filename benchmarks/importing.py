"""What an import of an archive gains: images a second of `convert` against a plain loop of Pillow over the same file.

The plain loop is what a script of ten lines does in one process: open each file of the zip, decode, keep the array.
The import does more: it distrusts the archive, counts, writes and syncs the arrays, and takes their digest.
"""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.images import ROOT
from benchmarks.measures import Measure, Measures
from searches.nash.imagefolder import convert

SHARED = ROOT.parent / "shared" / "data"
ARCHIVE, SMALL = "cifar10.zip", "cifar100-small.zip"
TURNS = 3


def measures_of(*, quick: bool) -> Measures:
    """import_ratio, and images a second of both. Raises FileNotFoundError where the archive is not there."""
    archive = Path(os.environ.get("NASH_TEST_CIFAR10") or SHARED / ARCHIVE)
    if quick and (SHARED / SMALL).is_file():
        archive = SHARED / SMALL
    with zipfile.ZipFile(archive) as opened:
        n_images = sum(not info.is_dir() for info in opened.infolist())
    seconds: dict[str, list[float]] = {"import": [], "plain": []}
    for _ in range(1 if quick else TURNS):
        seconds["plain"].append(_timed(lambda: plain(archive)))
        with tempfile.TemporaryDirectory() as folder:
            seconds["import"].append(_timed(lambda: convert(archive, Path(folder) / "set", name="set")))
    ours, other = (n_images / statistics.median(seconds[name]) for name in ("import", "plain"))
    return {
        "import_ratio": Measure(ours / other, "x"),
        "import_images_per_second": Measure(ours, "images/s"),
        "plain_import_images_per_second": Measure(other, "images/s"),
    }


def plain(archive: Path) -> list[npt.NDArray[np.uint8]]:
    """Every image of a zip as an array (H, W, 3), one after another."""
    with zipfile.ZipFile(archive) as opened:
        return [
            np.asarray(Image.open(io.BytesIO(opened.read(info))).convert("RGB"))
            for info in opened.infolist()
            if not info.is_dir()
        ]


def _timed(do: Callable[[], object]) -> float:
    began = perf_counter()
    do()
    return perf_counter() - began
