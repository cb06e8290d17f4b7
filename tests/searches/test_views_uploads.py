"""Uploads in pieces, and the import that follows."""

import pytest
from django.urls import reverse

from searches import services, worker_jobs
from searches.models import BackgroundJob, DataSet, Upload
from tests.archives import image_folder, write_zip
from tests.searches.pages import text_of
from tests.searches.uploading import begin, patch
from tests.searches.working import do_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def pets(tmp_path):
    return write_zip(tmp_path / "pets.zip", image_folder())


def test_an_archive_comes_in_pieces_and_is_imported_by_a_worker(client, alice, pets, data_folder):
    content = pets.read_bytes()
    url = begin(client, content).json()["url"]
    assert patch(client, url, content[:1000], 0)["Upload-Offset"] == "1000"
    late = patch(client, url, content[:1000], 0)
    assert (late.status_code, late["Upload-Offset"]) == (409, "1000")
    again = begin(client, content).json()  # the page was loaded anew
    assert (again["url"], again["offset"]) == (url, 1000)
    assert client.head(url)["Upload-Offset"] == "1000"
    assert f"{100000 // len(content)} % is here" in text_of(client.get(reverse("dataset_list")))
    assert patch(client, url, content[1000:], 1000).status_code == 200
    job = do_job()
    assert (job.status, job.result["dataset"]) == ("done", "pets")
    found = DataSet.objects.get()
    assert (found.owner, found.flips, found.crops, found.n_train) == (alice, True, False, 12)
    assert found.meta["source"] == "pets.zip"
    assert not Upload.objects.exists()
    assert list((data_folder / "uploads").iterdir()) == []


def test_an_archive_that_is_none_fails_in_words_and_leaves_nothing(client, alice, data_folder):
    url = begin(client, b"no archive").json()["url"]
    patch(client, url, b"no archive", 0)
    job = do_job()
    assert job.status == "failed"
    assert job.reason.startswith("pets.zip is neither a zip, a tar, a tar.gz nor a folder")
    shown = text_of(client.get(reverse("dataset_list")))
    assert job.reason in shown
    assert "Try again" not in shown  # of what? the archive is gone
    assert list((data_folder / "uploads").iterdir()) == []
    assert list((data_folder / "datasets").iterdir()) == []


def test_an_import_that_is_cancelled_leaves_nothing(client, alice, pets, data_folder, monkeypatch):
    content = pets.read_bytes()
    patch(client, begin(client, content).json()["url"], content, 0)
    job = BackgroundJob.objects.get()
    lease = services.claim_job(job.pk, worker="alpha")
    services.cancel_job(job, alice)
    worker_jobs.do(lease)
    assert not DataSet.objects.exists()
    assert list((data_folder / "uploads").iterdir()) == []
    assert list((data_folder / "datasets").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"bytes": 10**12}, "file", "can be uploaded"),
        ({"bytes": 0}, "file", "empty"),
        ({"name": "a b"}, "name", "cannot be a data set's name"),
        ({"name": "uploads"}, "name", "cannot be a data set's name"),
        ({"size": 7}, "size", "Give 8 to 64 pixels, or nothing."),
        ({"size": "large"}, "size", "Give 8 to 64 pixels"),
        ({"test_per_cent": 95}, "test_per_cent", "Give 1 to 90 per cent, or nothing for one sixth."),
    ],
)
def test_what_cannot_be_is_refused_before_a_byte_has_come(client, alice, changes, field, words):
    answer = begin(client, b"x", **changes)
    assert answer.status_code in (400, 413)
    assert words in answer.json()["errors"][field]
    assert not Upload.objects.exists()


def test_more_bytes_than_announced_are_refused_and_not_kept(client, alice):
    url = begin(client, b"1234567890").json()["url"]
    answer = patch(client, url, b"12345678901", 0)
    assert answer.status_code == 413
    assert "More came than the 10 bytes" in answer.text
    assert client.head(url)["Upload-Offset"] == "0"


def test_nobody_else_sees_or_adds_to_an_upload(client, alice, bob):
    url = begin(client, b"1234567890").json()["url"]
    client.force_login(bob)
    assert client.head(url).status_code == 404
    assert patch(client, url, b"1", 0).status_code == 404
    assert client.post(f"{url}discard/").status_code == 404
    client.force_login(alice)
    client.post(f"{url}discard/")
    assert not Upload.objects.exists()


def test_an_import_whose_process_was_killed_is_done_by_the_next_worker(client, alice, pets, data_folder):
    content = pets.read_bytes()
    patch(client, begin(client, content).json()["url"], content, 0)
    job = BackgroundJob.objects.get()
    dead = services.claim_job(job.pk, worker="alpha")
    left = data_folder / "datasets" / ".pets.part"
    left.mkdir(parents=True)
    (left / "images.npy").write_bytes(b"half")
    BackgroundJob.objects.update(lease_expires="2000-01-01T00:00:00Z")
    assert do_job().status == "done"
    assert [path.name for path in (data_folder / "datasets").iterdir()] == ["pets"]
    with pytest.raises(services.LeaseLost):
        services.tell_job(dead, done=1, total=2, words="late")
