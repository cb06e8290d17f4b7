"""Pages and API of ensembles: made from the list, from compare and here; refused at the field; what a page shows."""

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from searches import services, worker_jobs
from searches.models import BackgroundJob, Ensemble
from searches.selectors.answers import answer_of
from searches.services.members import add_members, ask_to_measure
from tests.searches.rows import make_search, pending, run_to_end
from tests.searches.test_views_trying import picture
from tests.searches.test_worker_exports import body
from tests.searches.trained import make_trained_search

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch) -> list[int]:
    ids: list[int] = []
    monkeypatch.setattr("searches.tasks.enqueue", lambda given, *_a, **_k: ids.extend(given))
    return ids


def text_of(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def work_on(subject):
    job = BackgroundJob.objects.get(subject=subject, status="pending")
    worker_jobs.do(services.claim_job(job.pk, worker="alpha"))


def post_new(client, searches, **more):
    return client.post(reverse("ensemble_new"), {"s": [str(search.uuid) for search in searches], **more})


def facts_of(page):
    return json.loads(re.search(r'<script id="facts" type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_chosen_in_the_list_two_final_models_become_an_ensemble_with_a_page(client, alice):
    searches = [make_trained_search(alice, name=f"Run {seed}", seed=seed) for seed in (1, 2)]
    assert "Make an ensemble" in text_of(client.get(reverse("search_list")))
    compare = f"{reverse('compare')}?s={searches[0].uuid}&s={searches[1].uuid}"
    assert f'action="{reverse("ensemble_new")}"' in client.get(compare).content.decode()
    answer = post_new(client, searches)
    ensemble = Ensemble.objects.get()
    address = reverse("ensemble_detail", args=[ensemble.uuid])
    assert answer["Location"] == address
    before = text_of(client.get(address))
    assert "waits for a worker" in before
    assert "Test error together" not in before
    work_on(f"ensemble:{ensemble.pk}")
    ensemble.refresh_from_db()
    page = client.get(address).content.decode()
    facts = facts_of(page)
    result = ensemble.result
    assert facts["error"] == 1 - result["n_right"] / result["n_images"]
    assert [member["name"] for member in facts["members"]] == ["Run 1: final", "Run 2: final"]
    assert facts["n_parameters"] == sum(member["n_parameters"] for member in facts["members"])
    n, best = result["n_images"], max(member["n_right"] for member in result["members"])
    assert facts["gain_over_best"]["gain"] == pytest.approx((result["n_right"] - best) / n)
    assert facts["gain_over_mean"]["error"] == pytest.approx(sum(m["error"] for m in facts["members"]) / 2)
    low, high = facts["gain_over_mean"]["interval"]
    assert low < facts["gain_over_mean"]["gain"] < high
    assert facts["looks"] == [{"search": "Run 1", "n": 2}, {"search": "Run 2", "n": 2}]
    assert "What averaging gains" in page
    assert "How it errs" in page
    assert ensemble.name in text_of(client.get(reverse("ensemble_list")))
    model = client.get(reverse("model_detail", args=[searches[0].uuid])).content.decode()
    assert address in model
    assert address in client.get(reverse("search_detail", args=[searches[0].uuid])).content.decode()


def test_neither_page_asks_more_for_more_ensembles_or_members(client, alice, django_assert_num_queries):
    searches = [run_to_end(make_search(owner=alice, seed=seed)) for seed in range(4)]
    models = [search.candidates.get(kind="final") for search in searches]

    def made(members) -> str:
        ensemble = Ensemble.objects.create(name="Some", kind="runs", dataset=searches[0].dataset, owner=alice)
        add_members(ensemble, members)
        ask_to_measure(ensemble, alice)
        return reverse("ensemble_detail", args=[ensemble.uuid])

    addresses = [made(models[:2]), reverse("ensemble_list"), "/api/v1/ensembles"]
    for address in addresses:
        client.get(address)
    counts = []
    for address in addresses:
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        counts.append(len(queries))
    detail = made(models)
    made(models[1:])
    for address, count in zip([detail, *addresses[1:]], counts, strict=True):
        with django_assert_num_queries(count):
            assert client.get(address).status_code == 200


def test_searches_of_one_name_are_told_apart_by_their_uuid(client, alice):
    searches = [run_to_end(make_search(owner=alice, name="Tiny", seed=seed)) for seed in (1, 2)]
    other = run_to_end(make_search(owner=alice, name="Other", seed=3))
    page = client.get(reverse("ensemble_list")).content.decode()
    named = [f"Tiny ({str(search.uuid)[:8]})" for search in searches]
    assert [page.count(f">{name}<") for name in (*named, "Tiny", "Other")] == [1, 1, 0, 1]
    post_new(client, [*searches, other])
    members = Ensemble.objects.get().members.values_list("name", flat=True)
    assert [*members] == [f"{name}: final" for name in (*named, "Other")]
    looks = facts_of(client.get(reverse("ensemble_detail", args=[Ensemble.objects.get().uuid])).text)["looks"]
    assert {look["search"] for look in looks} == {*named, "Other"}


def test_without_one_member_it_errs_as_the_others_do(client, alice):
    searches = [make_trained_search(alice, name=f"Run {seed}", seed=seed) for seed in (1, 2)]
    post_new(client, searches)
    ensemble = Ensemble.objects.get()
    work_on(f"ensemble:{ensemble.pk}")
    facts = facts_of(client.get(reverse("ensemble_detail", args=[ensemble.uuid])).content.decode())
    first, second = facts["members"]
    assert (first["error_without"], second["error_without"]) == (second["error"], first["error"])
    assert first["adds"]["gain"] == pytest.approx(second["error"] - facts["error"])
    alone = (first["error"] + second["error"]) / 2
    assert [row["mean"] for row in facts["subsets"]] == pytest.approx([alone, facts["error"]])


def test_a_refusal_stands_at_the_field_and_what_was_chosen_stays_chosen(client, alice):
    search = run_to_end(make_search(owner=alice, name="Lonely"))
    answer = post_new(client, [search], name="Mine")
    page = answer.content.decode()
    assert answer.status_code == 409
    assert 'aria-describedby="error-s s-help" aria-invalid="true"' in page
    assert "“Lonely” alone was chosen: an ensemble is of at least two final models." in text_of(answer)
    assert f'id="s-{search.uuid}" checked' in page
    assert 'value="Mine"' in page
    unknown = client.post(reverse("ensemble_new"), {"s": [str(search.uuid), "0e0ad8b4-0000-4000-8000-000000000000"]})
    assert "1 of the chosen searches is no longer there." in text_of(unknown)
    assert not Ensemble.objects.exists()


def test_one_click_on_a_finished_search_leads_to_a_page_that_says_what_it_waits_for(client, alice, sent):
    search = run_to_end(make_search(owner=alice))
    model = text_of(client.get(reverse("model_detail", args=[search.uuid])))
    assert "Average its snapshots" in model
    assert "1 training of 1 epoch more" in model
    answer = client.post(reverse("search_ensemble", args=[search.uuid]))
    ensemble = Ensemble.objects.get()
    assert answer["Location"] == reverse("ensemble_detail", args=[ensemble.uuid])
    assert sent == [candidate.pk for candidate in pending(search)]
    assert "It is measured as soon as the snapshots of “Tiny” are trained" in text_of(client.get(answer["Location"]))
    again = client.post(reverse("search_ensemble", args=[search.uuid]), {"from": "model"}, follow=True)
    assert "“Snapshots of Tiny” is under way" in text_of(again)


def test_the_launch_form_asks_for_one_at_the_end(client, alice):
    search = run_to_end(make_search(owner=alice))
    address = f"{reverse('search_new')}?clone={search.uuid}"
    assert "Make an ensemble of its snapshots at the end" in text_of(client.get(address))
    from searches.forms import SearchForm

    form = SearchForm(clone=search)
    data = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    data = {**data, "dataset": search.dataset.pk, "name": "With it", "snapshot_ensemble": "on"}
    refused = client.post(reverse("search_new"), {**data, "n_steps": "1"})
    assert 'id="id_snapshot_ensemble_error"' in refused.content.decode()
    assert "an ensemble of one" in text_of(refused)
    client.post(reverse("search_new"), data)
    ensemble = Ensemble.objects.get()
    assert (ensemble.name, ensemble.search.config["comparisons"]) == ("Snapshots of With it", ["snapshots"])
    assert SearchForm(clone=ensemble.search)["snapshot_ensemble"].value()


@pytest.mark.slow
def test_its_files_are_asked_for_shown_with_their_parity_and_sent(client, alice):
    searches = [make_trained_search(alice, name=f"Run {seed}", seed=seed) for seed in (1, 2)]
    post_new(client, searches)
    ensemble = Ensemble.objects.get()
    work_on(f"ensemble:{ensemble.pk}")
    client.post(reverse("ensemble_make_files", args=[ensemble.uuid]))
    work_on(f"ensemble_files:{ensemble.pk}")
    page = client.get(reverse("ensemble_detail", args=[ensemble.uuid]))
    assert "Same answers everywhere" in text_of(page)
    assert "Look 3" in searches[0].events.filter(kind="test_look").last().words
    for file in ensemble.files.all():
        assert file.sha256 in page.content.decode()
    response = client.get(reverse("ensemble_file", args=[ensemble.uuid, "model.onnx"]))
    assert len(body(response)) == ensemble.files.get(format="onnx").bytes
    assert client.get(reverse("ensemble_file", args=[ensemble.uuid, "passwords"])).status_code == 404


def test_it_answers_a_picture_with_the_mean_of_its_members_once_its_files_are_made(client, alice):
    searches = [make_trained_search(alice, name=f"Run {seed}", seed=seed) for seed in (1, 2)]
    post_new(client, searches)
    ensemble = Ensemble.objects.get()
    page, tried = (reverse(name, args=[ensemble.uuid]) for name in ("ensemble_detail", "ensemble_answer"))
    ask = lambda: client.post(tried, picture(), content_type="application/octet-stream")  # noqa: E731
    work_on(f"ensemble:{ensemble.pk}")
    assert 'id="try-it"' not in client.get(page).content.decode()
    assert (ask().status_code, ask().json()["error"]) == (422, "The files of this ensemble are not made yet.")
    client.post(reverse("ensemble_make_files", args=[ensemble.uuid]))
    work_on(f"ensemble_files:{ensemble.pk}")
    response = client.get(page)
    assert "'wasm-unsafe-eval'" in response["Content-Security-Policy"]
    assert len(response.context["try_it"].samples) == 10
    alone = [answer_of(member.candidate, picture()) for member in ensemble.members.all()]
    assert ask().json()["probabilities"] == pytest.approx([sum(of) / 2 for of in zip(*alone, strict=True)], abs=1e-5)


def test_deleting_is_for_its_owner(client, alice, bob):
    searches = [run_to_end(make_search(owner=alice, name=f"Run {seed}", seed=seed)) for seed in (1, 2)]
    ensemble = services.ensemble_runs(searches, alice, "Both")
    address = reverse("ensemble_delete", args=[ensemble.uuid])
    client.force_login(bob)
    assert "Delete" not in text_of(client.get(reverse("ensemble_detail", args=[ensemble.uuid])))
    assert "belongs to alice" in text_of(client.post(address, follow=True))
    client.force_login(alice)
    assert "“Both” is gone" in text_of(client.post(address, follow=True))
    assert not Ensemble.objects.exists()


def test_the_api_lists_shows_and_makes_them_and_refuses_in_the_same_words(client, alice):
    searches = [run_to_end(make_search(owner=alice, name=f"Run {seed}", seed=seed)) for seed in (1, 2)]
    address = "/api/v1/ensembles"

    def post(**wanted):
        return client.post(address, json.dumps(wanted), content_type="application/json")

    refused = post(searches=[str(searches[0].uuid)])
    assert refused.status_code == 409
    assert "“Run 1” alone was chosen" in refused.json()["detail"]
    assert "no search 0e0ad8b4" in post(searches=["0e0ad8b4-0000-4000-8000-000000000000"]).json()["detail"]
    made = post(searches=[str(search.uuid) for search in searches], name="Both")
    assert (made.status_code, made.json()["state"], made.json()["name"]) == (201, "pending", "Both")
    snapshots = post(snapshots_of=str(searches[0].uuid))
    assert (snapshots.status_code, snapshots.json()["state"]) == (201, "waiting")
    assert [line["name"] for line in client.get(address).json()] == ["Snapshots of Run 1", "Both"]
    assert client.get(f"{address}/{made.json()['uuid']}").json()["n_members"] == 2
    client.logout()
    assert client.get(address).status_code == 401
    assert post(searches=[]).status_code == 401
