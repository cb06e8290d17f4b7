"""The form of an imported image set on disk: four .npy files and meta.json, published all or nothing."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from searches.nash.atomic import sync_folder, write_atomically
from searches.nash.imagefolder.source import BadArchive, Beat, unwatched

PARTS = ("images", "labels", "test_images", "test_labels")
COPIES = "copies.npy"
CHUNK_IMAGES = 1024
HEADER_BYTES = 128  # of a .npy of ours; numpy leaves room in it for the length to grow
Meta = dict[str, Any]


class ArrayWriter:
    """Writes a .npy whose length is known only at the end; a context manager."""

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._row_shape, self._dtype = row_shape, np.dtype(dtype)
        self._file = path.open("wb")
        self._file.write(bytes(HEADER_BYTES))
        self.n_rows = 0

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Append rows (n, *row_shape)."""
        assert rows.shape[1:] == self._row_shape
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).data)
        self.n_rows += len(rows)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.seek(0)
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.n_rows, *self._row_shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)
        assert self._file.tell() == HEADER_BYTES
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write one array (N, ...) as .npy, flushed to the disk."""
    with ArrayWriter(path, array.shape[1:], array.dtype) as writer:
        writer.append(array)


def keep_one_channel(path: Path, beat: Beat = unwatched) -> None:
    """Rewrite images (N, 3, H, W) whose channels are equal as (N, 1, H, W), in bounded memory."""
    images = np.load(path, mmap_mode="r")
    thinner = path.with_suffix(".grey")
    with ArrayWriter(thinner, (1, *images.shape[2:]), images.dtype) as writer:
        for start in range(0, len(images), CHUNK_IMAGES):
            writer.append(images[start : start + CHUNK_IMAGES, :1])
            beat()
    thinner.replace(path)


def digest_of(*arrays: npt.NDArray[Any], beat: Beat = unwatched) -> str:
    """sha256, in hex, over the bytes of images, labels, test images and test labels, one after another."""
    hashed = hashlib.sha256()
    for array in arrays:
        for start in range(0, len(array), CHUNK_IMAGES):
            hashed.update(np.ascontiguousarray(array[start : start + CHUNK_IMAGES]).data)
            beat()
    return hashed.hexdigest()


def mean_and_std(images: npt.NDArray[np.uint8], beat: Beat = unwatched) -> tuple[list[float], list[float]]:
    """Per-channel mean and standard deviation of images (N, C, H, W), for values scaled to 0..1.

    Summed in whole numbers, so the result does not depend on the order.
    """
    n_channels = images.shape[1]
    histogram = np.zeros((n_channels, 256), dtype=np.int64)
    for start in range(0, len(images), CHUNK_IMAGES):
        chunk = images[start : start + CHUNK_IMAGES]
        for channel in range(n_channels):
            histogram[channel] += np.bincount(chunk[:, channel].ravel(), minlength=256)
        beat()
    values = np.arange(256) / 255
    n_pixels = histogram.sum(1)  # (C,)
    mean = histogram @ values / n_pixels
    variance = histogram @ values**2 / n_pixels - mean**2
    return mean.tolist(), np.sqrt(variance.clip(0)).tolist()


def twins_of(
    images: npt.NDArray[np.uint8],
    test_images: npt.NDArray[np.uint8],
    report: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, int], npt.NDArray[np.int64]]:
    """Identical images, pixel for pixel: counted, never dropped. `report(done, total)` is called as images are read.

    Counts: further copies within "train" and "test", and "leaks", test images that are training images too.
    Array (n, 2): of the training images that are there more than once the index, and that of the first alike.
    """
    train: list[bytes] = []
    test: list[bytes] = []
    for digests, part, before in ((train, images, 0), (test, test_images, len(images))):
        for start in range(0, len(part), CHUNK_IMAGES):
            digests += _image_digests(part[start : start + CHUNK_IMAGES])
            if report is not None:
                report(before + len(digests), len(images) + len(test_images))
    seen: dict[bytes, int] = {}
    firsts = [seen.setdefault(digest, i) for i, digest in enumerate(train)]
    repeated = {first for i, first in enumerate(firsts) if first != i}
    copies = [(i, first) for i, first in enumerate(firsts) if first in repeated]
    counts = {
        "train": len(train) - len(seen),
        "test": len(test) - len(set(test)),
        "leaks": sum(digest in seen for digest in test),
    }
    return counts, np.array(copies, dtype=np.int64).reshape(-1, 2)


def _image_digests(images: npt.NDArray[np.uint8]) -> list[bytes]:
    return [hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]


def count_twins(folder: Path, report: Callable[[int, int], None] | None = None) -> dict[str, int]:
    """What twins_of finds in the arrays of a set that was imported before they were counted, put into its meta.json.

    Raises OSError, ValueError where the files cannot be read.
    """
    images, test_images = (
        np.load(folder / f"{part}.npy", mmap_mode="r", allow_pickle=False) for part in ("images", "test_images")
    )
    twins, copies = twins_of(images, test_images, report)
    _write_copies(folder, copies)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    write_atomically(folder / "meta.json", json.dumps({**meta, "twins": twins}, indent=1).encode())
    return twins


def _write_copies(folder: Path, copies: npt.NDArray[np.int64]) -> None:
    """Keep which training images are there more than once; no file where none is."""
    if len(copies):
        write_array(folder / "copies.part", copies)
        (folder / "copies.part").replace(folder / COPIES)


def write_meta(
    folder: Path,
    *,
    name: str,
    classes: tuple[str, ...],
    flips: bool,
    crops: bool = True,
    facts: Mapping[str, Any],
    beat: Beat = unwatched,
) -> Meta:
    """Describe the arrays in folder by its meta.json, and return that.

    Holds name, classes, input_shape (C, H, W), flips, crops, n_train, n_test, digest, mean and std per channel of the
    training images scaled to 0..1, counts per class of both parts, twins, and the given facts.
    """
    images, labels, test_images, test_labels = (np.load(folder / f"{part}.npy", mmap_mode="r") for part in PARTS)
    mean, std = mean_and_std(images, beat)
    twins, copies = twins_of(images, test_images, lambda _done, _total: beat())
    _write_copies(folder, copies)
    meta: Meta = {
        "name": name,
        "classes": list(classes),
        "input_shape": list(images.shape[1:]),
        "flips": flips,
        "crops": crops,
        "n_train": len(labels),
        "n_test": len(test_labels),
        "digest": digest_of(images, labels, test_images, test_labels, beat=beat),
        "mean": mean,
        "std": std,
        "counts": {
            "train": np.bincount(labels, minlength=len(classes)).tolist(),
            "test": np.bincount(test_labels, minlength=len(classes)).tolist(),
        },
        "twins": twins,
        **facts,
    }
    with (folder / "meta.json").open("w", encoding="utf-8") as file:
        json.dump(meta, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return meta


@contextmanager
def published(target: Path) -> Iterator[Path]:
    """A fresh folder that becomes `target` if the block ends well, and is gone if it does not.

    It lies beside target and is locked while in use: what a killed process left is cleared by the next one.
    Raises BadArchive if target exists or is being written by another process.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = target.parent / f".{target.name}.part"
    lock = _lock(folder)
    try:
        if target.exists():
            raise BadArchive(f"{target.name} exists already; choose another name.")
        yield folder
        (folder / "lock").unlink()
        sync_folder(folder)
        folder.rename(target)
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def _lock(folder: Path) -> int:
    """Make the folder, empty but for a lock file that is held; its descriptor."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(lock)):
            raise BlockingIOError  # its holder ended in between
    except BlockingIOError as error:
        os.close(lock)
        raise BadArchive(f"{folder.name[1:-5]} is being imported by another process; wait for it.") from error
    for leftover in folder.iterdir():
        if leftover != path:
            leftover.unlink()
    return lock
