"""Every hostile input is refused in one sentence or repaired, in 10 s and 500 MB; nothing is left on the disk."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.archives import (
    encoded,
    encrypted_zip,
    image_folder,
    pixels,
    png_header,
    tar_of_global_headers,
    tar_of_long_names,
    write_folder,
    write_tar,
    write_zip,
    zip_of_empty_entries,
    zip_that_is_all_directory,
    zip_with_link,
    zip_with_lying_size,
    zip_with_shared_bytes,
)

FILES = image_folder(n_train=3, n_test=1, size=(8, 8))
CAT = FILES["train/cat/000.png"]
SECONDS, KILOBYTES = 10, 500_000
IMPORTS = """
import json, os, resource, sys, tempfile
from pathlib import Path
import PIL.JpegImagePlugin, PIL.PngImagePlugin, PIL.WebPImagePlugin
from searches.nash.imagefolder import BadArchive, convert

def told(source, folder):  # of a process of its own
    read, write = os.pipe()
    if os.fork() == 0:
        tempfile.tempdir = str(folder / "tmp")
        answer = {}
        try:
            answer["meta"] = convert(Path(source), folder / "data" / "set", name="set")
        except BadArchive as error:
            answer["sentence"] = str(error)
        own, below = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        # Not the time on the clock, which is longer the more others do on this machine.
        answer["seconds"] = own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime
        # Not ru_maxrss of its own: that counts what its parent held when it forked.
        status = Path("/proc/self/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0])
        answer["kilobytes"] = max(peak, below.ru_maxrss)
        os.write(write, json.dumps(answer).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    assert os.wait()[1] == 0, source
    return json.loads(answer)

print(json.dumps({name: told(*map(Path, given)) for name, given in json.load(sys.stdin).items()}))
"""


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, (f"touch '{self.path}'",)


def with_file(name: str, data: bytes) -> Callable[[Path], Path]:
    """A zip of good images and of one more file."""
    return lambda folder: write_zip(folder / "set.zip", FILES | {name: data})


def zip_of_declared_terabytes(folder: Path) -> Path:
    """Each file declares four gigabytes."""
    data = bytearray(write_zip(folder / "set.zip", {f"train/cat/{i}.png": CAT for i in range(300)}).read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 24 : at + 28] = struct.pack("<L", 2**32 - 2)
        at = data.find(b"PK\x01\x02", at + 4)
    (folder / "set.zip").write_bytes(data)
    return folder / "set.zip"


def tar_with(kind: bytes, links_to: str = "") -> Callable[[Path], Path]:
    """A tar with one entry that is no plain file."""

    def make(folder: Path) -> Path:
        path = write_tar(folder / "set.tar", FILES)
        with tarfile.open(path, "a") as archive:
            info = tarfile.TarInfo("train/cat/odd.png")
            info.type, info.linkname, info.size = kind, links_to, 3 * 2**30 if kind == tarfile.XHDTYPE else 0
            archive.addfile(info)
        return path

    return make


def folder_with_link(folder: Path) -> Path:
    write_folder(folder / "set", FILES)
    (folder / "set" / "train" / "bird").symlink_to("/etc")
    return folder / "set"


def tar_bomb(folder: Path) -> Path:
    """A tar.gz of 300 MB of zeros."""
    zeros = {f"train/cat/{i}.png": bytes(50 * 2**20) for i in range(6)}
    path = folder / "set.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, data in zeros.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def largest_image(folder: Path) -> Path:
    """The most pixels that are taken, transparent and turned, and a broken file that ends the import."""
    exif = Image.Exif()
    exif[0x0112] = 6
    flat = encoded(Image.new("RGBA", (5600, 5700), (1, 2, 3, 128)), compress_level=1, exif=exif)
    return write_zip(folder / "set.zip", FILES | {"train/cat/flat.png": flat, "train/dog/x.png": b"broken"})


def classes_without_images(folder: Path) -> Path:
    files = {f"train/empty{i}/": b"" for i in range(1500)}
    return write_zip(folder / "set.zip", FILES | files)


MEGAPIXELS = "has more than 32 million pixels; make it smaller first."
JPEG = encoded(pixels(0, (640, 480)), "JPEG")
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "zip bomb by ratio": (with_file("train/cat/z.png", bytes(200 * 2**20)), "would unpack to 200 MB from 0.2 MB"),
    "zip bomb by size": (zip_of_declared_terabytes, "would unpack to 1,200 GB, more than the 64 GB allowed"),
    "zip bomb of shared bytes": (
        lambda f: zip_with_shared_bytes(f / "set.zip", FILES, "train/cat/000.png", 20), "entries that overlap",
    ),
    "tar.gz bomb": (tar_bomb, "unpacks to more than"),
    "a million entries": (
        lambda f: zip_of_empty_entries(f / "set.zip", 1_000_000, 1_000_000 % 65536), "more than the 300,000 entries",
    ),
    "a million entries, three declared": (
        lambda f: zip_of_empty_entries(f / "set.zip", 1_000_000, 3), "more than the 300,000 entries",
    ),
    "../": (with_file("train/../../evil.png", CAT), "leads out of it: 'train/../../evil.png'"),
    "../ in a tar": (
        lambda f: write_tar(f / "set.tar", FILES | {"../evil.png": CAT}), "leads out of it: '../evil.png'",
    ),
    "absolute path": (with_file("/tmp/evil.png", CAT), "leads out of it: '/tmp/evil.png'"),
    "absolute path of Windows": (with_file("C:\\evil.png", CAT), "leads out of it: 'C:/evil.png'"),
    "symbolic link in a zip": (
        lambda f: zip_with_link(f / "set.zip", FILES, "train/cat/l.png", "/etc/passwd"), "has a link",
    ),
    "symbolic link in a tar": (tar_with(tarfile.SYMTYPE, "/etc/passwd"), "has a link"),
    "hard link in a tar": (tar_with(tarfile.LNKTYPE, "train/cat/000.png"), "has a link"),
    "symbolic link in a folder": (folder_with_link, "has a link ('train/bird')"),
    "device in a tar": (tar_with(tarfile.CHRTYPE), "no plain file"),
    "encrypted": (lambda f: encrypted_zip(f / "set.zip", FILES), "is encrypted"),
    "nested archive": (with_file("train/cat/inner.zip", b"PK"), "holds another archive"),
    "size that lies": (
        lambda f: zip_with_lying_size(f / "set.zip", FILES | {"test/cat/b.png": bytes(10**6)}, "test/cat/b.png", 70),
        "unpacks to more than the 70 bytes that the archive declares",
    ),
    "directory of 700 MB": (
        lambda f: zip_that_is_all_directory(f / "set.zip", 700 * 2**20), "a directory of 700 MB, more than the 64",
    ),
    "a thousand headers for one tar entry": (
        lambda f: tar_of_long_names(f / "set.tar", 1, 1000, 20), "damaged or cut short",
    ),
    "names of megabytes in a tar": (
        lambda f: tar_of_long_names(f / "set.tar", 5, 1, 8 * 2**20), "more than a name can need",
    ),
    "names of 10,000 characters in a tar": (
        lambda f: tar_of_long_names(f / "set.tar", 2, 1, 10_000), "has a name of 10,000 characters ('…xxxx",
    ),
    "headers about all entries to come": (
        lambda f: tar_of_global_headers(f / "set.tar"), "has no PNG, JPEG or WebP image",
    ),
    "tar header that asks for gigabytes": (tar_with(tarfile.XHDTYPE), "damaged or cut short"),
    "PNG header without pixels": (with_file("train/cat/h.png", png_header(5000, 5000)), "broken"),
    "60,000 x 60,000 px PNG": (with_file("train/cat/huge.png", png_header(60_000, 60_000)), MEGAPIXELS),
    "100 megapixels that are there": (
        with_file("train/cat/flat.png", encoded(np.zeros((10_000, 10_000), np.uint8), compress_level=1)), MEGAPIXELS,
    ),
    "the largest image allowed": (largest_image, "'train/dog/x.png' (no PNG, JPEG or WebP image)"),
    "truncated JPEG": (with_file("train/cat/cut.jpg", JPEG[: len(JPEG) // 2]), "'train/cat/cut.jpg'"),
    "a page named .png": (with_file("train/cat/page.png", b"<html><script>1</script>"), "'train/cat/page.png'"),
    "a zip named .png": (with_file("train/cat/zip.png", b"PK\x05\x06" + bytes(18)), "'train/cat/zip.png'"),
    "test folder with other classes": (with_file("test/wolf/1.png", CAT), "that its train folder lacks: 'wolf'"),
    "test folder with a class in another case": (
        with_file("test/Cat/1.png", CAT), "that its train folder lacks: 'Cat'",
    ),
}  # fmt: skip
REPAIRED: dict[str, tuple[Callable[[Path], Path], list[str], str]] = {
    "image that is a zip too": (
        with_file("train/cat/both.png", CAT + b"PK\x05\x06" + bytes(18)), ["cat", "dog"], "",
    ),
    "image that is a page too": (with_file("train/cat/both.png", CAT + b"<script>1</script>"), ["cat", "dog"], ""),
    "classes that differ in case": (with_file("train/Cat/1.png", CAT), ["Cat", "cat", "dog"], "Without test images"),
    "class names that are not ASCII": (with_file("train/ça 猫/1.png", CAT), ["cat", "dog", "ça 猫"], "'ça 猫'"),
    "class names that tell a terminal what to do": (
        with_file("train/\x1b[31mred\r/1.png", CAT), ["\\x1b[31mred\\r", "cat", "dog"], "x1b[31mred",
    ),
    "class name of two compositions": (
        lambda f: write_zip(
            f / "set.zip", FILES | {"train/\u00e9/1.png": CAT, "train/e\u0301/2.png": CAT, "test/e\u0301/1.png": CAT}
        ),
        ["cat", "dog", "\u00e9"], "",
    ),
    "empty class folders": (classes_without_images, ["cat", "dog"], "class folders without images: 'empty0'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Of each input its folder, and what its import said in a process of its own: sentence or meta, time, memory."""
    root = tmp_path_factory.mktemp("hostile")
    mark = root / "unpickled"
    makers = {name: make for name, (make, *_) in (REFUSED | REPAIRED).items()}
    makers["a pickle named .png"] = with_file("train/cat/evil.png", pickle.dumps(Evil(mark)))
    given = {}
    for i, (name, make) in enumerate(makers.items()):
        for part in ("in", "out/data", "out/tmp"):
            (root / str(i) / part).mkdir(parents=True)
        given[name] = (str(make(root / str(i) / "in")), str(root / str(i) / "out"))
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], input=json.dumps(given), capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert not mark.exists()
    return {name: (Path(given[name][1]), answer) for name, answer in json.loads(done.stdout).items()}


def assert_bounded(answer: dict[str, Any]) -> None:
    assert answer["seconds"] < SECONDS
    assert answer["kilobytes"] < KILOBYTES


@pytest.mark.parametrize("name", [*REFUSED, "a pickle named .png"])
def test_a_hostile_input_is_refused_in_one_sentence_in_bounds_and_leaves_nothing(name, answers):
    folder, answer = answers[name]
    words = REFUSED[name][1] if name in REFUSED else "'train/cat/evil.png'"
    assert words in answer["sentence"]
    assert answer["sentence"].endswith(".")
    assert answer["sentence"].isprintable()
    assert_bounded(answer)
    assert sorted(path.name for path in folder.rglob("*")) == ["data", "tmp"]
    assert not list(folder.parent.parent.rglob("evil.png"))


@pytest.mark.parametrize("name", REPAIRED)
def test_what_can_be_repaired_is_imported_in_bounds_and_leaves_the_set_alone(name, answers):
    folder, answer = answers[name]
    _, classes, note = REPAIRED[name]
    assert answer["meta"]["classes"] == classes
    assert note in " ".join(answer["meta"]["notes"])
    assert_bounded(answer)
    copies = ["copies.npy"] if answer["meta"]["twins"]["train"] else []
    assert sorted(path.name for path in folder.rglob("*")) == [
        *copies, "data", "images.npy", "labels.npy", "meta.json", "set", "test_images.npy", "test_labels.npy", "tmp",
    ]  # fmt: skip
    content = b"".join(path.read_bytes() for path in (folder / "data" / "set").iterdir())
    assert b"<script>" not in content
