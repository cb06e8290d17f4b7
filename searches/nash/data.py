"""Image sets as uint8 tensors: where they come from, how they are split, and what normalises them."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from searches.nash.architecture import Shape
from searches.nash.imagefolder import convert, digits_arrays, stratified_split
from searches.nash.imagefolder.arrays import PARTS, digest_of
from searches.nash.imagefolder.splitting import Indices
from searches.nash.streams import derive

CHUNK_IMAGES = 4096


class UnknownDataset(ValueError):
    """No data set of that name and no file of that path; the message lists what there is."""


class DamagedDataset(ValueError):
    """A data set's files do not fit together; importing it again mends that."""


class Split(NamedTuple):
    """Indices into the training images, int64 (n,), ascending: what is trained on and what is chosen by."""

    train: Tensor
    validation: Tensor


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images uint8 (N, C, H, W) and labels int64 (N,), for training and, never seen before the end, for the test.

    `flips`: whether a mirrored image keeps its label; `crops`: whether one that is moved by an eighth of its side
    does. `digest` names the content.
    """

    name: str
    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    flips: bool
    digest: str
    crops: bool = True

    @property
    def input_shape(self) -> Shape:
        _, channels, height, width = self.images.shape
        return channels, height, width

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def split(self, seed: int, n_validation: int | None = None, n_training: int | None = None) -> Split:
        """Stratified split of the training images; a fifth of them for validation by default, all others to train on.

        `n_training` of the others are drawn, stratified too, from a stream of their own: the validation images stay.
        Raises ValueError where `n_validation` leaves no image to train on or none to choose by, and where there are
        fewer than `n_training` others.
        Source: method section 1 (CIFAR: 50,000 = 40,000 + 10,000).
        """
        n = len(self.labels)
        wanted = n // 5 if n_validation is None else n_validation
        if not 0 < wanted < n:
            raise ValueError(
                f"n_validation={wanted}: {self.name} has {n} training images; give 1 to {n - 1}, "
                "or leave it empty for a fifth"
            )
        rest, taken = stratified_split(self.labels.numpy(), wanted / n, derive(seed, "split"))
        if n_training is not None and n_training != len(rest):
            rest = self._part_of(rest, n_training, seed)
        return Split(torch.from_numpy(rest), torch.from_numpy(taken))

    def _part_of(self, rest: Indices, n_training: int, seed: int) -> Indices:
        if not 0 < n_training < len(rest):
            raise ValueError(
                f"n_training={n_training}: {self.name} has {len(rest)} images that are not held back; give 1 to "
                f"{len(rest)}, or leave it empty for all"
            )
        return rest[_drawn(self.labels.numpy()[rest], n_training, derive(seed, "split", step=1))]

    def test_part(self, seed: int, n_test: int | None = None) -> tuple[Tensor, Tensor]:
        """Test images uint8 (n, C, H, W) and labels int64 (n,) that a search is tested on; None: all there are.

        `n_test` of them are drawn, stratified, from a stream of their own. Raises ValueError where there are fewer.
        """
        if n_test is None or n_test == (n := len(self.test_labels)):
            return self.test_images, self.test_labels
        if not 0 < n_test < n:
            raise ValueError(f"n_test={n_test}: {self.name} has {n} test images; give 1 to {n}, or nothing for all")
        chosen = torch.from_numpy(_drawn(self.test_labels.numpy(), n_test, derive(seed, "split", step=2)))
        return self.test_images[chosen], self.test_labels[chosen]


def _drawn(labels: Indices, n: int, seed: int) -> Indices:
    """Exactly n indices into labels, stratified; a class leaves one image, unless that is one too many."""
    keeps = 1 if n <= len(labels) - len(np.unique(labels)) else 0
    return stratified_split(labels, n / len(labels), seed, keeps=keeps)[1]


def normalisation(images: Tensor, indices: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, float32 (C,), of uint8 images scaled to 0..1.

    Summed in whole numbers, so exact whatever the order. A constant channel gets 1, so that it can be divided by.
    """
    n = len(images) if indices is None else len(indices)
    channels = images.shape[1]
    total, squares = (torch.zeros(channels, dtype=torch.int64) for _ in range(2))
    for start in range(0, n, CHUNK_IMAGES):
        chosen = slice(start, start + CHUNK_IMAGES)
        part = images[chosen] if indices is None else images[indices[chosen]]
        counts = part.transpose(0, 1).reshape(channels, -1).to(torch.int64)  # (C, n * H * W)
        total += counts.sum(1)
        squares += (counts * counts).sum(1)
    pixels = n * images.shape[2] * images.shape[3]
    mean = total.double() / pixels
    variance = (squares.double() / pixels - mean.square()).clamp_min(0)
    std = torch.where(variance > 0, variance.sqrt(), torch.full_like(variance, 255.0))
    return (mean / 255).float(), (std / 255).float()


def load_dataset(name_or_path: str | Path, data_dir: str | Path | None = None) -> ImageSet:
    """The data set of that name or path.

    "digits" is bundled; another name is looked up among those imported into `data_dir` (NASH_DATA_DIR, else data/);
    a path may be a data set's own folder, or an image folder or archive, which is converted once and kept.
    Raises UnknownDataset, DamagedDataset, and the importer's BadArchive.
    """
    root = Path(data_dir or os.environ.get("NASH_DATA_DIR") or "data")
    if str(name_or_path) == "digits":
        return _digits()
    imported = root / "datasets"
    folder = imported / str(name_or_path)
    if folder.parent == imported and (folder / "meta.json").is_file():
        return read_imageset(folder)
    path = Path(name_or_path)
    if (path / "meta.json").is_file():
        return read_imageset(path)
    if not path.exists():
        known = sorted(p.parent.name for p in imported.glob("*/meta.json"))
        raise UnknownDataset(
            f"{str(name_or_path)!r} is neither a data set in {imported} ({', '.join(['digits', *known])}) nor a file"
        )
    keeper = root / "converted" if data_dir or "NASH_DATA_DIR" in os.environ else _cache_folder()
    return read_imageset(_converted(path, keeper))


def read_imageset(folder: Path) -> ImageSet:
    """An imported data set; its images stay on disk and are mapped into memory as they are read.

    Raises DamagedDataset where files are missing or do not fit together.
    """
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text())
        # Mode "c", copy on write: torch accepts the array as writable, the file can still not be changed.
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in PARTS]
        images, labels, test_images, test_labels = (torch.from_numpy(array) for array in arrays)
        found = ImageSet(
            str(meta["name"]), images, labels.clone(), test_images, test_labels.clone(),
            tuple(map(str, meta["classes"])), bool(meta["flips"]), str(meta["digest"]),
            bool(meta.get("crops", True)),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DamagedDataset(f"{folder}: {error}; import the data set again") from error
    _check(found, folder)
    return found


def _check(found: ImageSet, folder: Path) -> None:
    for part, images, labels in (
        ("training", found.images, found.labels), ("test", found.test_images, found.test_labels),
    ):  # fmt: skip
        if images.dtype != torch.uint8 or images.ndim != 4 or labels.dtype != torch.int64:
            raise DamagedDataset(f"{folder}: {part} arrays are not uint8 (N, C, H, W) and int64 (N,)")
        if not len(images) or labels.shape != (len(images),) or images.shape[1:] != found.images.shape[1:]:
            raise DamagedDataset(f"{folder}: {part} images {tuple(images.shape)}, labels {tuple(labels.shape)}")
        if int(labels.min()) < 0 or int(labels.max()) >= found.n_classes:
            raise DamagedDataset(f"{folder}: {part} labels go beyond its {found.n_classes} classes")


def _digits() -> ImageSet:
    found = digits_arrays()
    arrays = (found.images, found.labels, found.test_images, found.test_labels)
    images, labels, test_images, test_labels = (torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
    digest = digest_of(*arrays)
    return ImageSet("digits", images, labels, test_images, test_labels, found.classes, flips=False, digest=digest)


def _converted(source: Path, keeper: Path) -> Path:
    """The folder of arrays made from an image folder or archive; made now unless it is there from before."""
    folder = keeper / f"{source.stem}-{_state_of(source)}"
    if not (folder / "meta.json").is_file():
        convert(source, folder, name=source.stem)
    return folder


def _state_of(source: Path) -> str:
    """A short name for the files as they are now: another follows when one of them changes."""
    files = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    h = hashlib.sha256(str(source.resolve()).encode())
    for file in files:
        status = file.stat()
        h.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return h.hexdigest()[:16]


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nash" / "converted"
