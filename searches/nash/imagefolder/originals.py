"""Well-known image sets by name: where their original files are, and those files as arrays. No pickle is read.

Addresses and checksums: torchvision 0.29 (SVHN, Fashion-MNIST, STL-10), and the CIFAR page for its binary archives.
"""

from __future__ import annotations

import gzip
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from searches.nash.imagefolder.arrays import ArrayWriter, Meta, published, write_meta
from searches.nash.imagefolder.decode import MAX_SIDE, MIN_SIDE
from searches.nash.imagefolder.source import BadArchive, Beat, unwatched

Bytes = npt.NDArray[np.uint8]
CHUNK = 1000
CIFAR_SIDE, STL_SIDE, MNIST_SIDE = 32, 96, 28
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
DAMAGED = (tarfile.TarError, EOFError, OSError, ValueError, struct.error, KeyError)


class Piece(NamedTuple):
    """Images uint8 (n, C, H, W) or labels (n,) of a part, "" or "test_"; or the names of the classes."""

    part: str = ""
    images: Bytes | None = None
    labels: npt.NDArray[Any] | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Original:
    """A set as its makers publish it. `files`: address and md5 of each; `shape` (C, H, W) before scaling."""

    name: str
    title: str
    words: str
    size_words: str
    files: tuple[tuple[str, str], ...]
    shape: tuple[int, int, int]
    parse: Callable[[Sequence[Path]], Iterator[Piece]]
    classes: tuple[str, ...] = ()
    flips: bool = True


def convert_original(
    original: Original,
    files: Sequence[Path],
    target: Path,
    *,
    name: str,
    size: int | None = None,
    beat: Beat = unwatched,
) -> Meta:
    """Write the set's files as a folder of arrays; its meta.json's content. `size`: pixels of a side, 8 to 64.

    Images are scaled only where `size` says so or they are larger than 64; `beat()` as they come. Raises
    BadArchive; ValueError for a size.
    """
    if size is not None and not MIN_SIDE <= size <= MAX_SIDE:
        raise ValueError(f"size={size}: must be {MIN_SIDE} to {MAX_SIDE} pixels")
    side = size or min(MAX_SIDE, original.shape[1])
    with published(Path(target)) as folder:
        try:
            classes = _write(folder, original, files, side, beat)
        except DAMAGED as error:
            raise BadArchive(f"The files of {original.title} are not what they should be: {error}.") from error
        scaled = side != original.shape[1]
        notes = [f"Scaled from {original.shape[1]} to {side} px, bicubic."] if scaled else []
        facts = {"source": original.title, "broken": {"n": 0, "names": []}, "notes": notes}
        return write_meta(folder, name=name, classes=classes, flips=original.flips, facts=facts, beat=beat)


def _write(
    folder: Path, original: Original, files: Sequence[Path], side: int, beat: Beat
) -> tuple[str, ...]:
    """The arrays of both parts; the classes. Raises ValueError where they do not fit together."""
    channels = original.shape[0]
    classes = original.classes
    labels: dict[str, list[npt.NDArray[np.int64]]] = {"": [], "test_": []}
    with ExitStack() as stack:
        images = {
            part: stack.enter_context(ArrayWriter(folder / f"{part}images.npy", (channels, side, side), np.uint8))
            for part in labels
        }
        for piece in original.parse(files):
            beat()
            if piece.images is not None:
                images[piece.part].append(_scaled(piece.images, side))
            if piece.labels is not None:
                labels[piece.part].append(piece.labels.astype(np.int64))
            classes = piece.classes or classes
        for part, found in labels.items():
            whole = np.concatenate(found) if found else np.zeros(0, np.int64)
            if len(whole) != images[part].n_rows or not len(whole):
                raise ValueError(f"{images[part].n_rows} images and {len(whole)} labels")
            if whole.min() < 0 or whole.max() >= len(classes):
                raise ValueError(f"labels from {whole.min()} to {whole.max()} for {len(classes)} classes")
            with ArrayWriter(folder / f"{part}labels.npy", (), np.int64) as writer:
                writer.append(whole)
    return classes


def _scaled(images: Bytes, side: int) -> Bytes:
    if images.shape[-1] == side:
        return images
    from PIL import Image

    scaled = np.empty((*images.shape[:2], side, side), np.uint8)
    for i, image in enumerate(images):
        for c, plane in enumerate(image):
            scaled[i, c] = Image.fromarray(plane).resize((side, side), Image.Resampling.BICUBIC)
    return scaled


def _members(path: Path, wanted: Iterable[str]) -> Iterator[tuple[str, IO[bytes], int]]:
    """Name, open file and size of the wanted files of a tar.gz, in its order; all of them must be there."""
    missing = set(wanted)
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            file = archive.extractfile(member) if member.isreg() and name in missing else None
            if file is not None:
                missing.discard(name)
                yield name, file, member.size
            if not missing:
                return
    raise ValueError(f"{path.name} lacks {', '.join(sorted(missing))}")


def _records(file: IO[bytes], n_bytes: int, record: int) -> Iterator[Bytes]:
    """Arrays (n, record) of a file of records."""
    if n_bytes % record:
        raise ValueError(f"{n_bytes} bytes are no whole records of {record}")
    while data := file.read(CHUNK * record):
        yield np.frombuffer(data, np.uint8).reshape(-1, record)


def _cifar(path: Path, parts: dict[str, str], n_labels: int) -> Iterator[Piece]:
    """Records of `n_labels` label bytes, the last of which counts, and 3 planes of 32 x 32."""
    names = "fine_label_names.txt"
    for name, file, n_bytes in _members(path, [*parts, *([names] if n_labels == 2 else [])]):
        if name == names:
            yield Piece(classes=tuple(file.read().decode().split()))
            continue
        for records in _records(file, n_bytes, n_labels + 3 * CIFAR_SIDE**2):
            images = records[:, n_labels:].reshape(-1, 3, CIFAR_SIDE, CIFAR_SIDE)
            yield Piece(parts[name], images, records[:, n_labels - 1])


def _cifar10(files: Sequence[Path]) -> Iterator[Piece]:
    batches = {f"data_batch_{i}.bin": "" for i in range(1, 6)}
    return _cifar(files[0], {**batches, "test_batch.bin": "test_"}, 1)


def _cifar100(files: Sequence[Path]) -> Iterator[Piece]:
    return _cifar(files[0], {"train.bin": "", "test.bin": "test_"}, 2)


def _stl10(files: Sequence[Path]) -> Iterator[Piece]:
    """Images column by column, (3, W, H); labels from 1. The unlabelled images are passed over."""
    parts = {"train": "", "test": "test_"}
    names = ["class_names.txt", *(f"{part}_{kind}.bin" for part in parts for kind in "Xy")]
    for name, file, n_bytes in _members(files[0], names):
        if name == "class_names.txt":
            yield Piece(classes=tuple(file.read().decode().split()))
            continue
        part = parts[name.partition("_")[0]]
        if name.endswith("_y.bin"):
            yield Piece(part, labels=np.frombuffer(file.read(), np.uint8).astype(np.int64) - 1)
            continue
        for records in _records(file, n_bytes, 3 * STL_SIDE**2):
            yield Piece(part, records.reshape(-1, 3, STL_SIDE, STL_SIDE).transpose(0, 1, 3, 2))


def _svhn(files: Sequence[Path]) -> Iterator[Piece]:
    """MATLAB files with X (H, W, C, N) and y (N, 1), where 10 stands for 0."""
    from scipy.io import loadmat

    for part, path in zip(("", "test_"), files, strict=True):
        found = loadmat(path, variable_names=("X", "y"))
        images, labels = found["X"], found["y"].reshape(-1).astype(np.int64) % 10
        for start in range(0, images.shape[3], CHUNK):
            yield Piece(part, np.ascontiguousarray(images[..., start : start + CHUNK].transpose(3, 2, 0, 1)))
        yield Piece(part, labels=labels)


def _fashion(files: Sequence[Path]) -> Iterator[Piece]:
    """idx files, gzipped: training images, training labels, test images, test labels."""
    for part, path in zip(("", "", "test_", "test_"), files, strict=True):
        with gzip.open(path) as file:
            magic, n = struct.unpack(">II", file.read(8))
            if magic == 0x801:
                labels = np.frombuffer(file.read(n + 1), np.uint8)
                if len(labels) != n:
                    raise ValueError(f"{path.name} does not hold {n} labels")
                yield Piece(part, labels=labels)
                continue
            if magic != 0x803 or struct.unpack(">II", file.read(8)) != (MNIST_SIDE, MNIST_SIDE):
                raise ValueError(f"{path.name} is no idx file of 28 x 28 images")
            for records in _records(file, n * MNIST_SIDE**2, MNIST_SIDE**2):  # type: ignore[arg-type]
                yield Piece(part, records.reshape(-1, 1, MNIST_SIDE, MNIST_SIDE))


_CIFAR = "https://www.cs.toronto.edu/~kriz"
_SVHN = "http://ufldl.stanford.edu/housenumbers"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
ORIGINALS: dict[str, Original] = {
    o.name: o
    for o in (
        Original(
            "cifar10", "CIFAR-10", "60,000 colour photographs of 32 px, 10 classes", "170 MB",
            ((f"{_CIFAR}/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),),
            (3, 32, 32), _cifar10, CIFAR10,
        ),
        Original(
            "cifar100", "CIFAR-100", "60,000 colour photographs of 32 px, 100 classes", "169 MB",
            ((f"{_CIFAR}/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),), (3, 32, 32), _cifar100,
        ),
        Original(
            "svhn", "SVHN", "99,289 house numbers in colour, 32 px, 10 digits", "246 MB",
            (
                (f"{_SVHN}/train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
                (f"{_SVHN}/test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
            ),
            (3, 32, 32), _svhn, tuple("0123456789"), flips=False,
        ),
        Original(
            "fashion-mnist", "Fashion-MNIST", "70,000 grey pictures of clothes, 28 px, 10 classes", "31 MB",
            (
                (f"{_FASHION}/train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                (f"{_FASHION}/train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
                (f"{_FASHION}/t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
                (f"{_FASHION}/t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
            ),
            (1, 28, 28), _fashion, FASHION,
        ),
        Original(
            "stl10", "STL-10", "13,000 colour photographs, scaled from 96 to 64 px, 10 classes", "2.6 GB",
            (("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz", "91f7769df0f17e558f3565bffb0c7dfb"),),
            (3, 96, 96), _stl10,
        ),
    )
}  # fmt: skip
"""Sets that can be fetched by name."""
