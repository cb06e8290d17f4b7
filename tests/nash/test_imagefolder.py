"""Image folders as people have them become arrays that hold exactly their pixels."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searches.nash.imagefolder import BadArchive, convert, digits_arrays, stratified_split, write_digits
from searches.nash.imagefolder.layout import natural_order
from tests.archives import encoded, image_folder, pixels, write_folder, write_tar, write_zip


def arrays(target: Path) -> tuple[np.ndarray, ...]:
    """images, labels, test images and test labels of an imported set."""
    return tuple(np.load(target / f"{part}.npy") for part in ("images", "labels", "test_images", "test_labels"))


def imported(tmp_path: Path, files: dict[str, bytes], **options: object) -> tuple[dict, tuple[np.ndarray, ...]]:
    """meta and arrays of the files, imported as a zip."""
    target = tmp_path / "data" / "set"
    meta = convert(write_zip(tmp_path / "set.zip", files), target, name="set", **options)
    return meta, arrays(target)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_every_pixel_and_label_arrives(tmp_path, format):
    meta, (images, labels, test_images, test_labels) = imported(tmp_path, image_folder(format=format))
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    expected = np.stack([pixels(seed).transpose(2, 0, 1) for seed in range(16)])
    np.testing.assert_array_equal(images, expected[:12])
    np.testing.assert_array_equal(test_images, expected[12:])
    assert labels.tolist() == [0] * 6 + [1] * 6
    assert test_labels.tolist() == [0, 0, 1, 1]
    assert meta["classes"] == ["cat", "dog"]
    assert meta["input_shape"] == [3, 16, 16]
    assert (meta["n_train"], meta["n_test"], meta["flips"]) == (12, 4, True)
    assert meta["counts"] == {"train": [6, 6], "test": [2, 2]}
    assert meta["notes"] == []
    assert json.loads((tmp_path / "data" / "set" / "meta.json").read_text()) == meta


def test_a_jpeg_is_decoded_as_pillow_does(tmp_path):
    files = image_folder(format="JPEG")
    _, (images, *_) = imported(tmp_path, files)
    (tmp_path / "first.jpg").write_bytes(files["train/cat/000.jpeg"])
    expected = np.asarray(Image.open(tmp_path / "first.jpg")).transpose(2, 0, 1)
    np.testing.assert_array_equal(images[0], expected)


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


def test_grey_images_get_one_channel(tmp_path):
    meta, (images, _, test_images, _) = imported(tmp_path, image_folder(n_channels=1))
    assert meta["input_shape"] == [1, 16, 16]
    np.testing.assert_array_equal(images[0, 0], pixels(0, n_channels=1))
    np.testing.assert_array_equal(test_images[0, 0], pixels(12, n_channels=1))
    assert meta["notes"] == ["All images are grey: one channel."]


def test_one_coloured_image_makes_the_set_coloured(tmp_path):
    files = image_folder(n_channels=1)
    files["test/dog/001.png"] = encoded(pixels(5))
    meta, (images, *_) = imported(tmp_path, files)
    assert meta["input_shape"] == [3, 16, 16]
    np.testing.assert_array_equal(images[0], np.stack([pixels(0, n_channels=1)] * 3))


def replaced_first(tmp_path: Path, data: bytes) -> tuple[dict, np.ndarray]:
    """meta and first image of a set whose first file is replaced."""
    meta, (images, *_) = imported(tmp_path, image_folder() | {"train/cat/000.png": data})
    return meta, images[0].transpose(1, 2, 0)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_rotation_is_applied(tmp_path, format):
    upright = Image.fromarray(np.repeat(np.repeat(pixels(7, (2, 2)), 8, 0), 8, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to show"
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    meta, image = replaced_first(tmp_path, encoded(lying, format, exif=exif.tobytes(), **options))
    assert np.abs(image.astype(int) - np.asarray(upright)).max() <= 4
    assert meta["notes"] == ["Turned upright by their EXIF orientation: 1 image."]


def test_transparency_is_laid_on_white(tmp_path):
    rgba = np.dstack([pixels(7), np.full((16, 16), 255, np.uint8)])
    rgba[:8, :, 3] = 0
    meta, image = replaced_first(tmp_path, encoded(rgba))
    assert (image[:8] == 255).all()
    np.testing.assert_array_equal(image[8:], pixels(7)[8:])
    assert meta["notes"] == ["Laid on white because of transparency: 1 image."]


def test_an_opaque_alpha_channel_changes_nothing(tmp_path):
    meta, image = replaced_first(tmp_path, encoded(np.dstack([pixels(7), np.full((16, 16), 255, np.uint8)])))
    np.testing.assert_array_equal(image, pixels(7))
    assert meta["notes"] == []


def test_palette_images_get_their_colours(tmp_path):
    palette = Image.fromarray(pixels(7) // 128 * 255).quantize(8)
    _, image = replaced_first(tmp_path, encoded(palette))
    np.testing.assert_array_equal(image, np.asarray(palette.convert("RGB")))


def test_a_transparent_palette_colour_becomes_white(tmp_path):
    palette = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16) // 64)
    palette.putpalette([0, 0, 0, 9, 9, 9, 99, 99, 99, 200, 0, 0])
    _, image = replaced_first(tmp_path, encoded(palette, transparency=3))
    assert (image[12:] == 255).all()
    assert (image[:4] == 0).all()


def test_sixteen_bit_grey_is_scaled_to_eight(tmp_path):
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    meta, image = replaced_first(tmp_path, encoded(deep))
    np.testing.assert_array_equal(image[..., 0], np.arange(256).reshape(16, 16))
    assert meta["notes"] == ["Scaled from 16 to 8 bit: 1 image."]


def test_cmyk_jpegs_are_converted(tmp_path):
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    _, image = replaced_first(tmp_path, encoded(cmyk, "JPEG", quality=95))
    assert np.abs(image.astype(int) - (255, 0, 0)).max() <= 8


def test_mixed_sizes_become_one_square_and_that_is_said(tmp_path):
    files = image_folder(size=(20, 20))
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255  # the centre is white
    files["train/cat/000.png"] = encoded(wide)
    files["train/cat/001.png"] = encoded(pixels(3, (40, 50)))
    meta, (images, *_) = imported(tmp_path, files)
    assert images.shape == (12, 3, 20, 20)
    assert images[0][:, :, 2:-2].min() > 200
    assert meta["notes"] == [
        "Brought to 20 x 20 px, the shorter side scaled and the centre cut out: 2 images of 30 x 10 to 40 x 50 px."
    ]


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_images_above_64_pixels_are_made_smaller(tmp_path, format):
    files = image_folder(size=(300, 260), format=format)
    for name in files:
        files[name] = encoded(np.full((260, 300, 3), (10, 200, 90), np.uint8), format)
    meta, (images, *_) = imported(tmp_path, files)
    assert images.shape[1:] == (3, 64, 64)
    assert np.abs(images[0].astype(int) - np.array((10, 200, 90))[:, None, None]).max() <= 3
    assert meta["notes"][0].startswith("Brought to 64 x 64 px")
    assert meta["notes"][0].endswith("16 images of 300 x 260 px.")


def test_a_wanted_size_is_taken(tmp_path):
    meta, _ = imported(tmp_path, image_folder(), size=8)
    assert meta["input_shape"] == [3, 8, 8]


@pytest.mark.parametrize("size", [0, 7, 65])
def test_a_size_out_of_range_is_refused(tmp_path, size):
    with pytest.raises(ValueError, match=f"size={size}: must be 8 to 64"):
        imported(tmp_path, image_folder(), size=size)


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


@pytest.mark.parametrize("fraction", [0.0, 0.2, 1 / 6, 0.9])
def test_a_split_is_stratified_seeded_and_exact(fraction):
    labels = np.repeat([0, 1, 2], [50, 30, 7])
    rest, taken = stratified_split(labels, fraction, seed=3)
    assert len(taken) == round(fraction * 87)
    assert sorted([*rest, *taken]) == list(range(87))
    shares = np.bincount(labels[taken], minlength=3)
    assert (np.abs(shares - fraction * np.array([50, 30, 7])) < 1).all()
    np.testing.assert_array_equal(taken, stratified_split(labels, fraction, seed=3)[1])
    if fraction > 0:
        assert taken.tolist() != stratified_split(labels, fraction, seed=4)[1].tolist()


def test_a_split_leaves_every_class_an_image_and_takes_one_of_each():
    rest, taken = stratified_split([0] * 90 + [1] * 2 + [2], 0.1, seed=0)
    labels = np.array([0] * 90 + [1] * 2 + [2])
    assert np.bincount(labels[rest], minlength=3).tolist() == [82, 1, 1]
    assert np.bincount(labels[taken], minlength=3).tolist() == [8, 1, 0]


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
