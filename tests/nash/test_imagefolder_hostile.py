"""A bad archive gets one clear sentence, quickly, and leaves nothing on the disk."""

import gzip
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searches.nash.imagefolder import BadArchive, convert, pool, source
from tests.archives import (
    encoded,
    encrypted_zip,
    image_folder,
    pixels,
    png_header,
    write_folder,
    write_tar,
    write_zip,
    zip_of_empty_entries,
    zip_with_link,
    zip_with_lying_size,
    zip_with_shared_bytes,
)

FILES = image_folder(n_train=3, n_test=1, size=(8, 8))


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


def zipped(tmp_path: Path, files: dict[str, bytes]) -> str:
    return refusal(write_zip(tmp_path / "set.zip", files))


@pytest.mark.parametrize(
    "name", ["../evil.png", "train/../../evil.png", "/etc/evil.png", "C:/evil.png", "a\\..\\x.png"]
)
def test_a_path_that_leads_out_of_a_zip_is_refused(tmp_path, name):
    sentence = zipped(tmp_path, FILES | {name: FILES["train/cat/000.png"]})
    assert "leads out of it" in sentence
    assert not list(tmp_path.rglob("evil*"))


def test_a_path_that_leads_out_of_a_tar_is_refused(tmp_path):
    path = write_tar(tmp_path / "set.tar.gz", FILES | {"train/../../x.png": b""}, "w:gz")
    assert refusal(path) == "set.tar.gz has an entry that leads out of it: 'train/../../x.png'."


def test_a_link_in_a_zip_is_refused(tmp_path):
    path = zip_with_link(tmp_path / "set.zip", FILES, "train/cat/link.png", "/etc/passwd")
    assert "has a link ('train/cat/link.png')" in refusal(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_a_tar_is_refused(tmp_path, kind):
    path = write_tar(tmp_path / "set.tar", FILES)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("train/cat/link.png")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    assert "has a link ('train/cat/link.png')" in refusal(path)


def test_a_device_in_a_tar_is_refused(tmp_path):
    path = write_tar(tmp_path / "set.tar", FILES)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("train/cat/zero.png")
        info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 5
        archive.addfile(info)
    assert "no plain file: 'train/cat/zero.png'" in refusal(path)


def test_links_and_pipes_in_a_folder_are_refused(tmp_path):
    folder = write_folder(tmp_path / "set", FILES)
    (folder / "train" / "bird").symlink_to("/etc")
    assert "has a link ('train/bird')" in refusal(folder)
    (folder / "train" / "bird").unlink()
    os.mkfifo(folder / "train" / "cat" / "pipe.png")
    assert "neither file nor folder: 'train/cat/pipe.png'" in refusal(folder)


def test_an_encrypted_zip_is_refused(tmp_path):
    assert "is encrypted" in refusal(encrypted_zip(tmp_path / "set.zip", FILES))


def test_an_archive_inside_the_archive_is_refused(tmp_path):
    assert "holds another archive ('train/cat/inner.ZIP')" in zipped(tmp_path, FILES | {"train/cat/inner.ZIP": b"PK"})


def test_a_zip_that_would_unpack_to_a_thousand_times_its_size_is_refused(tmp_path):
    sentence = zipped(tmp_path, FILES | {"train/cat/zeros.png": bytes(200 * 2**20)})
    assert "would unpack to 200 MB from 0.2 MB" in sentence


def test_a_file_that_unpacks_to_more_than_it_declares_is_refused(tmp_path):
    files = FILES | {"train/cat/bomb.png": bytes(10**6)}
    path = zip_with_lying_size(tmp_path / "set.zip", files, "train/cat/bomb.png", 70)
    assert refusal(path) == ("'train/cat/bomb.png' unpacks to more than the 70 bytes that the archive declares.")


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    path = zip_with_shared_bytes(tmp_path / "set.zip", FILES, "train/cat/000.png", n_twins=20)
    assert "entries that overlap" in refusal(path)


def test_a_tar_gz_that_unpacks_without_end_is_stopped(tmp_path):
    path = tmp_path / "set.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(bytes(2**20))
    assert "unpacks to more than" in refusal(path)


@pytest.mark.parametrize("declared", [1_000_000 % 65536, 3])
def test_a_million_entries_are_refused_in_little_memory(tmp_path, declared):
    path = zip_of_empty_entries(tmp_path / "set.zip", 1_000_000, declared)
    assert refused_in_a_process_of_its_own(path) == (
        "set.zip has more than the 300,000 entries allowed.",
        True,
    )


def test_a_hundred_megapixel_png_is_refused_in_little_memory(tmp_path):
    flat = encoded(np.zeros((10_000, 10_000), np.uint8), compress_level=1)
    path = write_zip(tmp_path / "set.zip", FILES | {"train/cat/flat.png": flat})
    assert refused_in_a_process_of_its_own(path) == (
        "'train/cat/flat.png' has more than 32 million pixels; make it smaller first.",
        True,
    )


def test_the_largest_image_allowed_is_decoded_in_little_memory(tmp_path):
    flat = Image.new("RGBA", (5600, 5700), (1, 2, 3, 128))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = FILES | {"train/cat/flat.png": encoded(flat, compress_level=1, exif=exif), "train/dog/x.png": b"broken"}
    path = write_zip(tmp_path / "set.zip", files)
    sentence, is_small = refused_in_a_process_of_its_own(path)
    assert "1 of 8 images read are broken, such as 'train/dog/x.png'" in sentence
    assert is_small


def refused_in_a_process_of_its_own(path: Path) -> tuple[str, bool]:
    """The sentence, and whether the process stayed below 500 MB."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom searches.nash.imagefolder import convert, BadArchive\n"
        "try: convert(Path(sys.argv[1]), Path(sys.argv[2]), name='set')\n"
        "except BadArchive as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    data = path.parent / "data"
    answer = subprocess.run(
        [sys.executable, "-c", code, path, data / "set"], capture_output=True, text=True, check=True, timeout=30
    )
    assert list(data.iterdir()) == []
    sentence, n_kilobytes = answer.stdout.splitlines()
    return sentence, int(n_kilobytes) < 500_000


def test_an_image_that_declares_too_many_pixels_is_refused(tmp_path):
    sentence = zipped(tmp_path, FILES | {"train/cat/huge.png": png_header(60_000, 60_000)})
    assert sentence == "'train/cat/huge.png' has more than 32 million pixels; make it smaller first."


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04\x95pickle", b"GIF89a", png_header(16, 16), encoded(pixels(0))[:100]]
)
def test_more_than_one_broken_file_in_a_hundred_is_refused(tmp_path, data):
    files = image_folder(n_train=80, n_test=10, size=(8, 8))
    files |= {"train/cat/000.png": data, "train/dog/001.png": data}
    sentence = zipped(tmp_path, files)
    assert "2 of 128 images read are broken, such as 'train/cat/000.png'" in sentence


def test_all_files_broken_are_refused(tmp_path):
    assert "broken, such as" in zipped(tmp_path, dict.fromkeys(FILES, b"nothing"))


def test_a_damaged_byte_in_a_zip_counts_as_a_broken_file(tmp_path):
    path = write_zip(tmp_path / "set.zip", FILES, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.find(FILES["train/dog/001.png"]) + 60] ^= 1
    path.write_bytes(data)
    assert "'train/dog/001.png' (checksum does not match)" in refusal(path)


def test_images_below_eight_pixels_are_refused(tmp_path):
    assert "has images of 7 px" in zipped(tmp_path, image_folder(size=(7, 9)))
    mixed = image_folder() | {"train/cat/000.png": encoded(pixels(0, (3, 3)))}
    assert "(3 x 3 px, smaller than 8 px)" in zipped(tmp_path, mixed)


def test_an_archive_without_images_is_refused(tmp_path):
    assert zipped(tmp_path, {}) == "set.zip has no PNG, JPEG or WebP image."
    sentence = zipped(tmp_path, {"train/cat/1.gif": b"", "train/dog/2.gif": b""})
    assert sentence == "set.zip has no PNG, JPEG or WebP image; it has 2 other files such as 'train/cat/1.gif'."


@pytest.mark.parametrize("prefix", ["train/", "wrapped/", "a/b/", ""])
def test_a_single_class_is_refused_by_its_name(tmp_path, prefix):
    files = {f"{prefix}cat/{i}.png": encoded(pixels(i)) for i in range(4)}
    assert "only the class 'cat'" in zipped(tmp_path, files)


def test_more_than_a_thousand_classes_are_refused(tmp_path):
    image = encoded(pixels(0, (8, 8)))
    assert "has 1,001 classes" in zipped(tmp_path, {f"train/{i}/a.png": image for i in range(1001)})


def test_images_without_class_folders_are_refused(tmp_path):
    for folder in ("", "train/"):
        files = {f"{folder}{i}.png": encoded(pixels(i)) for i in range(4)}
        assert "has no class folders" in zipped(tmp_path, files)
    flat = {f"{part}/{i}.png": encoded(pixels(i)) for part in ("train", "test") for i in range(4)}
    assert "has no class folders" in zipped(tmp_path, flat)


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_part_with_other_classes_than_train_is_refused_with_their_names(tmp_path, part):
    files = image_folder() | {f"{part}/{name}/1.png": encoded(pixels(1)) for name in ("Cat", "wolf", "fox")}
    assert f"classes in its {part} folder that its train folder lacks: 'Cat', 'fox', 'wolf'" in zipped(
        tmp_path, files
    )


def test_a_test_folder_without_a_train_folder_is_refused(tmp_path):
    files = {f"{part}/{name}/1.png": encoded(pixels(1)) for name in "ab" for part in ("test", "val")}
    assert "no train folder" in zipped(tmp_path, files)


def test_two_train_folders_are_refused(tmp_path):
    assert "two train folders, 'a/train' and 'b/train'" in zipped(
        tmp_path, image_folder(prefix="a/") | image_folder(prefix="b/")
    )


def test_a_class_without_a_readable_image_is_refused(tmp_path):
    files = image_folder(classes=("cat", "dog"), n_train=150, n_test=2, size=(8, 8)) | {"train/bird/1.png": b"broken"}
    assert zipped(tmp_path, files) == "set.zip has no readable training image of class 'bird'."


def test_too_few_images_for_a_test_part_are_refused(tmp_path):
    assert "too few images" in zipped(tmp_path, image_folder(n_train=1, n_test=0))


@pytest.mark.parametrize("write", [write_zip, write_tar, lambda path, files: write_tar(path, files, "w:gz")])
def test_a_file_that_is_cut_short_is_refused(tmp_path, write: Callable[[Path, dict[str, bytes]], Path]):
    path = write(tmp_path / "set.archive", FILES)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + 100])
    assert "cut short" in refusal(path)


def test_a_file_of_another_kind_and_one_that_is_not_there_are_refused(tmp_path):
    (tmp_path / "set.txt").write_text("hello")
    assert "neither a zip, a tar, a tar.gz nor a folder" in refusal(tmp_path / "set.txt")
    assert refusal(tmp_path / "missing.zip").startswith("There is no file or folder '")
    (tmp_path / "gz").write_bytes(gzip.compress(b"hello"))
    assert "damaged or cut short" in refusal(tmp_path / "gz")


def test_a_tar_header_that_asks_for_gigabytes_is_refused(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 3 * 2**30
    (tmp_path / "set.tar").write_bytes(info.tobuf() + bytes(4096))
    assert "cut short" in refusal(tmp_path / "set.tar")


def test_an_unusual_zip_method_is_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", FILES, zipfile.ZIP_LZMA)
    assert "packed by method 14" in refusal(path)


def test_names_in_messages_are_printable_and_short(tmp_path):
    sentence = zipped(tmp_path, FILES | {"../\x1b[31m" + "x" * 500 + ".png": b""})
    assert sentence.isprintable()
    assert len(sentence) < 150


def test_a_full_disk_is_said_before_anything_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    assert "choose a smaller size" in zipped(tmp_path, FILES)


def test_a_decoder_that_breaks_down_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(pool.sys, "executable", "/bin/true")
    path = write_zip(tmp_path / "set.zip", FILES)
    assert "makes the decoder break down" in refusal(path, n_processes=1)


def test_an_import_under_way_keeps_a_second_one_out(tmp_path):
    path = write_zip(tmp_path / "set.zip", FILES)
    refused = []

    def report(done: int, total: int) -> None:
        with pytest.raises(BadArchive, match="set is being imported by another process") as caught:
            convert(path, tmp_path / "data" / "set", name="set")
        refused.append(caught)

    convert(path, tmp_path / "data" / "set", name="set", report=report)
    assert refused
    assert (tmp_path / "data" / "set" / "meta.json").exists()


def test_hostile_names_never_reach_the_file_system(tmp_path):
    listing = source.Listing("x")
    with pytest.raises(BadArchive):
        listing.add_file("a/\0b.png", source.Entry("a/\0b.png", 0, 0, 0))


def test_an_entry_limit_holds_for_folders_and_tars(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_ENTRIES", 5)
    assert "more than 5 entries" in refusal(write_folder(tmp_path / "set", FILES))
    assert "more than 5 entries" in refusal(write_tar(tmp_path / "set.tar", FILES))
