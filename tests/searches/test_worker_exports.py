"""Files of a model: asked for on its page, made by a background job, equal to their sums, downloaded in parts."""

import hashlib
import io
import json
import zipfile

import pytest
from django.urls import reverse

from searches import model_store, services, worker_jobs
from searches.models import Artifact, BackgroundJob, Candidate
from searches.selectors.exports import NAMES, model_files
from searches.services import Refused
from tests.searches.rows import make_search, pending
from tests.searches.trained import make_trained_search

pytestmark = pytest.mark.django_db


def address(candidate, name=""):
    place = [candidate.search.uuid, candidate.kind, candidate.step, candidate.index]
    return reverse("candidate_file", args=[*place, name]) if name else reverse("candidate_make_files", args=place)


def make(candidate, client):
    client.post(address(candidate))
    job = BackgroundJob.objects.get(candidate=candidate, status="pending")
    lease = services.claim_job(job.pk, worker="alpha")
    worker_jobs.do(lease)
    job.refresh_from_db()
    return job


async def _read(response):
    return b"".join([piece async for piece in response.streaming_content])


def body(response):
    from asgiref.sync import async_to_sync

    return async_to_sync(_read)(response)


def test_all_files_of_a_final_model_are_made_once_agree_and_are_what_their_sums_say(client, alice, data_folder):
    search = make_trained_search(alice, n_test=120)
    final = search.candidates.get(kind="final")
    job = make(final, client)
    assert job.status == "done", job.reason
    parity = job.result["parity"]
    assert (parity["where"], parity["n_images"], parity["look"]) == ("test", 120, 2)
    assert set(parity["errors"]) == {"trainer", "model.py", "model.onnx", "model.pt2"}
    assert parity["errors"]["trainer"] == pytest.approx(1 - final.test_accuracy, abs=1e-6)
    assert parity["spread"] <= 0.0001
    assert search.events.filter(kind="test_look").count() == 1

    page = client.get(reverse("model_detail", args=[search.uuid])).content.decode()
    for key, name in NAMES.items():
        artifact = final.artifacts.get(format=key)
        response = client.get(address(final, name))
        content = body(response)
        assert hashlib.sha256(content).hexdigest() == artifact.sha256, name
        assert artifact.sha256 in page
        assert len(content) == artifact.bytes
        assert response["ETag"] == f'"{artifact.sha256}"'
        part = client.get(address(final, name), headers={"Range": "bytes=5-"})
        assert (part.status_code, body(part)) == (206, content[5:])
        assert client.get(address(final, name), headers={"If-None-Match": f'"{artifact.sha256}"'}).status_code == 304
    with zipfile.ZipFile(io.BytesIO(body(client.get(address(final, "model.zip"))))) as archive:
        assert set(archive.namelist()) == {"README.txt", *NAMES.values()} - {"model.zip"}
        described = json.loads(archive.read("architecture.json"))
        card = archive.read("model_card.md").decode()
    assert described["info"]["test_accuracy"] == final.test_accuracy
    assert "95 % interval" in card
    assert f"{final.n_parameters:,} parameters" in card
    assert "How it errs" in page
    assert "Most confident mistakes" in page

    with pytest.raises(Refused, match="The files of final are there already"):
        services.ask_for_files(final, alice)
    client.post(address(final))
    assert not BackgroundJob.objects.exclude(pk=job.pk).exists()

    evaluation = job.result["evaluation"]
    assert evaluation["n_right"] == round(final.test_accuracy * 120)
    folders = {path.parent.name for path in data_folder.rglob("model.onnx")}
    assert folders == {f"files-{job.pk}-1"}


@pytest.mark.slow
def test_a_network_of_the_steps_proves_it_on_the_validation_images_and_the_test_set_stays_unseen(client, alice):
    search = make_trained_search(alice)
    winner = search.candidates.get(kind="neighbour", is_winner=True)
    job = make(winner, client)
    assert job.status == "done", job.reason
    assert (job.result["parity"]["where"], job.result["parity"]["look"]) == ("validation", None)
    assert "evaluation" not in job.result
    assert not search.events.filter(kind="test_look").exists()
    page = client.get(reverse("candidate_detail", args=[search.uuid, "neighbour", 1, winner.index])).content.decode()
    assert "The test set was not looked at." in page
    assert "Make all files" not in page


@pytest.mark.slow
def test_files_that_disagree_are_not_kept(client, alice, data_folder, monkeypatch):
    from searches.nash import parity

    found = {"n_images": 9, "errors": {"trainer": 0.1, "model.onnx": 0.2}, "holds": False}
    monkeypatch.setattr(parity, "parity", lambda *_arguments, **_more: found)
    search = make_trained_search(alice)
    job = make(search.candidates.get(kind="final"), client)
    assert job.status == "failed"
    assert "do not answer alike on the test images: trainer 10.00 %, model.onnx 20.00 %" in job.reason
    assert not list(data_folder.rglob("model.onnx"))
    assert not Artifact.objects.filter(format="onnx").exists()


def test_what_was_never_trained_has_no_files(client, alice):
    candidate = pending(make_search(owner=alice))[0]
    with pytest.raises(Refused, match="not trained yet"):
        services.ask_for_files(candidate, alice)
    client.post(address(candidate))
    assert not BackgroundJob.objects.exists()
    assert client.get(address(candidate, "model.onnx")).status_code == 404
    assert client.get(address(candidate, "passwords")).status_code == 404
    page = client.get(reverse("candidate_detail", args=[candidate.search.uuid, "pretrain", 0, 0])).content.decode()
    assert "There is nothing to download before it is trained." in page


def test_a_look_at_the_test_set_is_spent_by_who_may_change_the_search_alone(client, alice, bob):
    search = make_trained_search(alice)
    final, winner = search.candidates.get(kind="final"), search.candidates.get(kind="neighbour", is_winner=True)
    page = reverse("model_detail", args=[search.uuid])
    assert "Make all files" in client.get(page).text
    client.force_login(bob)
    assert "Make all files" not in client.get(page).text
    with pytest.raises(Refused, match="belongs to alice: only its owner and staff can have the test set looked at"):
        services.ask_for_files(final, bob)
    client.post(address(final))
    assert not BackgroundJob.objects.exists()
    client.post(address(winner))  # is proved on the validation images
    assert BackgroundJob.objects.get().candidate == winner
    services.ask_for_files(final, "the command line")


def test_files_go_with_their_search_for_good(alice, data_folder):
    search = make_trained_search(alice)
    final = search.candidates.get(kind="final")
    file = data_folder / "searches" / str(search.uuid) / final.slug / "files-1-1" / "model.onnx"
    file.parent.mkdir()
    file.write_bytes(b"onnx")
    Artifact.objects.create(
        candidate=final, format="onnx", file=file.relative_to(data_folder).as_posix(), sha256="", bytes=4
    )
    services.delete(search, alice)
    services.empty_deleted(alice)
    assert not file.exists()
    assert not Candidate.objects.exists()
    assert not model_store.is_there(str(file))


def test_the_zip_that_a_training_wrote_is_called_what_it_holds(alice):
    final = make_trained_search(alice).candidates.select_related("search").get(kind="final")
    row = {"candidate": final, "sha256": "0" * 64, "bytes": 1}
    Artifact.objects.create(format="model_zip", file="model-1.zip", **row)
    first, *_ = model_files(final)
    assert (first.name, first.words) == ("model.zip", "weights, model.py and architecture.json in one file")
    Artifact.objects.create(format="onnx", file="model.onnx", **row)
    assert model_files(final)[0].words == "everything below in one file"
