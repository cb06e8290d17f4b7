"""Some images of a class as one small picture, read from the arrays on disk."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from searches.nash.imagefolder.arrays import COPIES
from searches.nash.imagefolder.splitting import stratified_split

N_SAMPLES = 10


def sample_strip(folder: Path, label: int, n: int = N_SAMPLES) -> bytes:
    """The first n training images of a class side by side, a PNG of (n * width, height) pixels.

    Fewer images leave the rest transparent. Raises OSError, ValueError where the arrays cannot be read.
    """
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(folder / "labels.npy", mmap_mode="r", allow_pickle=False)
    _, _, height, width = images.shape
    strip = np.zeros((height, n * width, 4), dtype=np.uint8)
    for place, index in enumerate(np.flatnonzero(labels == label)[:n]):
        across = slice(place * width, (place + 1) * width)
        strip[:, across, :3] = images[index].transpose(1, 2, 0)  # (C, H, W) -> (H, W, C); grey is repeated
        strip[:, across, 3] = 255
    return _png(strip)


def one_image(folder: Path, index: int) -> bytes:
    """A training image as PNG. Raises OSError, ValueError as above, IndexError where there are not so many."""
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    return _png(np.asarray(images[index]).transpose(1, 2, 0))  # (C, H, W) -> (H, W, C)


def held_back(folder: Path, seed: int, n_validation: int | None, n: int = N_SAMPLES) -> list[tuple[int, int]]:
    """(index, label) of up to n images of the validation set that a seed draws, each of another class.

    `seed`: as derived for the split. Raises OSError, ValueError where the arrays cannot be read.
    """
    labels, taken = _validation_set(folder, seed, n_validation)
    of_class = labels[taken]
    classes = np.unique(of_class)
    chosen = classes[np.linspace(0, len(classes) - 1, min(n, len(classes))).astype(int)]
    return [(int(taken[np.flatnonzero(of_class == label)[0]]), int(label)) for label in chosen]


def copies_across(folder: Path, seed: int, n_validation: int | None) -> int:
    """How many images of the validation set that a seed draws are among the other training images, too.

    `seed`: as derived for the split. Raises OSError where it was not kept which images are there more than once.
    """
    return _copies_across(folder, (folder / COPIES).stat().st_mtime_ns, seed, n_validation)


@lru_cache(maxsize=256)
def _copies_across(folder: Path, written: int, seed: int, n_validation: int | None) -> int:
    """Counted once for the file that was `written` then: to split a large set takes longer than a page may."""
    copies = np.load(folder / COPIES, allow_pickle=False)  # (n, 2): index, index of the first alike
    labels, taken = _validation_set(folder, seed, n_validation)
    is_held_back = np.zeros(len(labels), dtype=bool)
    is_held_back[taken] = True
    held_back_too = is_held_back[copies[:, 0]]
    outside = np.unique(copies[~held_back_too, 1])
    return int(np.isin(copies[held_back_too, 1], outside).sum())


def _validation_set(
    folder: Path, seed: int, n_validation: int | None
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Labels of all training images (N,), and the indices of those that are held back."""
    labels = np.load(folder / "labels.npy", allow_pickle=False)
    wanted = len(labels) // 5 if n_validation is None else n_validation
    _, taken = stratified_split(labels, wanted / len(labels), seed)
    return labels, taken


def _png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(file, format="PNG")
    return file.getvalue()
