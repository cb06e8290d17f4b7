"""Images of every mode, rotation and size become squares of one kind."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.archives import (
    encoded,
    image_folder,
    imported,
    pixels,
)


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
