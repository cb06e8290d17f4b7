"""The pages of data sets; uploads: test_views_uploads."""

import io
import json

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from searches import datasets, services
from searches.models import BackgroundJob, DataSet, Ensemble, Search
from searches.nash.config import SearchConfig
from searches.nash.imagefolder.arrays import twins_of
from searches.nash.imagefolder.splitting import stratified_split
from searches.nash.streams import derive
from tests.archives import image_folder, pixels, write_zip
from tests.searches.pages import text_of
from tests.searches.rows import TINY, make_search
from tests.searches.working import do_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def pets(tmp_path):
    return write_zip(tmp_path / "pets.zip", image_folder())


@pytest.fixture
def row(pets):
    return DataSet.objects.get(pk=datasets.import_dataset("pets", pets))


def test_strangers_are_asked_to_sign_in(client):
    assert client.get(reverse("dataset_list")).status_code == 302


def test_without_a_data_set_the_page_says_what_to_do(client, alice):
    assert "No data set yet Upload an archive below" in text_of(client.get(reverse("dataset_list")))


def test_the_list_costs_the_same_queries_however_many_there_are(client, alice, row, django_assert_num_queries):
    url = reverse("dataset_list")
    client.get(url)
    with django_assert_num_queries(7) as first:
        client.get(url)
    for i in range(5):
        DataSet.objects.create(**{**DataSet.objects.filter(name="pets").values().get(), "id": None, "name": f"p{i}"})
    with django_assert_num_queries(len(first)):
        client.get(url)


def test_a_data_set_costs_the_same_queries_however_many_use_it(client, alice, row, django_assert_num_queries):
    url = reverse("dataset_detail", args=["pets"])
    make_search(owner=alice)
    Search.objects.update(dataset=row)
    client.get(url)
    with CaptureQueriesContext(connection) as first:
        client.get(url)
    for i in range(3):
        make_search(owner=alice)
        Ensemble.objects.create(name=f"E{i}", kind="runs", dataset=row, owner=alice)
    Search.objects.update(dataset=row)
    with django_assert_num_queries(len(first)):
        client.get(url)
    with django_assert_num_queries(2):
        assert "in use by 4 searches and 3 ensembles" in datasets.in_use_words(row)


def test_a_data_set_shows_its_classes_its_numbers_and_who_uses_it(client, alice, row):
    settings = {**TINY, "input_shape": (3, 16, 16), "n_classes": 2}
    services.create_search(SearchConfig(**settings), dataset=row, name="Cats or dogs", owner=alice)
    page = client.get(reverse("dataset_detail", args=["pets"]))
    shown = text_of(page)
    for words in ("cat", "dog", "12 training + 4 test images", row.digest, "Cats or dogs", "Leaks", "pets.zip"):
        assert words in shown, words
    strip = client.get(reverse("dataset_samples", args=["pets", row.digest[:16], 1]))
    assert "immutable" in strip["Cache-Control"]
    picture = np.asarray(Image.open(io.BytesIO(strip.content)))
    first = np.load(datasets.folder_of("pets") / "images.npy")[6]
    assert picture.shape == (16, 160, 4)
    assert (picture[:, :16, :3] == first.transpose(1, 2, 0)).all()
    assert picture[0, -1, 3] == 0  # six images of ten places
    assert client.get(reverse("dataset_samples", args=["pets", "0" * 16, 1])).status_code == 404
    assert client.get(reverse("dataset_samples", args=["pets", row.digest[:16], 2])).status_code == 404


def test_copies_and_leaks_are_counted():
    a, b, c = (pixels(i, (8, 8)).transpose(2, 0, 1) for i in range(3))
    counts, copies = twins_of(np.stack([a, b, a, a]), np.stack([b, c, c, a]))
    assert counts == {"train": 2, "test": 1, "leaks": 2}
    assert copies.tolist() == [[0, 0], [2, 0], [3, 0]]


def test_a_search_says_how_many_of_its_validation_images_it_trains_on_too(client, alice, tmp_path):
    files = image_folder()
    files |= {f"train/{pet}/{i:03d}.png": files[f"train/{pet}/000.png"] for pet in ("cat", "dog") for i in range(4)}
    row = DataSet.objects.get(pk=datasets.import_dataset("pets", write_zip(tmp_path / "pets.zip", files)))
    assert row.meta["twins"]["train"] == 6
    config = SearchConfig(**{**TINY, "input_shape": (3, 16, 16), "n_classes": 2, "n_validation": 4})
    made = services.create_search(config, dataset=row, name="Cats or dogs", owner=alice)
    images = np.load(datasets.folder_of("pets") / "images.npy")
    labels = np.load(datasets.folder_of("pets") / "labels.npy")
    rest, taken = stratified_split(labels, 4 / 12, derive(config.seed, "split"))
    known = {images[i].tobytes() for i in rest}
    expected = sum(images[i].tobytes() in known for i in taken)
    assert expected
    page = reverse("search_detail", args=[Search.objects.get(pk=made.search_id).uuid])
    assert f"{expected} validation image" in text_of(client.get(page))

    (datasets.folder_of("pets") / "copies.npy").unlink()  # as one that was imported before that was kept
    assert "validation image" not in text_of(client.get(page)).replace("validation images of", "")
    detail = reverse("dataset_detail", args=["pets"])
    assert "cannot say how many lie on both sides" in text_of(client.get(detail))
    client.post(reverse("dataset_count", args=["pets"]))
    assert do_job().status == "done"
    assert f"{expected} validation image" in text_of(client.get(page))
    assert "cannot say" not in text_of(client.get(detail))


def test_one_in_use_is_not_deleted_and_the_list_says_by_whom(client, alice, row):
    settings = {**TINY, "input_shape": (3, 16, 16), "n_classes": 2}
    DataSet.objects.update(owner=alice)
    made = services.create_search(SearchConfig(**settings), dataset=row, name="Cats or dogs", owner=alice)
    answer = client.post(reverse("dataset_delete", args=["pets"]), follow=True)
    assert "pets is in use by 1 search: Cats or dogs. Delete them first." in text_of(answer)
    services.delete(Search.objects.get(pk=made.search_id), alice)
    answer = client.post(reverse("dataset_delete", args=["pets"]), follow=True)
    words = "1 search: Cats or dogs (deleted). Deleted searches count until they are removed: “Empty now”"
    assert words in text_of(answer)
    row.searches.filter(pk=made.search_id).delete()
    client.post(reverse("dataset_delete", args=["pets"]))
    assert not DataSet.objects.exists()
    assert not datasets.folder_of("pets").exists()


def test_who_did_not_upload_it_cannot_delete_it(client, alice, bob, row):
    for owner in (bob, None):  # one of the command line has no owner
        DataSet.objects.update(owner=owner)
        assert client.post(reverse("dataset_delete", args=["pets"])).status_code == 404
    assert DataSet.objects.exists()


def test_the_digits_stay(client, alice):
    make_search()
    client.post(reverse("dataset_delete", args=["digits"]))
    assert DataSet.objects.filter(name="digits").exists()


def test_a_set_that_was_imported_before_copies_were_counted_is_counted_by_a_worker(client, alice, row):
    counted = row.meta["twins"]
    folder = datasets.folder_of("pets")
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({k: v for k, v in meta.items() if k != "twins"}))
    DataSet.objects.update(meta={k: v for k, v in row.meta.items() if k != "twins"})
    url = reverse("dataset_detail", args=["pets"])
    assert "not counted" in text_of(client.get(url))
    for _ in range(2):
        answer = client.post(reverse("dataset_count", args=["pets"]), follow=True)
    assert "Count of copies in pets: waits for a worker." in text_of(answer)
    assert do_job().status == "done"
    assert DataSet.objects.get().meta == row.meta
    assert json.loads((folder / "meta.json").read_text()) == meta
    assert counted == {"train": 0, "test": 0, "leaks": 0}
    assert "not counted" not in text_of(client.get(url))
    client.post(reverse("dataset_count", args=["pets"]))
    assert BackgroundJob.objects.count() == 1


def test_a_count_of_files_that_are_gone_fails_in_words(client, alice, row):
    DataSet.objects.update(meta={})
    (datasets.folder_of("pets") / "images.npy").unlink()
    client.post(reverse("dataset_count", args=["pets"]))
    job = do_job()
    assert job.status == "failed"
    assert "No such file" in job.reason
    assert "Try again" in text_of(client.get(reverse("dataset_detail", args=["pets"])))


def test_the_launch_form_says_how_many_test_images_are_training_images(client, alice, row):
    DataSet.objects.update(meta={**row.meta, "twins": {"train": 0, "test": 0, "leaks": 3}})
    page = client.get(reverse("search_new")).text
    words = "12 training and 4 test images of 16×16, colour, 2 classes. 3 test images are training images, too."
    assert words in page
