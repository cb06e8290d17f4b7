"""Data sets of the application: import, rows, the bundled digits, and the command."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from searches import datasets
from searches.models import DataSet
from searches.nash.imagefolder import BadArchive
from tests.archives import image_folder, write_folder, write_zip

pytestmark = pytest.mark.django_db


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return write_zip(tmp_path / "pets.zip", image_folder())


def run(*arguments: str | Path) -> str:
    """What `manage.py dataset` prints."""
    out = io.StringIO()
    call_command("dataset", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_an_import_makes_the_row_and_the_files(pets, data_folder):
    row = DataSet.objects.get(pk=datasets.import_dataset("pets", pets))
    assert (row.name, row.input_shape, row.n_classes) == ("pets", (3, 16, 16), 2)
    assert (row.n_train, row.n_test, row.flips) == (12, 4, True)
    assert row.meta["classes"] == ["cat", "dog"]
    assert row.meta["counts"] == {"train": [6, 6], "test": [2, 2]}
    assert len(row.digest) == 64
    assert np.load(data_folder / "datasets" / "pets" / "images.npy").shape == (12, 3, 16, 16)


def test_the_engine_loads_what_was_imported(pets, data_folder):
    from searches.nash.data import load_dataset

    row = DataSet.objects.get(pk=datasets.import_dataset("pets", pets))
    loaded = load_dataset("pets", data_folder)
    assert (loaded.digest, loaded.input_shape, loaded.classes) == (row.digest, row.input_shape, ("cat", "dog"))


def test_a_bad_archive_leaves_neither_row_nor_file(tmp_path, data_folder):
    path = write_zip(tmp_path / "one.zip", {"cat/readme.txt": b"no image"})
    with pytest.raises(BadArchive, match="has no PNG, JPEG or WebP image"):
        datasets.import_dataset("one", path)
    assert not DataSet.objects.exists()
    assert list((data_folder / "datasets").iterdir()) == []


@pytest.mark.parametrize("name", ["", "../pets", ".pets", "a b", "été", "a/b", "x" * 65, "digits", "Digits"])
def test_a_name_that_cannot_be_is_refused(pets, data_folder, name):
    with pytest.raises(datasets.BadName, match=re.escape(repr(name))):
        datasets.import_dataset(name, pets)
    assert not DataSet.objects.exists()


@pytest.mark.parametrize("name", ["pets", "PETS"])
def test_a_name_is_given_once(pets, name):
    datasets.import_dataset("pets", pets)
    with pytest.raises(datasets.BadName, match="exists already"):
        datasets.import_dataset(name, pets)
    assert DataSet.objects.count() == 1


def test_what_a_killed_import_left_does_not_stand_in_the_way(pets, data_folder):
    orphan = data_folder / "datasets" / "pets"
    orphan.mkdir(parents=True)
    (orphan / "meta.json").write_text("{}")
    (data_folder / "datasets" / ".other.part").mkdir()
    row = DataSet.objects.get(pk=datasets.import_dataset("pets", pets))
    assert row.n_train == 12
    assert [path.name for path in (data_folder / "datasets").iterdir()] == ["pets"]


def test_two_imports_do_not_run_at_once(pets):
    refused = []

    def report(done: int, total: int) -> None:
        with pytest.raises(BadArchive, match="Another import is running") as caught:
            datasets.import_dataset("others", pets)
        refused.append(caught)

    datasets.import_dataset("pets", pets, report=report)
    assert refused
    assert DataSet.objects.get().name == "pets"


def test_the_digits_are_there_without_an_import(data_folder):
    from searches.nash.data import load_dataset

    pk = datasets.ensure_digits()
    row = DataSet.objects.get()
    assert (row.pk, row.name, row.input_shape, row.n_classes) == (pk, "digits", (1, 8, 8), 10)
    assert (row.n_train, row.n_test, row.flips) == (1497, 300, False)
    assert row.digest == load_dataset("digits").digest
    assert (data_folder / "datasets" / "digits" / "test_labels.npy").exists()


def test_the_digits_are_made_once_and_mended_if_they_are_lost(data_folder, monkeypatch):
    pk = datasets.ensure_digits()
    meta = data_folder / "datasets" / "digits" / "meta.json"
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "write_digits", None)
        assert datasets.ensure_digits() == pk
    meta.unlink()
    assert datasets.ensure_digits() == pk
    assert meta.exists()
    assert DataSet.objects.count() == 1


def test_the_service_loads_neither_torch_nor_scikit_learn_nor_pillow():
    code = (
        "import django, os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; django.setup()\n"
        "import searches.datasets\n"
        "print({'torch', 'sklearn', 'PIL'} & sys.modules.keys())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_the_command_imports_and_says_what_it_did(pets):
    lines = run("import", "pets", pets, "--no-flip", "--size", "12").splitlines()
    assert lines[0] == "pets.zip: 12 of 16 images"
    assert lines[1].startswith("pets: 12 training and 4 test images of 12 x 12 px, colour, not to be flipped; ")
    assert lines[2] == "2 classes (training + test images): cat (6 + 2), dog (6 + 2)."
    assert lines[3].startswith("Brought to 12 x 12 px")
    assert not DataSet.objects.get().flips


def test_the_command_imports_a_folder_of_the_server(tmp_path):
    folder = write_folder(tmp_path / "here" / "pets", image_folder())
    assert "pets: 12 training and 4 test images of 16 x 16 px, colour" in run("import", "pets", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["test", "train"]  # nothing is added to it


def test_the_command_takes_the_share_of_the_test_part(tmp_path):
    path = write_zip(tmp_path / "flat.zip", {n.removeprefix("train/"): d for n, d in image_folder(n_test=0).items()})
    assert "No test folder: 50 % of each class, 6 images" in run("import", "flat", path, "--test-per-cent", "50")
    assert DataSet.objects.get().n_test == 6
    with pytest.raises(CommandError, match="test_per_cent=95: must be 1 to 90"):
        run("import", "flatter", path, "--test-per-cent", "95")


def test_the_command_refuses_in_one_sentence(pets, tmp_path):
    with pytest.raises(CommandError, match=r"^There is no file or folder '.*missing.zip'\.$"):
        run("import", "pets", tmp_path / "missing.zip")
    with pytest.raises(CommandError, match=r"^size=100: must be 8 to 64 pixels$"):
        run("import", "pets", pets, "--size", "100")
    with pytest.raises(CommandError, match=r"^'a b' cannot be a data set's name"):
        run("import", "a b", pets)
    assert not DataSet.objects.exists()


def test_the_command_lists_the_data_sets(pets):
    datasets.import_dataset("pets", pets)
    lines = run("list").splitlines()
    assert lines[0].split() == ["name", "classes", "training", "test", "pixels", "flips", "digest"]
    assert lines[1].startswith("digits       10     1,497   300  8 x 8 px, grey      no     ")
    assert lines[2].startswith("pets          2        12     4  16 x 16 px, colour  yes    ")
