"""A bad archive gets one clear sentence, quickly, and leaves nothing on the disk."""

import gzip
import os
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from searches.nash.imagefolder import BadArchive, convert, source
from tests.archives import (
    encoded,
    encrypted_zip,
    image_folder,
    pixels,
    png_header,
    refusal,
    write_folder,
    write_tar,
    write_zip,
    zip_with_link,
    zip_with_lying_size,
    zip_with_shared_bytes,
)

FILES = image_folder(n_train=3, n_test=1, size=(8, 8))


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


def test_a_tar_that_ends_with_a_zip_is_no_zip(tmp_path):
    inner = write_zip(tmp_path / "inner", FILES).read_bytes()
    path = write_tar(tmp_path / "set.tar", FILES | {"train/cat/inner.zip": inner})
    assert "holds another archive ('train/cat/inner.zip')" in refusal(path)


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
    packed = write_tar(tmp_path / "set.tar.gz", FILES, "w:gz")
    assert refusal(packed) == "The disk is too full to unpack set.tar.gz; make room or give it as a zip."


def test_hostile_names_never_reach_the_file_system(tmp_path):
    listing = source.Listing("x")
    with pytest.raises(BadArchive):
        listing.add_file("a/\0b.png", source.Entry("a/\0b.png", 0, 0, 0))


def test_an_entry_limit_holds_for_folders_and_tars(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_ENTRIES", 5)
    assert "more than 5 entries" in refusal(write_folder(tmp_path / "set", FILES))
    assert "more than 5 entries" in refusal(write_tar(tmp_path / "set.tar", FILES))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_whatever_bytes_are_damaged_the_answer_is_a_set_or_a_sentence(tmp_path, name):
    write = {"a.zip": write_zip, "a.tar": write_tar, "a.tar.gz": lambda *given: write_tar(*given, "w:gz")}[name]
    whole = write(tmp_path / name, FILES).read_bytes()
    rng = random.Random(0)
    sentences: list[str] = []
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 3, 30])):
            near_the_end = rng.randrange(min(1500, len(damaged)))  # a zip's directory
            at = rng.choice([rng.randrange(len(damaged)), len(damaged) - 1 - near_the_end])
            damaged[at] = rng.randrange(256)
        (tmp_path / name).write_bytes(damaged)
        target = tmp_path / "data" / "set"
        try:
            convert(tmp_path / name, target, name="set")
            shutil.rmtree(target)
        except BadArchive as error:
            sentences.append(str(error))
        assert list((tmp_path / "data").iterdir()) == []
    assert sentences
    assert all(sentence.isprintable() for sentence in sentences)


def test_an_image_that_is_a_zip_too_is_read_as_the_image_that_it_is(tmp_path):
    inner = write_zip(tmp_path / "inner.zip", {"evil.png": b"evil"}).read_bytes()
    both = FILES["train/cat/000.png"] + inner
    meta = convert(write_zip(tmp_path / "set.zip", FILES | {"train/cat/000.png": both}), tmp_path / "set", name="set")
    assert meta["counts"]["train"] == [3, 3]
    assert not list(tmp_path.rglob("evil*"))


def test_a_script_behind_an_image_never_reaches_the_arrays(tmp_path):
    page = FILES["train/cat/000.png"] + b"<script>alert(1)</script>"
    convert(write_zip(tmp_path / "set.zip", FILES | {"train/cat/000.png": page}), tmp_path / "set", name="set")
    assert all(b"<script>" not in file.read_bytes() for file in (tmp_path / "set").iterdir())


def test_an_empty_class_folder_is_left_out_and_named(tmp_path):
    files = write_folder(tmp_path / "set", FILES)
    (files / "train" / "bird").mkdir()
    meta = convert(files, tmp_path / "arrays", name="set")
    assert meta["classes"] == ["cat", "dog"]
    assert any("bird" in note for note in meta["notes"])
