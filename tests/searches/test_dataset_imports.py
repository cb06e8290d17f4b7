"""Imports that are cancelled at any time, that break, and uploads whose file cannot be: nothing is left lying."""

import pytest
from django.db import OperationalError
from django.urls import reverse

from searches import datasets, services, worker_jobs
from searches.models import BackgroundJob, DataSet, Upload
from searches.nash.imagefolder import archives, arrays, conversion
from tests.archives import image_folder, tar_of_long_names, write_tar, write_zip
from tests.searches.pages import text_of
from tests.searches.uploading import begin, patch
from tests.searches.working import do_job

pytestmark = pytest.mark.django_db


def sent(client, path) -> BackgroundJob:
    """The job of an archive that was uploaded."""
    content = path.read_bytes()
    patch(client, begin(client, content, file_name=path.name).json()["url"], content, 0)
    return BackgroundJob.objects.get()


def nothing_is_left(data_folder) -> bool:
    folders = [path for path in ((data_folder / "uploads"), (data_folder / "datasets")) if path.exists()]
    return not (DataSet.objects.exists() or Upload.objects.exists() or any(list(path.iterdir()) for path in folders))


@pytest.fixture
def job(client, alice, tmp_path):
    return sent(client, write_zip(tmp_path / "pets.zip", image_folder()))


@pytest.fixture
def packed_job(client, alice, tmp_path):
    return sent(client, write_tar(tmp_path / "pets.tar.gz", image_folder(n_channels=1), "w:gz"))


def test_an_import_that_is_cancelled_before_it_began_leaves_no_archive(client, job, data_folder):
    client.post(reverse("job_cancel", args=[job.uuid]))
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert nothing_is_left(data_folder)
    assert "Try again" not in text_of(client.get(reverse("dataset_list")))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (archives, "_list_tar"),
        (conversion, "find_layout"),
        (conversion, "keep_one_channel"),
        (arrays, "mean_and_std"),
        (arrays, "digest_of"),
        (arrays, "twins_of"),
    ],
)
def test_an_import_that_is_cancelled_in_whatever_part_of_it_makes_no_data_set(
    packed_job, alice, data_folder, monkeypatch, module, name
):
    whole = getattr(module, name)

    def cancelled_meanwhile(*given, **more):
        if not BackgroundJob.objects.filter(pk=packed_job.pk, status="cancelled").exists():
            services.cancel_job(packed_job, alice)
        return whole(*given, **more)

    monkeypatch.setattr(module, name, cancelled_meanwhile)
    assert do_job().status == "cancelled"
    assert nothing_is_left(data_folder)


@pytest.mark.parametrize("name", ["_gunzip", "_list_tar"])
def test_unpacking_and_listing_notice_that_they_are_cancelled(packed_job, alice, data_folder, monkeypatch, name):
    """By themselves: the process is ended some seconds after a cancel that nobody noticed, and tidies nothing."""
    whole = getattr(archives, name)

    def cancelled_meanwhile(*given):
        services.cancel_job(packed_job, alice)
        with pytest.raises(services.LeaseLost) as lost:
            whole(*given)
        noticed.append(name)
        raise lost.value

    noticed: list[str] = []
    monkeypatch.setattr("searches.work.TELL_SECONDS", 0.0)
    monkeypatch.setattr(archives, name, cancelled_meanwhile)
    assert do_job().status == "cancelled"
    assert noticed == [name]
    assert nothing_is_left(data_folder)


def test_an_import_that_waits_for_another_notices_that_it_is_cancelled(job, alice, data_folder, monkeypatch):
    monkeypatch.setattr("searches.work.TELL_SECONDS", 0.0)
    lease = services.claim_job(job.pk, worker="alpha")
    services.cancel_job(job, alice)
    with datasets._alone_in(datasets.datasets_folder(), waits=False):
        worker_jobs.do(lease)
    assert nothing_is_left(data_folder)


def test_what_goes_wrong_in_an_archive_unforeseen_takes_the_archive_along(job, data_folder, monkeypatch):
    monkeypatch.setattr(conversion, "find_layout", lambda _: 1 / 0)
    assert do_job().reason == "ZeroDivisionError: division by zero"
    assert nothing_is_left(data_folder)


def test_a_database_that_fails_takes_no_archive_along(client, job, data_folder, monkeypatch):
    def broken(*_given, **_more):
        raise OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(datasets, "_add_row", broken)
        assert do_job().status == "failed"
    assert Upload.objects.exists()
    assert "Try again" in text_of(client.get(reverse("dataset_list")))


def test_a_tar_of_a_thousand_headers_is_refused_in_words(client, alice, tmp_path, data_folder):
    sent(client, tar_of_long_names(tmp_path / "pets.tar", 1, 1000, 20))
    assert do_job().reason.startswith("pets.tar is damaged or cut short")
    assert nothing_is_left(data_folder)


@pytest.mark.parametrize("name", ["猫" * 100 + ".zip", "é" * 240 + ".zip", "x" * 250 + ".zip", "🐈" * 60])
def test_a_long_name_of_a_file_in_any_script_breaks_nothing(client, alice, tmp_path, name):
    content = write_zip(tmp_path / "pets.zip", image_folder()).read_bytes()
    url = begin(client, content, file_name=name).json()["url"]
    assert name in text_of(client.get(reverse("dataset_list")))
    assert patch(client, url, content, 0).status_code == 200
    assert do_job().status == "done"


def test_an_upload_whose_file_cannot_be_made_leaves_no_row(client, alice, data_folder):
    (data_folder / "uploads").write_bytes(b"")
    answer = begin(client, b"content")
    assert answer.status_code == 413
    assert "pets.zip cannot be kept" in answer.json()["errors"]["file"]
    assert not Upload.objects.exists()


def test_an_upload_whose_file_cannot_be_looked_at_leaves_the_page_as_it_is(client, alice, data_folder, monkeypatch):
    begin(client, b"content")
    monkeypatch.setattr("searches.services.uploads.upload_path", lambda _: data_folder / ("x" * 300))
    assert "pets.zip as pets: 0 % is here" in text_of(client.get(reverse("dataset_list")))
