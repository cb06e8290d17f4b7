"""`manage.py model`: a downloaded model answers for image files without a database; files are written as the page has
them."""

import csv
import hashlib
import io
import zipfile

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command
from PIL import Image

from searches import selectors
from searches.nash.architecture import Architecture
from searches.nash.export import export_model
from searches.nash.prediction import Broken, classify
from searches.selectors.exports import NAMES
from searches.services.exporting import keep_files
from searches.worker_exports import MADE_HERE
from searches.worker_files import made_file
from tests.nash.networks import random_network
from tests.searches.rows import make_search
from tests.searches.trained import make_trained_search

CLASSES = ["=ant", "bee", "cat", "dog", "eel"]


@pytest.fixture
def network():
    return random_network(Architecture.initial((3, 12, 12), 5, channels=(4, 4, 4)), dtype=torch.float32).eval()


@pytest.fixture
def model(network, tmp_path):
    lineage = ["model_0", "1.2"]
    info = {"name": "first", "dataset": "five", "classes": CLASSES, "test_accuracy": 0.9, "lineage": lineage}
    return export_model(network, tmp_path / "model.zip", info=info)


@pytest.fixture
def folder(tmp_path):
    """Nine images of the network's size in two folders, two broken ones, a text."""
    rng = np.random.default_rng(1)
    place = tmp_path / "images"
    for k in range(9):
        path = place / f"{k % 2}" / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    (place / "0" / "torn.png").write_bytes((place / "0" / "0.png").read_bytes()[:60])
    Image.new("RGB", (3, 3)).save(place / "tiny.png")
    (place / "notes.txt").write_text("x")
    return place


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command("model", *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as end:
        code = end.code
    return code, out.getvalue(), err.getvalue()


def expected(network, folder):
    """By file: class and probability, by the plain network on the pixels."""
    found = {}
    for path in sorted(folder.rglob("?/[0-9].png")):
        pixels = torch.from_numpy(np.asarray(Image.open(path)).transpose(2, 0, 1).copy())[None]
        with torch.no_grad():
            probabilities = network(network.normalise(pixels)).double().softmax(1)[0]
        found[path.relative_to(folder).as_posix()] = (int(probabilities.argmax()), float(probabilities.max()))
    return found


def test_each_image_has_its_class_and_probability_and_what_is_broken_is_named_and_counted(network, model, folder):
    code, out, err = run("predict", model, folder, "--csv", "--batch", 4, "--device", "cpu")
    rows = list(csv.DictReader(io.StringIO(out)))
    wanted = expected(network, folder)
    assert [row["file"] for row in rows] == sorted(wanted)
    for row in rows:
        label, probability = wanted[row["file"]]
        assert row["class"].lstrip("'") == CLASSES[label]
        assert float(row["probability"]) == pytest.approx(probability, abs=2e-5)
    assert not any(row["class"].startswith("=") for row in rows), "a spreadsheet would read it as a formula"
    assert code == 1
    assert "0/torn.png: damaged or cut short; skipped" in err
    assert "tiny.png: 3 x 3 px, smaller than 8 px; skipped" in err
    assert "9 of 11 images classified, 2 broken and skipped, 1 other files left alone." in err


def test_every_class_has_a_column_if_asked_for_and_the_file_is_written(model, folder, tmp_path):
    (folder / "0" / "torn.png").unlink()
    (folder / "tiny.png").unlink()
    code, out, _ = run("predict", model, folder, "--csv", tmp_path / "found.csv", "--all", "--device", "cpu")
    assert (code, out) == (0, "")
    with (tmp_path / "found.csv").open(newline="") as file:
        _, *rows = csv.reader(file)
    assert len(rows) == 9
    assert all(sum(map(float, row[3:])) == pytest.approx(1, abs=1e-5) for row in rows)
    assert all(max(row[3:]) == row[2] for row in rows)


def test_one_image_alone_and_a_folder_of_the_zip_do_too(model, folder, tmp_path):
    with zipfile.ZipFile(model) as archive:
        archive.extractall(tmp_path / "unpacked")
    one = folder / "0" / "0.png"
    code, out, _ = run("predict", tmp_path / "unpacked", one, "--device", "cpu")
    assert code == 0
    assert out.startswith("0.png: ")
    assert out == run("predict", model, one, "--device", "cpu")[1]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_batch_changes_no_answer(network, folder, batch_size):
    paths = sorted(folder.rglob("*.png"))
    found = list(classify(network, paths, batch_size=batch_size))
    assert [one.path for one in found] == paths
    assert sum(isinstance(one, Broken) for one in found) == 2
    one_by_one = list(classify(network, paths, batch_size=1))
    for a, b in zip(found, one_by_one, strict=True):
        if not isinstance(a, Broken):
            assert a.probabilities == pytest.approx(b.probabilities, abs=1e-6)


def test_a_grey_model_takes_colour_files_as_grey(tmp_path):
    network = random_network(Architecture.initial((1, 8, 8), 5, channels=(4, 4)), dtype=torch.float32).eval()
    Image.new("RGB", (20, 30), (10, 200, 90)).save(tmp_path / "a.png")
    (found,) = classify(network, [tmp_path / "a.png"])
    grey = Image.new("RGB", (1, 1), (10, 200, 90)).convert("L").getpixel((0, 0))
    with torch.no_grad():
        pixels = torch.full((1, 1, 8, 8), grey, dtype=torch.uint8)
        wanted = network(network.normalise(pixels)).softmax(1)[0]
    assert found.probabilities == pytest.approx(wanted.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "nowhere.zip", "."], "nowhere.zip"),
        (["predict", "{model}", "nowhere"], "no folder or file nowhere"),
        (["predict", "{model}", "{empty}"], "holds no PNG, JPEG or WebP"),
        (["predict", "{model}", "{folder}", "--batch", "0"], "at least 1"),
        (["predict", "{model}", "{folder}", "--device", "abacus"], "abacus"),
        (["predict", "{text}", "{folder}"], "cannot be loaded: notes.txt: not an exported model"),
        (["show", "{text}"], "cannot be loaded"),
    ],
)
def test_what_cannot_be_is_said_in_words(arguments, words, model, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    names = {"model": model, "folder": folder, "empty": tmp_path / "empty", "text": folder / "notes.txt"}
    with pytest.raises(CommandError, match=words):
        run(*(argument.format(**names) for argument in arguments))


def test_a_model_says_what_it_is(network, model):
    _, out, _ = run("show", model)
    for words in ("first: images of 3 x 12 x 12, 5 classes", "trained on five", "=ant, bee", "90.00 %", "1.2",
                  f"{network.architecture.n_parameters:,} parameters", network.architecture.digest):  # fmt: skip
        assert words in out


# ---------------------------------------------------------------------- models of this site


@pytest.mark.django_db(transaction=True)
def test_the_files_of_a_model_are_written_as_the_page_has_them(tmp_path):
    search = make_trained_search()
    final = search.candidates.get(kind="final")
    folder = selectors.candidate_folder(final) / "files-1-1"
    folder.mkdir()
    for key in MADE_HERE:
        (folder / NAMES[key]).write_text(f"{final.code} {key}")
    keep_files(final, [made_file(key, folder / NAMES[key]) for key in MADE_HERE])
    for model in (str(search.uuid)[:8], f"{search.uuid}:final"):
        code, out, _ = run("export", model, "--to", tmp_path / "taken")
        assert code == 0
        for key, name in NAMES.items():
            artifact = final.artifacts.get(format=key)
            assert hashlib.sha256((tmp_path / "taken" / name).read_bytes()).hexdigest() == artifact.sha256
            assert artifact.sha256 in out


@pytest.mark.django_db
def test_a_search_without_a_network_or_an_unknown_training_is_named(tmp_path):
    search = make_search()
    with pytest.raises(CommandError, match="nothing of it is trained"):
        run("export", search.uuid, "--to", tmp_path)
    with pytest.raises(CommandError, match=r"9\.9"):
        run("export", f"{search.uuid}:9.9", "--to", tmp_path)
    with pytest.raises(CommandError, match="not trained yet"):
        run("export", f"{search.uuid}:model_0", "--to", tmp_path)
