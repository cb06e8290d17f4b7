"""Image folders and archives as people, and ill-meaning people, have them."""

import copy
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from searches.nash.imagefolder import BadArchive, convert

Files = dict[str, bytes]


def pixels(seed: int, size: tuple[int, int] = (16, 16), n_channels: int = 3) -> np.ndarray:
    """Random uint8 (height, width, channels), or (height, width) for one channel; size is (width, height)."""
    shape = (size[1], size[0]) if n_channels == 1 else (size[1], size[0], n_channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: Image.Image | np.ndarray, format: str = "PNG", **options: Any) -> bytes:
    """The image as a file's bytes; WebP without loss unless told otherwise."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    if format == "WEBP":
        options = {"lossless": True, "exact": True, **options}
    file = io.BytesIO()
    image.save(file, format=format, **options)
    return file.getvalue()


def image_folder(
    classes: tuple[str, ...] = ("cat", "dog"),
    n_train: int = 6,
    n_test: int = 2,
    size: tuple[int, int] = (16, 16),
    n_channels: int = 3,
    format: str = "PNG",
    prefix: str = "",
) -> Files:
    """Files train/<class>/NNN and test/<class>/NNN of random pixels; a seed for each file."""
    files: Files = {}
    for part, n in (("train", n_train), ("test", n_test)):
        for name in classes:
            for i in range(n):
                data = encoded(pixels(len(files), size, n_channels), format)
                files[f"{prefix}{part}/{name}/{i:03d}.{format.lower()}"] = data
    return files


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    """The files below root."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def write_zip(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip of the files; a name that ends with a slash is a folder."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return path


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    """A tar ("w") or tar.gz ("w:gz") of the files."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def tar_headers(kind: bytes, content: bytes) -> bytes:
    """One extended header of a tar."""
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def tar_of_long_names(path: Path, n_entries: int, n_chained: int, n_name: int) -> Path:
    """A tar of empty entries, each behind n_chained headers that give it a name of n_name characters."""
    name = tar_headers(tarfile.GNUTYPE_LONGNAME, b"x" * n_name)
    path.write_bytes((name * n_chained + tarfile.TarInfo().tobuf()) * n_entries + bytes(1024))
    return path


def tar_of_global_headers(path: Path) -> Path:
    """A tar of 200 entries, each behind 4,000 fields about all entries to come, and one about itself."""
    own = tar_headers(tarfile.XHDTYPE, b"10 path=a\n") + tarfile.TarInfo("a").tobuf()
    with path.open("wb") as file:
        for i in range(200):
            fields = b"".join(b"12 %07d=\n" % k for k in range(4000 * i, 4000 * (i + 1)))
            file.write(tar_headers(tarfile.XGLTYPE, fields) + own)
        file.write(bytes(1024))
    return path


def encrypted_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip whose entries say that they are encrypted."""
    data = bytearray(write_zip(path, files).read_bytes())
    for signature, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + flags_at] |= 1
            at = data.find(signature, at + 4)
    path.write_bytes(data)
    return path


def zip_with_link(path: Path, files: Mapping[str, bytes], name: str, points_to: str) -> Path:
    """A zip of the files and of one symbolic link."""
    write_zip(path, files)
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, points_to)
    return path


def zip_with_shared_bytes(path: Path, files: Mapping[str, bytes], name: str, n_twins: int) -> Path:
    """A zip in whose directory n_twins more names point to one file's bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in files.items():
            archive.writestr(each, data)
        for i in range(n_twins):
            twin = copy.copy(archive.getinfo(name))
            twin.filename = f"{i}-{name}"
            archive.filelist.append(twin)
    return path


def zip_of_empty_entries(path: Path, n_entries: int, n_declared: int) -> Path:
    """A zip of n_entries nameable, empty files in its directory, whose end record claims n_declared."""
    directory = bytearray()
    for i in range(n_entries):
        name = b"train/a/%07d.png" % i
        directory += struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), *[0] * 6)
        directory += name
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, n_declared, n_declared, len(directory), 0, 0)
    path.write_bytes(bytes(directory) + end)
    return path


def zip_that_is_all_directory(path: Path, n_bytes: int) -> Path:
    """A zip whose end record calls n_bytes, which take no room on the disk, the directory of one entry."""
    with path.open("wb") as file:
        file.truncate(n_bytes)
        file.seek(n_bytes)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, n_bytes, 0, 0))
    return path


def zip_with_lying_size(path: Path, files: Mapping[str, bytes], name: str, declared: int) -> Path:
    """A zip in which the directory declares another unpacked size for one file than it has."""
    data = bytearray(write_zip(path, files).read_bytes())
    at = data.rfind(name.encode()) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    data[at + 24 : at + 28] = struct.pack("<L", declared)
    path.write_bytes(data)
    return path


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares so many pixels and holds none."""
    head = struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        chunks += struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


def arrays(target: Path) -> tuple[np.ndarray, ...]:
    """images, labels, test images and test labels of an imported set."""
    return tuple(np.load(target / f"{part}.npy") for part in ("images", "labels", "test_images", "test_labels"))


def imported(tmp_path: Path, files: dict[str, bytes], **options: object) -> tuple[dict, tuple[np.ndarray, ...]]:
    """meta and arrays of the files, imported as a zip."""
    target = tmp_path / "data" / "set"
    meta = convert(write_zip(tmp_path / "set.zip", files), target, name="set", **options)
    return meta, arrays(target)


def refusal(path: Path, **options: object) -> str:
    """The sentence that refuses the archive; asserts that nothing is left of it."""
    data = path.parent / "data"
    with pytest.raises(BadArchive) as caught:
        convert(path, data / "set", name="set", **options)
    assert list(data.iterdir()) == []
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence
