"""Finished models in another storage than the data folder: published, downloaded in ranges, removed."""

import io
import os
import threading
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.urls import reverse

from nashweb.models_storage import models_storage
from searches import model_store, selectors, services, worker
from searches.models import Artifact, Search
from searches.nash import Network
from tests.searches.rows import leased, make_search, result, run_to
from tests.searches.test_downloads import browser, fetch  # noqa: F401
from tests.searches.working import launch, work

IN_MEMORY = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
CONTENT = os.urandom(700_000)


@pytest.fixture(params=["another folder", "memory"])
def elsewhere(request, settings, tmp_path):
    """Another storage: a folder that hosts share, and one that knows no paths as S3 knows none."""
    where = models_storage(str(tmp_path / "shared")) if request.param == "another folder" else IN_MEMORY
    settings.STORAGES = {**settings.STORAGES, "models": where}
    settings.NASH_MODELS = "s3://models"
    return model_store.store()


def content_of(name: str) -> bytes:
    with model_store.open_model(name) as file:
        return file.read()


def published(data_folder: Path) -> Search:
    """A finished search whose model was published."""
    search = make_search(name="Leaves")
    lease = leased(run_to(search, "final"))
    path = data_folder / "searches" / str(search.uuid) / "final-2-0" / "model-1.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    model_store.publish(path)
    made = services.MadeFile(Artifact.Format.MODEL_ZIP, path, "a" * 64, len(CONTENT))
    services.finish(lease, result(None, test_accuracy=0.9, correct=None, files=(made,)))
    search.refresh_from_db()
    return search


@pytest.mark.django_db
def test_what_is_published_leaves_the_data_folder_and_has_the_same_name(elsewhere, data_folder):
    search = published(data_folder)
    artifact = selectors.model_artifact(search)
    assert artifact.file == f"searches/{search.uuid}/final-2-0/model-1.zip"
    assert content_of(artifact.file) == CONTENT
    assert not selectors.artifact_path(artifact).exists()


@pytest.mark.django_db
def test_publishing_again_replaces_what_a_dead_attempt_left(elsewhere, data_folder):
    for content in (b"first", b"second"):
        path = data_folder / "model-1.zip"
        path.write_bytes(content)
        model_store.publish(path)
    assert content_of("model-1.zip") == b"second"
    assert elsewhere.listdir("")[1] == ["model-1.zip"]


@pytest.mark.django_db
def test_in_the_data_folder_it_stays_where_it_is(data_folder):
    search = published(data_folder)
    artifact = selectors.model_artifact(search)
    assert selectors.artifact_path(artifact).read_bytes() == CONTENT
    assert model_store.place_of(artifact.file) == str(selectors.artifact_path(artifact))


@pytest.mark.django_db(transaction=True)
async def test_downloads_keep_range_and_etag(elsewhere, data_folder, browser):  # noqa: F811
    from asgiref.sync import sync_to_async

    search = await sync_to_async(published)(data_folder)
    answer, body = await fetch(browser, search)
    assert (answer.status_code, body) == (200, CONTENT)
    part, body = await fetch(browser, search, Range="bytes=300000-600000")
    assert (part.status_code, body) == (206, CONTENT[300_000:600_001])
    assert part["Content-Range"] == "bytes 300000-600000/700000"
    same, body = await fetch(browser, search, **{"If-None-Match": answer["ETag"]})
    assert (same.status_code, body) == (304, b"")


@pytest.mark.django_db(transaction=True)
async def test_a_storage_that_fetches_the_file_when_it_is_first_touched_holds_up_no_other_page(
    data_folder, browser, monkeypatch  # noqa: F811
):
    from asgiref.sync import sync_to_async

    touched_in = set()

    class Fetched(io.BytesIO):
        def seek(self, *where: int) -> int:
            touched_in.add(threading.get_ident())
            return super().seek(*where)

    search = await sync_to_async(published)(data_folder)
    monkeypatch.setattr("searches.views.download.open_model", lambda name: Fetched(CONTENT))
    part, body = await fetch(browser, search, Range="bytes=300000-600000")
    assert (part.status_code, body) == (206, CONTENT[300_000:600_001])
    assert touched_in
    assert threading.get_ident() not in touched_in


@pytest.mark.django_db
def test_a_model_that_is_gone_is_not_found(elsewhere, data_folder, client, alice):
    search = published(data_folder)
    model_store.remove([selectors.model_artifact(search).file])
    assert client.get(reverse("search_download", args=[search.uuid])).status_code == 404


@pytest.mark.django_db
def test_the_command_line_copies_it_and_says_where_it_lies(elsewhere, data_folder, tmp_path):
    search = published(data_folder)
    call_command("search", "download", str(search.uuid), str(tmp_path / "model.zip"), stdout=io.StringIO())
    assert (tmp_path / "model.zip").read_bytes() == CONTENT
    artifact = selectors.model_artifact(search)
    where = model_store.place_of(artifact.file)
    is_folder = isinstance(elsewhere, FileSystemStorage)
    assert where == (elsewhere.path(artifact.file) if is_folder else f"{artifact.file} in s3://models")


@pytest.mark.django_db
def test_it_goes_with_its_search(elsewhere, data_folder):
    search = published(data_folder)
    name = selectors.model_artifact(search).file
    services.delete(search, "the command line")
    assert elsewhere.exists(name)
    services.empty_deleted("the command line")
    assert not elsewhere.exists(name)


@pytest.mark.django_db
def test_a_restored_row_without_its_file_goes_and_one_in_another_storage_stays(elsewhere, data_folder):
    search = published(data_folder)
    Artifact.objects.create(
        candidate=search.candidates.get(kind="pretrain"), format="weights", file="gone.st", sha256="", bytes=1
    )
    assert services.settle_restored() == ["gone.st"]
    assert Artifact.objects.get().format == "model_zip"


@pytest.mark.django_db
def test_a_worker_publishes_the_final_model_and_a_stop_the_best_one(elsewhere, monkeypatch, tmp_path):
    monkeypatch.setattr("searches.slots.usable_cores", lambda: (0,))
    monkeypatch.setattr("searches.slots.bind_threads", lambda cores: None)
    post = worker.Post("alpha:cpu-0", device="cpu")
    finished, stopped = launch(), launch(seed=2)
    work(finished, post)
    work(stopped, post, until="1.1")
    services.stop(stopped, "the command line")
    services.keep_best_model(Search.objects.get(pk=stopped.pk))
    for search in (finished, stopped):
        artifact = selectors.model_artifact(search)
        assert not selectors.artifact_path(artifact).exists()
        copy = tmp_path / f"{search.pk}.zip"
        copy.write_bytes(content_of(artifact.file))
        assert Network.load(copy).architecture.digest == artifact.candidate.digest


@pytest.mark.django_db
def test_what_a_storage_raises_of_its_own_is_an_oserror(elsewhere, data_folder, monkeypatch):
    class ClientError(Exception):
        """As boto3's."""

    def refuses(*of, **said):
        raise ClientError("Access Denied")

    path = data_folder / "searches" / "model-1.zip"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    for way in ("save", "open", "exists", "delete"):
        monkeypatch.setattr(type(elsewhere), way, refuses)
    words = "searches/model-1.zip in s3://models: ClientError: Access Denied"
    for act in (
        lambda: model_store.publish(path),
        lambda: model_store.open_model("searches/model-1.zip"),
        lambda: model_store.is_there("searches/model-1.zip"),
        lambda: model_store.remove(["searches/model-1.zip"]),
    ):
        with pytest.raises(OSError, match=words):
            act()
    assert path.read_bytes() == CONTENT


def test_the_setting_names_a_folder_or_a_bucket():
    assert models_storage("")["BACKEND"] == "searches.model_store.DataFolderStorage"
    assert models_storage("/srv/models")["OPTIONS"]["location"] == "/srv/models"
    s3 = models_storage("s3://lab/nash/models")
    assert s3["BACKEND"] == "storages.backends.s3.S3Storage"
    assert (s3["OPTIONS"]["bucket_name"], s3["OPTIONS"]["location"]) == ("lab", "nash/models")
    with pytest.raises(ValueError, match="write s3://bucket"):
        models_storage("s3://")
