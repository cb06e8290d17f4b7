"""Classes of image files, by a network that was loaded; what is no image is named and left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from searches.nash.evaluation import BATCH_SIZE, predict
from searches.nash.imagefolder.decode import read_image
from searches.nash.imagefolder.source import BrokenFile
from searches.nash.network import Network

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Prediction:
    """What a network says of one file: its most likely class, and the probability of every class, which sum to 1."""

    path: Path
    label: int
    probabilities: tuple[float, ...]

    @property
    def probability(self) -> float:
        return self.probabilities[self.label]


@dataclass(frozen=True)
class Broken:
    """A file that could not be classified, and why, in words."""

    path: Path
    reason: str


def image_files(place: Path) -> tuple[list[Path], int]:
    """Image files in a folder and in those below it, in order, and how many other files there are; one file alone.

    Raises FileNotFoundError.
    """
    if not place.is_dir():
        if not place.is_file():
            raise FileNotFoundError(f"There is no folder or file {place}.")
        return [place], 0
    files = sorted(path for path in place.rglob("*") if path.is_file())
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    return images, len(files) - len(images)


def classify(
    network: Network, paths: Sequence[Path], *, batch_size: int = BATCH_SIZE
) -> Iterator[Prediction | Broken]:
    """What the network says of each file, in the order of `paths`; `batch_size` of them are in memory at a time.

    Images are brought to the network's size and colours as an import does it. Raises ValueError where these are not
    those of a square image of one or three channels.
    """
    channels, height, width = network.architecture.input_shape
    if height != width or channels not in (1, 3):
        raise ValueError(f"its images are {channels} x {height} x {width}: only square ones can be made of files")
    for start in range(0, len(paths), batch_size):
        batch = paths[start : start + batch_size]
        yield from _classify(network, batch, side=height, is_grey=channels == 1)


def _classify(network: Network, paths: Sequence[Path], *, side: int, is_grey: bool) -> Iterator[Prediction | Broken]:
    images, broken = [], {}
    for path in paths:
        try:
            images.append(read_image(path, side, is_grey=is_grey))
        except (BrokenFile, OSError) as error:
            broken[path] = str(error)
    rows = iter(_probabilities(network, images) if images else [])
    for path in paths:
        if path in broken:
            yield Broken(path, broken[path])
        else:
            probabilities = tuple(next(rows))
            yield Prediction(path, max(range(len(probabilities)), key=probabilities.__getitem__), probabilities)


def _probabilities(network: Network, images: Sequence[npt.NDArray[np.uint8]]) -> list[list[float]]:
    pixels = torch.from_numpy(np.stack(images))  # (n, C, side, side)
    probabilities: list[list[float]] = predict(network, pixels, batch_size=len(images)).double().softmax(1).tolist()
    return probabilities
