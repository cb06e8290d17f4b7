"""Image folders as people have them become arrays that hold exactly their pixels."""

import zipfile

import numpy as np
import pytest

from searches.nash.imagefolder import BadArchive, convert, digits_arrays, write_digits
from tests.archives import (
    arrays,
    image_folder,
    imported,
    pixels,
    write_folder,
    write_tar,
    write_zip,
)


@pytest.mark.parametrize("kind", ["folder", "stored zip", "tar", "tar.gz"])
def test_folder_zip_tar_and_tar_gz_give_the_same_arrays(tmp_path, kind):
    files = image_folder()
    deflated = convert(write_zip(tmp_path / "a.zip", files), tmp_path / "a", name="a")
    source = {
        "folder": lambda: write_folder(tmp_path / "b", files),
        "stored zip": lambda: write_zip(tmp_path / "b.zip", files, zipfile.ZIP_STORED),
        "tar": lambda: write_tar(tmp_path / "b.tar", files),
        "tar.gz": lambda: write_tar(tmp_path / "b.tar.gz", files, "w:gz"),
    }[kind]()
    other = convert(source, tmp_path / "data", name="a")
    assert other["digest"] == deflated["digest"]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "images.npy", "labels.npy", "meta.json", "test_images.npy", "test_labels.npy",
    ]  # fmt: skip


def test_processes_decode_what_one_process_does(tmp_path):
    files = image_folder(n_train=150, n_test=140, size=(8, 8))
    files["train/cat/000.png"] = b"no image"
    source = write_zip(tmp_path / "set.zip", files)
    here = convert(source, tmp_path / "here", name="a", n_processes=0)
    there = convert(source, tmp_path / "there", name="a", n_processes=2)
    assert here == there
    assert here["broken"] == {"n": 1, "names": ["train/cat/000.png"]}


def test_progress_rises_to_the_number_of_images(tmp_path):
    seen = []
    imported(tmp_path, image_folder(n_train=80), report=lambda done, total: seen.append((done, total)))
    assert seen == [(128, 164), (160, 164), (164, 164)]


def test_what_the_report_raises_ends_the_import_and_leaves_nothing(tmp_path):
    def report(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imported(tmp_path, image_folder(n_train=80), report=report, n_processes=1)
    assert list((tmp_path / "data").iterdir()) == []


def test_mean_and_std_are_those_of_the_training_images(tmp_path):
    meta, (images, *_) = imported(tmp_path, image_folder())
    np.testing.assert_allclose(meta["mean"], (images / 255.0).mean((0, 2, 3)), atol=1e-12)
    np.testing.assert_allclose(meta["std"], (images / 255.0).std((0, 2, 3)), atol=1e-12)


def test_one_broken_file_in_a_hundred_is_skipped_and_named(tmp_path):
    files = image_folder(n_train=90, n_test=10, size=(8, 8))
    files["train/dog/010.png"] = files["train/dog/010.png"][:60]
    files["test/cat/000.png"] = b"\x80\x04\x95pickle"
    meta, (images, labels, _, test_labels) = imported(tmp_path, files)
    assert (len(images), np.bincount(labels).tolist()) == (179, [90, 89])
    assert np.bincount(test_labels).tolist() == [9, 10]
    np.testing.assert_array_equal(images[-1], pixels(179, (8, 8)).transpose(2, 0, 1))
    assert meta["broken"] == {"n": 2, "names": ["train/dog/010.png", "test/cat/000.png"]}
    assert meta["notes"] == ["Skipped as broken: 2 images such as 'train/dog/010.png'."]


def test_the_digits_have_the_form_of_an_imported_set(tmp_path):
    meta = write_digits(tmp_path / "digits")
    images, _, test_images, test_labels = arrays(tmp_path / "digits")
    digits = digits_arrays()
    np.testing.assert_array_equal(images, digits.images)
    np.testing.assert_array_equal(test_labels, digits.test_labels)
    assert (len(images), len(test_images), images.max(), images.shape[1:]) == (1497, 300, 255, (1, 8, 8))
    assert np.ptp(np.bincount(test_labels)) <= 2
    assert (meta["flips"], meta["classes"]) == (False, list("0123456789"))
    assert meta["digest"] == write_digits(tmp_path / "again")["digest"]


def test_an_existing_set_is_not_overwritten(tmp_path):
    imported(tmp_path, image_folder())
    with pytest.raises(BadArchive, match="set exists already"):
        imported(tmp_path, image_folder())
    assert (tmp_path / "data" / "set" / "meta.json").exists()


def test_what_a_killed_import_left_is_cleared_by_the_next(tmp_path):
    leftover = tmp_path / "data" / ".set.part"
    leftover.mkdir(parents=True)
    (leftover / "lock").touch()
    (leftover / "images.npy").write_bytes(b"half")
    imported(tmp_path, image_folder())
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["set"]
