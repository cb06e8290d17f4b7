"""Image sets: where they come from, how they are split and normalised."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from searches.nash import data
from searches.nash.data import DamagedDataset, UnknownDataset, load_dataset, normalisation, read_imageset
from searches.nash.imagefolder import BadArchive, write_digits

from .images import few_digits, random_images


@pytest.fixture
def digits():
    return load_dataset("digits")


@pytest.fixture
def imported(tmp_path):
    """A data folder into which digits were imported under another name."""
    write_digits(tmp_path / "datasets" / "numbers")
    return tmp_path


def write_folder(folder, n=6):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for label in ("cat", "dog"):
            (folder / part / label).mkdir(parents=True)
            for k in range(n):
                pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / label / f"{k}.png")
    return folder


def test_digits_are_grey_8_by_8_and_use_the_whole_range(digits):
    assert digits.input_shape == (1, 8, 8)
    assert (len(digits.images), len(digits.test_images)) == (1497, 300)
    assert digits.images.dtype == torch.uint8
    assert (int(digits.images.min()), int(digits.images.max())) == (0, 255)
    assert digits.classes == tuple("0123456789")


def test_digits_may_not_be_flipped(digits):
    assert digits.flips is False


def test_a_sixth_of_every_digit_is_in_the_test_part(digits):
    everything = torch.bincount(digits.labels) + torch.bincount(digits.test_labels)
    shares = torch.bincount(digits.test_labels) / everything
    assert (shares - 1 / 6).abs().max() < 0.01


def test_a_fifth_is_held_back_by_default_and_nothing_is_in_both_parts(digits):
    split = digits.split(seed=3)
    assert len(split.validation) == 1497 // 5
    both = torch.cat((split.train, split.validation))
    assert torch.equal(both.sort().values, torch.arange(1497))


def test_a_split_holds_every_class_in_proportion(digits):
    split = digits.split(seed=3, n_validation=300)
    assert len(split.validation) == 300
    held_back = torch.bincount(digits.labels[split.validation])
    wanted = torch.bincount(digits.labels) * 300 / 1497
    assert (held_back - wanted).abs().max() <= 1


def test_the_seed_decides_the_split(digits):
    assert torch.equal(digits.split(1).train, digits.split(1).train)
    assert not torch.equal(digits.split(1).train, digits.split(2).train)


@pytest.mark.parametrize("n", [0, 1497, 5000])
def test_a_split_that_leaves_nothing_to_train_on_is_refused(digits, n):
    with pytest.raises(ValueError, match=rf"n_validation={n}: digits has 1497 training images; give 1 to 1496"):
        digits.split(0, n)


@pytest.mark.parametrize("channels", [1, 3])
def test_normalisation_is_mean_and_deviation_of_the_chosen_images_alone(channels):
    images = random_images(50, channels)
    chosen = torch.arange(0, 50, 3)
    mean, std = normalisation(images, chosen)
    pixels = images[chosen].double().numpy() / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std, pixels.std((0, 2, 3)), rtol=1e-6)
    others = images.clone()
    others[1::3] = 0
    assert torch.equal(normalisation(others, chosen)[0], mean)


def test_normalisation_sums_over_parts_of_any_size(monkeypatch):
    images = random_images(50)
    whole = normalisation(images)
    monkeypatch.setattr(data, "CHUNK_IMAGES", 7)
    assert all(map(torch.equal, normalisation(images), whole))


def test_a_constant_channel_can_be_divided_by():
    images = random_images(20)
    images[:, 1] = 40
    mean, std = normalisation(images)
    assert std[1] == 1
    assert mean[1] == pytest.approx(40 / 255)


def test_an_imported_set_is_read_as_it_was_written(imported, digits):
    numbers = load_dataset("numbers", imported)
    for part in ("images", "labels", "test_images", "test_labels"):
        assert torch.equal(getattr(numbers, part), getattr(digits, part))
    assert (numbers.classes, numbers.flips, numbers.digest) == (digits.classes, digits.flips, digits.digest)


def test_the_data_folder_is_found_by_the_environment(imported, monkeypatch):
    monkeypatch.setenv("NASH_DATA_DIR", str(imported))
    assert len(load_dataset("numbers").images) == 1497


def test_writing_into_a_mapped_image_never_reaches_the_file(imported):
    folder = imported / "datasets" / "numbers"
    numbers = read_imageset(folder)
    numbers.images[0] = 77
    assert not torch.equal(read_imageset(folder).images[0], numbers.images[0])


def test_an_unknown_name_lists_what_there_is(imported):
    with pytest.raises(UnknownDataset, match=r"'cifar' is neither a data set in .*\(digits, numbers\) nor a file"):
        load_dataset("cifar", imported)


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("labels", np.zeros(3, dtype=np.int64), "training images"),
        ("labels", np.full(1497, 10, dtype=np.int64), "beyond its 10 classes"),
        ("images", np.zeros((1497, 1, 8, 8), dtype=np.float32), "not uint8"),
        ("test_images", np.zeros((300, 1, 9, 9), dtype=np.uint8), "test images"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(imported, name, array, complaint):
    np.save(imported / "datasets" / "numbers" / f"{name}.npy", array)
    with pytest.raises(DamagedDataset, match=complaint):
        load_dataset("numbers", imported)


@pytest.mark.parametrize("name", ["meta.json", "images.npy"])
def test_a_cut_file_is_refused(imported, name):
    path = imported / "datasets" / "numbers" / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DamagedDataset, match="import the data set again"):
        load_dataset("numbers", imported)


def test_a_meta_file_without_a_digest_is_refused(imported):
    path = imported / "datasets" / "numbers" / "meta.json"
    meta = json.loads(path.read_text())
    del meta["digest"]
    path.write_text(json.dumps(meta))
    with pytest.raises(DamagedDataset, match="digest"):
        load_dataset("numbers", imported)


def test_an_image_folder_is_converted_once(tmp_path, monkeypatch):
    source = write_folder(tmp_path / "pets")
    pets = load_dataset(source, tmp_path / "data")
    assert (pets.input_shape, pets.classes, len(pets.images)) == ((3, 8, 8), ("cat", "dog"), 12)

    def convert(*_, **__):
        raise AssertionError("converted again")

    monkeypatch.setattr(data, "convert", convert)
    assert torch.equal(load_dataset(source, tmp_path / "data").images, pets.images)
    (source / "train" / "cat" / "0.png").unlink()
    with pytest.raises(AssertionError, match="converted again"):
        load_dataset(source, tmp_path / "data")


def test_an_archive_may_be_given_in_place_of_a_name(tmp_path, monkeypatch):
    monkeypatch.delenv("NASH_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    archive = shutil.make_archive(str(tmp_path / "pets"), "zip", write_folder(tmp_path / "pets"))
    assert load_dataset(archive).n_classes == 2
    assert list((tmp_path / "cache" / "nash" / "converted").glob("pets-*/meta.json"))


def test_an_archive_without_images_leaves_nothing_behind(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadArchive):
        load_dataset(tmp_path / "empty", tmp_path / "data")
    assert not list((tmp_path / "data").rglob("*.npy"))


def test_few_digits_of_the_tests_hold_every_class():
    assert few_digits().labels.unique().tolist() == list(range(10))


def test_the_training_part_may_be_smaller_and_the_validation_images_stay(digits):
    whole, small = digits.split(3, 200), digits.split(3, 200, 500)
    assert torch.equal(whole.validation, small.validation)
    assert len(small.train) == 500
    assert set(small.train.tolist()) < set(whole.train.tolist())
    shares = torch.bincount(digits.labels[small.train]) / torch.bincount(digits.labels[whole.train])
    assert (shares - 500 / 1297).abs().max() < 0.01
    assert torch.equal(digits.split(3, 200, 1297).train, whole.train)
    assert not torch.equal(digits.split(4, 200, 500).train, small.train)


@pytest.mark.parametrize("n_training", [0, 1298])
def test_more_training_images_than_are_left_are_refused_with_what_there_is(digits, n_training):
    with pytest.raises(ValueError, match="1297 images that are not held back"):
        digits.split(0, 200, n_training)


def test_a_part_of_the_test_images_is_drawn_stratified_and_seeded(digits):
    images, labels = digits.test_part(3, 100)
    assert (len(images), len(labels)) == (100, 100)
    whole = torch.bincount(digits.test_labels)
    assert (torch.bincount(labels) - whole / 3).abs().max() <= 1
    known = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(digits.test_images, digits.test_labels, strict=True)
    }
    assert [known[image.numpy().tobytes()] for image in images] == labels.tolist()
    assert torch.equal(digits.test_part(3, 100)[0], images)
    assert not torch.equal(digits.test_part(4, 100)[0], images)
    assert digits.test_part(3)[0] is digits.test_images
    assert digits.test_part(3, 300)[0] is digits.test_images


@pytest.mark.parametrize("n", [1, 9, 290, 291, 299])
def test_a_part_has_exactly_the_size_that_was_asked_for(digits, n):
    assert len(digits.test_part(0, n)[1]) == n
    assert len(digits.split(0, 1197, n).train) == n


@pytest.mark.parametrize("n_test", [0, 301])
def test_more_test_images_than_there_are_is_refused(digits, n_test):
    with pytest.raises(ValueError, match=rf"n_test={n_test}: digits has 300 test images; give 1 to 300"):
        digits.test_part(0, n_test)
