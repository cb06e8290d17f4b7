"""Training and test images and their classes are found where people put them, or their absence is said."""

from pathlib import Path

import numpy as np
import pytest

from searches.nash.imagefolder import convert
from searches.nash.imagefolder.layout import natural_order
from tests.archives import (
    encoded,
    image_folder,
    imported,
    pixels,
    refusal,
    write_zip,
)


def zipped(tmp_path: Path, files: dict[str, bytes]) -> str:
    return refusal(write_zip(tmp_path / "set.zip", files))


@pytest.mark.parametrize("prefix", ["cifar/", "a/b/c/", "./"])
def test_wrapping_folders_and_what_systems_leave_are_passed_over(tmp_path, prefix):
    files = image_folder(prefix=prefix)
    plain = convert(write_zip(tmp_path / "p.zip", image_folder()), tmp_path / "p", name="set")
    files |= {
        "__MACOSX/cifar/train/cat/._000.png": b"resource fork",
        f"{prefix}.DS_Store": b"x",
        f"{prefix}train/cat/Thumbs.db": b"x",
        f"{prefix}train/.ipynb_checkpoints/000.png": b"x",
    }
    meta, _ = imported(tmp_path, files)
    assert meta["digest"] == plain["digest"]
    assert meta["notes"] == []


def test_class_folders_alone_give_one_sixth_to_the_test_part(tmp_path):
    files = {f"pets/{name}/{i}.png": encoded(pixels(i)) for name in ("cat", "dog") for i in range(12)}
    meta, (_, labels, _, test_labels) = imported(tmp_path, files)
    assert np.bincount(labels).tolist() == [10, 10]
    assert np.bincount(test_labels).tolist() == [2, 2]
    assert meta["notes"] == ["No test folder: one sixth of each class, 4 images, is the test part."]


def test_without_a_test_folder_its_share_can_be_chosen(tmp_path):
    files = {f"{name}/{i}.png": encoded(pixels(i)) for name in ("cat", "dog") for i in range(12)}
    meta, (_, labels, _, test_labels) = imported(tmp_path, files, test_per_cent=25)
    assert (np.bincount(labels).tolist(), np.bincount(test_labels).tolist()) == ([9, 9], [3, 3])
    assert meta["notes"] == ["No test folder: 25 % of each class, 6 images, is the test part."]
    for share in (0, 0.5, 91, -3):
        with pytest.raises(ValueError, match=rf"test_per_cent={share}: must be 1 to 90"):
            convert(tmp_path / "set.zip", tmp_path / "other", name="other", test_per_cent=share)


def test_a_test_folder_is_the_test_part_whatever_share_was_asked_for(tmp_path):
    meta, _ = imported(tmp_path, image_folder(), test_per_cent=25)
    assert meta["counts"]["test"] == [2, 2]
    assert meta["notes"] == ["The test folder is the test part; the share of 25 % was not needed."]


@pytest.mark.parametrize("folder", ["val", "valid", "Validation"])
def test_a_validation_folder_becomes_training_data_and_that_is_said(tmp_path, folder):
    files = image_folder()
    files[f"{folder}/dog/x.png"] = encoded(pixels(99))
    meta, (images, labels, *_) = imported(tmp_path, files)
    assert labels.tolist() == [0] * 6 + [1] * 7
    assert (images[labels == 1] == pixels(99).transpose(2, 0, 1)).all((1, 2, 3)).sum() == 1
    assert meta["notes"] == ["Taken as more training data: the validation folder, 1 image."]


def test_a_class_named_train_is_a_class(tmp_path):
    meta, _ = imported(tmp_path, image_folder(classes=("bus", "train", "test")))
    assert meta["classes"] == ["bus", "test", "train"]


def test_images_outside_class_folders_are_left_out_and_counted(tmp_path):
    files = image_folder()
    files |= {
        "cover.png": encoded(pixels(1)),
        "train/stray.png": encoded(pixels(2)),
        "extra/cat/1.png": encoded(pixels(3)),
        "README.txt": b"hello",
        "train/bird/": b"",
    }
    meta, (images, *_) = imported(tmp_path, files)
    assert len(images) == 12
    assert meta["notes"] == [
        "Left out, no PNG, JPEG or WebP image: 1 file such as 'README.txt'.",
        "Left out, beside the train folder: 'extra', 1 image.",
        "Left out, directly in 'train' without a class folder: 1 image.",
        "Left out, in no class folder: 1 image.",
        "Left out, class folders without images: 'bird'.",
    ]


def test_an_unlabelled_test_folder_is_left_out_and_the_test_part_taken_from_the_rest(tmp_path):
    files = image_folder(n_train=12, n_test=0) | {"test/1.png": encoded(pixels(1))}
    meta, (_, _, _, test_labels) = imported(tmp_path, files)
    assert len(test_labels) == 4
    assert "directly in 'test'" in meta["notes"][0]


def test_classes_stand_in_natural_order(tmp_path):
    meta, _ = imported(
        tmp_path, image_folder(classes=("10", "9", "Zebra", "ape", "img2", "img10"), n_train=1, n_test=1)
    )
    assert meta["classes"] == ["9", "10", "ape", "img2", "img10", "Zebra"]
    assert sorted(["a1", "a01", "A1"], key=natural_order) == ["A1", "a01", "a1"]


def test_classes_that_differ_only_in_case_stay_apart(tmp_path):
    meta, (images, *_) = imported(tmp_path, image_folder(classes=("Cat", "cat")))
    assert meta["classes"] == ["Cat", "cat"]
    assert len(images) == 12


def test_class_names_in_any_script_are_kept_and_composed(tmp_path):
    files = image_folder(classes=("été", "猫"), n_test=0)
    files |= {f"test/e\u0301te\u0301/{i}.png": encoded(pixels(i)) for i in range(2)}  # as macOS writes it
    meta, (_, _, _, test_labels) = imported(tmp_path, files)
    assert meta["classes"] == ["été", "猫"]
    assert test_labels.tolist() == [0, 0]
    assert meta["notes"] == ["Without test images: '猫'."]


def test_utf8_names_that_a_zip_does_not_declare_are_read(tmp_path):
    source = write_zip(tmp_path / "set.zip", image_folder(classes=("xxxx", "dog")))
    source.write_bytes(source.read_bytes().replace(b"xxxx", "Möw".encode()))
    assert convert(source, tmp_path / "set", name="set")["classes"] == ["dog", "Möw"]


def test_backslashes_in_a_zip_separate_folders(tmp_path):
    source = write_zip(tmp_path / "set.zip", image_folder())
    source.write_bytes(source.read_bytes().replace(b"train/", b"train\\"))
    assert convert(source, tmp_path / "set", name="set")["n_train"] == 12


def test_an_archive_without_images_is_refused(tmp_path):
    assert zipped(tmp_path, {}) == "set.zip has no PNG, JPEG or WebP image."
    sentence = zipped(tmp_path, {"train/cat/1.gif": b"", "train/dog/2.gif": b""})
    assert sentence == "set.zip has no PNG, JPEG or WebP image; it has 2 other files such as 'train/cat/1.gif'."


@pytest.mark.parametrize("prefix", ["train/", "wrapped/", "a/b/", ""])
def test_a_single_class_is_imported_with_a_warning(tmp_path, prefix):
    files = {f"{prefix}cat/{i}.png": encoded(pixels(i)) for i in range(6)}
    meta, (_, labels, _, test_labels) = imported(tmp_path, files)
    assert (meta["classes"], labels.tolist(), test_labels.tolist()) == (["cat"], [0] * 5, [0])
    assert "Only one class, 'cat': any network answers it, so every accuracy will be 100 %." in meta["notes"]


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
