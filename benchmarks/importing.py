"""What an import of an archive gains: images a second of `convert` against a plain loop of Pillow over the same file.

The plain loop is what a script of ten lines does in one process: open each file of the zip, decode, keep the array.
The import does more: it distrusts the archive, counts, writes and syncs the arrays, and takes their digest.
"""

from __future__ import annotations

import io
import shutil
import statistics
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.images import cifar10_archive
from benchmarks.measures import Measure, Measures
from searches.nash.imagefolder import convert

TURNS = 3


def measures_of(*, quick: bool) -> Measures:
    """import_ratio, and images a second of both; of the bundled digits where `quick`. Raises NoImages."""
    with tempfile.TemporaryDirectory() as folder:
        archive = digits_archive(Path(folder)) if quick else cifar10_archive()
        n_images = len(images_in(archive))
        seconds: dict[str, list[float]] = {"import": [], "plain": []}
        for turn in range(1 if quick else TURNS):
            seconds["plain"].append(_timed(lambda: plain(archive)))
            target = Path(folder) / f"set-{turn}"
            seconds["import"].append(_timed(lambda target=target: convert(archive, target, name="set")))  # type: ignore[misc]
            shutil.rmtree(target)
    ours, other = (n_images / statistics.median(seconds[name]) for name in ("import", "plain"))
    return {
        "import_ratio": Measure(ours / other, "x"),
        "import_images_per_second": Measure(ours, "images/s"),
        "plain_import_images_per_second": Measure(other, "images/s"),
    }


def digits_archive(folder: Path) -> Path:
    """The digits that scikit-learn brings, as a zip of PNG files train/<digit>/*; its path."""
    digits = load_digits()
    path = folder / "digits.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            png = io.BytesIO()
            Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(png, "PNG")
            archive.writestr(f"train/{label}/{number:04}.png", png.getvalue())
    return path


def images_in(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return [info.filename for info in opened.infolist() if not info.is_dir()]


def plain(archive: Path) -> list[npt.NDArray[np.uint8]]:
    """Every image of a zip as an array (H, W, 3), one after another."""
    names = images_in(archive)
    with zipfile.ZipFile(archive) as opened:
        return [np.asarray(Image.open(io.BytesIO(opened.read(name))).convert("RGB")) for name in names]


def _timed(do: Callable[[], object]) -> float:
    began = perf_counter()
    do()
    return perf_counter() - began
