"""The launch form and the API: start from a model of this site, from a zip, from what a cloned search began with."""

import hashlib
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from searches import services, worker_files
from searches.forms import SearchForm
from searches.models import Artifact, Search, StartNetwork
from searches.nash.export import export_model
from searches.selectors.starting import model_value
from searches.services import sent_zips
from tests.searches.rows import make_dataset
from tests.searches.trained import make_trained_search

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    found: list[int] = []
    monkeypatch.setattr("searches.tasks.enqueue", found.extend)
    return found


@pytest.fixture
def final(alice, data_folder):
    return make_trained_search(alice, name="Grown").candidates.get(kind="final")


@pytest.fixture
def zipped(final, tmp_path):
    """A downloaded model, as bytes."""
    network, _ = worker_files.load_network(final)
    info = {"name": "Mine", "classes": final.search.dataset.meta["classes"]}
    return export_model(network, tmp_path / "model.zip", info=info).read_bytes()


def data_of(final, **changes):
    """What the form would send as it stands."""
    bound = SearchForm(asker=final.search.owner)
    sent = {field.name: field.value() for field in bound if field.name not in ("start_zip", "start_kept")}
    sent = {name: value for name, value in sent.items() if value not in (None, "", False)}
    return {**sent, "dataset": final.search.dataset.pk, "name": "Child", **changes}


def upload(content, name="mine.zip"):
    return SimpleUploadedFile(name, content, "application/zip")


def mistakes(response):
    return {field.name: message for field, message in response.context["form"].mistakes}


def test_the_form_offers_finished_models_and_the_one_that_the_address_names(client, final):
    page = client.get(reverse("search_new")).content.decode()
    assert f'<option value="{model_value(final)}"' in page
    assert 'value="fresh" checked' in page
    first = final.search.candidates.get(kind="pretrain")
    page = client.get(reverse("search_new"), {"begin": model_value(first)}).content.decode()
    assert f'<option value="{model_value(first)}" selected>' in page
    assert 'value="model" checked' in page
    assert 'value="same"' not in page


def test_models_of_searches_of_one_name_are_told_apart(client, final, alice):
    other = make_trained_search(alice, name="Grown", seed=1).candidates.get(kind="final")
    page = client.get(reverse("search_new")).content.decode()
    for candidate in (final, other):
        named = f">Grown ({str(candidate.search.uuid)[:8]}), final, on digits: "
        assert f'<option value="{model_value(candidate)}"{named}' in page


def test_a_model_of_this_site_starts_a_search_and_its_page_says_so_with_a_link(client, final, sent):
    response = client.post(reverse("search_new"), data_of(final, start="model", start_model=model_value(final)))
    search = Search.objects.get(name="Child")
    assert response.url == reverse("search_detail", args=[search.uuid])
    assert sent == [search.candidates.get().pk]
    assert search.candidates.get().digest == final.digest
    page = client.get(response.url).content.decode()
    link = reverse("candidate_detail", args=[final.search.uuid, "final", 1, 0])
    assert page.count(f'started from <a href="{link}">final of “Grown”</a>') == 2
    assert search.start_network.sha256[:12] in page


def test_a_zip_starts_a_search(client, final, zipped):
    client.post(reverse("search_new"), data_of(final, start="zip", start_zip=upload(zipped)))
    row = StartNetwork.objects.get(search__name="Child")
    assert row.sha256 == final.artifacts.get(format=Artifact.Format.WEIGHTS).sha256
    assert row.words == "mine.zip (“Mine”)"
    page = client.get(reverse("search_detail", args=[row.search.uuid])).content.decode()
    assert "started from mine.zip (“Mine”)" in page


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"start": "zip"}, "start_zip", "Choose the zip"),
        ({"start": "zip", "start_zip": b"text"}, "start_zip", "mine.zip: not an exported model"),
        ({"start": "model", "start_model": "nothing"}, "start_model", "No such model here"),
        ({"start": "model", "start_model": ""}, "start_model", "No such model here"),
        ({"start": "elsewhere"}, "start", "not one of the available choices"),
        ({"start": "same"}, "start", "not one of the available choices"),
    ],
)
def test_what_is_no_network_is_said_at_its_field_and_nothing_starts(client, final, changes, field, words):
    if "start_zip" in changes:
        changes = {**changes, "start_zip": upload(changes["start_zip"])}
    response = client.post(reverse("search_new"), data_of(final, **changes))
    assert words in mistakes(response)[field]
    assert not Search.objects.filter(name="Child").exists()


def test_shape_classes_and_bounds_are_checked_against_the_data_set(client, final, zipped):
    flowers = make_dataset("flowers", input_channels=3, height=32, width=32, n_classes=5)
    response = client.post(
        reverse("search_new"), data_of(final, start="zip", start_zip=upload(zipped), dataset=flowers.pk)
    )
    assert mistakes(response)["start_zip"] == (
        "It takes images of 8 x 8 px, grey, the data set has 32 x 32 px, in colour; "
        "it tells 10 classes apart, the data set has 5."
    )
    response = client.post(
        reverse("search_new"),
        data_of(final, start="model", start_model=model_value(final), max_parameters="100", channels="4"),
    )
    assert "model_0&#x27;s own size" in response.content.decode()
    assert set(mistakes(response)) == {"max_parameters"}
    assert not Search.objects.filter(name="Child").exists()


def kept(data_folder):
    return [path.name for path in (data_folder / "uploads").rglob("*") if path.is_file()]


def test_a_zip_that_was_sent_need_not_be_chosen_again_while_other_values_are_mended(
    client, final, zipped, data_folder
):
    address, sha256 = reverse("search_new"), hashlib.sha256(zipped).hexdigest()
    response = client.post(address, data_of(final, start="zip", start_zip=upload(zipped), n_steps="0"))
    assert set(mistakes(response)) == {"n_steps"}
    assert f'type="hidden" name="start_kept" value="{sha256}"' in response.content.decode()
    assert "mine.zip, " in response.content.decode()
    again = {"start": "zip", "start_kept": sha256}
    estimate = client.get(reverse("api-1:estimate"), data_of(final, **again)).json()
    assert (estimate["mistakes"], estimate["seconds"] is None) == ({}, False)
    client.post(address, data_of(final, **again))
    assert StartNetwork.objects.get(search__name="Child").words == "mine.zip (“Mine”)"
    assert kept(data_folder) == []
    response = client.post(address, data_of(final, **again))
    assert mistakes(response) == {"start_zip": "The zip that was sent is no longer kept: choose it again."}


def test_a_zip_that_was_sent_is_there_after_another_choice_and_gives_way_to_another_zip(client, final, zipped):
    address, sha256 = reverse("search_new"), hashlib.sha256(zipped).hexdigest()
    client.post(address, data_of(final, start="zip", start_zip=upload(zipped), n_steps="0"))
    response = client.post(address, data_of(final, start="fresh", start_kept=sha256, n_steps="0"))
    assert f'name="start_kept" value="{sha256}"' in response.content.decode()
    other = data_of(final, start="zip", start_kept=sha256, start_zip=upload(b"text", "other.zip"))
    response = client.post(address, other)
    assert "other.zip: not an exported model" in mistakes(response)["start_zip"]
    assert 'name="start_kept"' not in response.content.decode()


def test_nobody_else_starts_from_a_zip_that_was_sent_and_it_is_kept_for_a_day(
    client, final, zipped, bob, data_folder, monkeypatch
):
    address, sha256 = reverse("search_new"), hashlib.sha256(zipped).hexdigest()
    client.post(address, data_of(final, start="zip", start_zip=upload(zipped), n_steps="0"))
    client.force_login(bob)
    response = client.post(address, data_of(final, start="zip", start_kept=sha256))
    assert "no longer kept" in mistakes(response)["start_zip"]
    response = client.post(address, data_of(final, start="zip", start_kept="../" + sha256))
    assert "no longer kept" in mistakes(response)["start_zip"]
    assert kept(data_folder) == ["mine.zip"]
    monkeypatch.setattr(sent_zips, "KEPT_SECONDS", -1)
    client.post(address, data_of(final, start="zip", start_zip=upload(b"text")))
    assert kept(data_folder) == []


def test_a_zip_larger_than_allowed_is_refused(client, final, zipped, settings):
    settings.NASH_MAX_UPLOAD_BYTES = 1000
    response = client.post(reverse("search_new"), data_of(final, start="zip", start_zip=upload(zipped)))
    assert "more than the 1,000 that may be sent" in mistakes(response)["start_zip"]


def test_a_clone_starts_from_the_same_network(client, final):
    client.post(reverse("search_new"), data_of(final, start="model", start_model=model_value(final)))
    child = Search.objects.get(name="Child")
    address = f"{reverse('search_new')}?clone={child.uuid}"
    assert 'value="same" checked' in client.get(address).content.decode()
    client.post(address, data_of(final, name="Cloned", start="same", clone=child.uuid))
    assert Search.objects.get(name="Cloned").start_network.sha256 == child.start_network.sha256
    services.start_path(child.start_network).unlink()
    response = client.post(address, data_of(final, name="Another", start="same", clone=child.uuid))
    assert "no longer there" in mistakes(response)["start"]


def test_the_estimate_knows_the_start_network_and_says_what_it_cannot_know(client, final):
    fresh = client.get(reverse("api-1:estimate"), data_of(final, start="fresh")).json()
    grown = client.get(
        reverse("api-1:estimate"), data_of(final, start="model", start_model=model_value(final))
    ).json()
    assert fresh["mistakes"] == grown["mistakes"] == {}
    assert grown["growth_words"] != fresh["growth_words"]
    unknown = client.get(reverse("api-1:estimate"), data_of(final, start="zip")).json()
    assert unknown["source"].startswith("Known once the zip is here")


def test_the_api_launches_as_the_form_does(client, final, zipped, sent):
    response = client.post("/api/v1/searches", data_of(final, start="zip", start_zip=upload(zipped)))
    assert response.status_code == 201
    search = Search.objects.get(uuid=response.json()["uuid"])
    assert search.owner == final.search.owner
    assert search.start_network.words == "mine.zip (“Mine”)"
    assert sent == [search.candidates.get().pk]
    assert client.get(f"/api/v1/searches/{search.uuid}").json()["start"]["sha256"] == search.start_network.sha256
    refused = client.post("/api/v1/searches", data_of(final, start="zip", n_steps="0"))
    assert refused.status_code == 422
    assert set(refused.json()["mistakes"]) == {"start_zip", "n_steps"}
    client.logout()
    assert client.post("/api/v1/searches", data_of(final)).status_code == 401


def test_searches_that_start_differently_are_compared_by_it(client, final):
    for name, start in (("Child", "model"), ("Fresh", "fresh")):
        client.post(reverse("search_new"), data_of(final, name=name, start=start, start_model=model_value(final)))
    pair = [str(Search.objects.get(name=name).uuid) for name in ("Child", "Fresh")]
    page = client.get(reverse("compare"), {"s": pair})
    assert page.status_code == 200
    assert f"architecture {final.digest}" in page.content.decode()


def test_the_search_in_a_file_and_the_log_name_it_too(client, final):
    client.post(reverse("search_new"), data_of(final, start="model", start_model=model_value(final)))
    child = Search.objects.get(name="Child")
    report = client.get(reverse("search_report", args=[child.uuid])).content.decode()
    assert f"architecture {final.digest}, weights sha256" in report
    frames = client.get(f"/api/v1/searches/{child.uuid}/events").json()["events"]
    assert "started from final of “Grown”" in json.dumps(frames, ensure_ascii=False)
