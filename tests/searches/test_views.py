"""The pages: who sees what, what they say, and that a form posts what it promises."""

import json
import re

import pytest
from django.urls import reverse

from searches import services
from searches.diagrams import DRAWING_VERSION
from searches.models import Search
from tests.searches.drawings import large
from tests.searches.rows import claim, leased, make_dataset, make_search, pending, run_to, run_to_end, train

pytestmark = pytest.mark.django_db


def url(name: str, search: Search, *rest) -> str:
    return reverse(name, args=[search.uuid, *rest])


def snapshot_of(answer) -> dict:
    found = re.search(r'<script id="snapshot" type="application/json">(.*?)</script>', answer.text, re.S)
    assert found
    return json.loads(found[1])


# ------------------------------------------------------------------ who


@pytest.mark.parametrize("name", ["search_list", "search_new"])
def test_strangers_are_asked_to_sign_in(client, name):
    answer = client.get(reverse(name))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("login"))


def test_no_page_of_a_search_is_open_to_strangers(client):
    search = make_search()
    digest = search.candidates.get().digest
    for address in (
        url("search_detail", search),
        url("search_tree", search),
        url("search_download", search),
        url("candidate_detail", search, "pretrain", 0, 0),
        reverse("architecture_svg", args=[digest]),
    ):
        assert client.get(address).status_code == 302, address


def test_who_does_not_own_a_search_sees_it_but_gets_no_buttons(client, alice, bob):
    search = make_search(owner=bob)
    page = client.get(url("search_detail", search))
    assert page.status_code == 200
    assert url("search_pause", search) not in page.text


def test_who_does_not_own_a_search_cannot_stop_it(client, alice, bob):
    search = make_search(owner=bob)
    page = client.post(url("search_stop", search), follow=True)
    search.refresh_from_db()
    assert search.status == "waiting"
    assert "only its owner and staff" in page.text


# ------------------------------------------------------------------ the list


def test_an_empty_list_says_what_to_do(client, alice):
    page = client.get(reverse("search_list"))
    assert "No searches yet" in page.text
    assert f"{reverse('search_new')}?preset=demo" in page.text


def test_the_list_shows_state_progress_best_and_size(client, alice):
    search = run_to(make_search(owner=alice, name="Leaves, seed 7"), "2.1").search
    page = client.get(reverse("search_list")).text
    assert "Leaves, seed 7" in page
    assert url("search_detail", search) in page
    assert "70.00\u202f%" in page  # 1.2 won step 1
    assert "data-epochs>7</span>" in page  # of 14 epochs: 1 + 3 x 2
    best = search.candidates.get(step=1, index=2)
    assert f"{best.n_parameters:,}" in page


def test_a_search_whose_workers_are_gone_is_called_stalled(client, alice):
    search = make_search(owner=alice)
    leased(pending(search)[0])
    page = client.get(reverse("search_list")).text
    assert "Stalled" in page
    services.worker_beat(services.WorkerIdentity("alpha:cpu-0", "alpha", 1, "CPU core 0", {}), None)
    page = client.get(reverse("search_list")).text
    assert "Stalled" not in page
    assert "pretraining" in page


def test_a_finished_search_shows_its_test_error_in_the_list(client, alice):
    run_to_end(make_search(owner=alice))
    assert "test error 10.00\u202f%" in client.get(reverse("search_list")).text


def test_the_list_asks_the_database_no_more_for_more_searches(client, alice, django_assert_max_num_queries):
    make_search(owner=alice)
    run_to_end(make_search(owner=alice))
    address = reverse("search_list")
    client.get(address)
    n = 20  # session, account, workers; of the list: version, choices of filters, counts of chips, lines, deleted
    with django_assert_max_num_queries(n):
        client.get(address)
    for _ in range(5):
        train(pending(make_search(owner=alice))[0])
    with django_assert_max_num_queries(n):
        client.get(address)


# ------------------------------------------------------------------ launching


def posted(**changes) -> dict:
    return {
        "name": "Mine", "dataset": make_dataset().pk, "preset": "demo", "seed": 3,
        "n_steps": 2, "n_neigh": 3, "n_NM": 2, "epoch_pretrain": 1, "epoch_neigh": 2, "epoch_final": 4,
        "lambda_start": "0.05", "lambda_end": "0",
        "batch_size": 32, "momentum": "0.9", "nesterov": "on", "weight_decay": "0.0005", "precision": "auto",
        "evaluate_each_epoch": "on", "channels": "8, 8", "head": "auto", "kernels": [3, 5], "widen_factors": "2, 4",
        "widen_init": "copy", "freeze_new_batchnorm_epochs": 0, "calibration_images": 100, "max_channels": 64,
        "max_parameters": "1 M", "max_macs": "1 G", **changes,
    }  # fmt: skip


def test_a_filled_form_launches_the_search_and_sends_its_first_training(client, alice, monkeypatch):
    sent = []
    monkeypatch.setattr("searches.tasks.enqueue", lambda ids, *rest, **more: sent.extend(ids))
    answer = client.post(reverse("search_new"), posted())
    search = Search.objects.get()
    assert answer.status_code == 302
    assert answer.url == url("search_detail", search)
    assert (search.owner, search.name, search.preset) == (alice, "Mine", "demo")
    assert search.search_config.epoch_budget == 1 + 2 * 3 * 2 + 4
    assert search.search_config.seed == 3
    assert sent == [search.candidates.get().pk]


def test_a_form_with_a_mistake_launches_nothing_and_points_at_it(client, alice):
    page = client.post(reverse("search_new"), posted(lambda_end="0.1")).text
    assert not Search.objects.exists()
    assert "One value needs mending" in page
    assert 'href="#id_lambda_end"' in page
    assert re.search(r'id="id_lambda_end"[^>]*aria-invalid="true"|aria-invalid="true"[^>]*id="id_lambda_end"', page)
    assert 'value="0.1"' in page  # what was typed is still there


def test_the_address_chooses_the_preset(client, alice):
    page = client.get(f"{reverse('search_new')}?preset=paper-8").text
    assert re.search(r'id="preset-paper-8"[^>]*checked', page)
    assert "60,000,000" in page


# ------------------------------------------------------------------ the search page


def test_the_page_begins_with_the_snapshot_and_its_addresses(client, alice):
    search = run_to(make_search(owner=alice), "1.3").search
    page = client.get(url("search_detail", search))
    state = snapshot_of(page)
    assert state["uuid"] == str(search.uuid)
    assert [c["code"] for c in state["candidates"]] == ["model_0", "1.1", "1.2", "1.3"]
    assert f'data-socket="/ws/searches/{search.uuid}/"' in page.text


@pytest.mark.parametrize("name", ["search_detail", "search_list", "search_new"])
def test_no_page_has_a_script_or_style_inside(client, alice, name):
    search = run_to_end(make_search(owner=alice))
    page = client.get(url(name, search) if name == "search_detail" else reverse(name)).text
    scripts = re.findall(r"<script(?![^>]*(?:src=|application/json))[^>]*>", page)
    assert scripts == []
    assert "<style" not in page
    assert not re.search(r"\sstyle=", page)
    assert not re.search(r"\son[a-z]+=", page)


def test_a_name_is_never_read_as_markup(client, alice):
    search = make_search(owner=alice, name="</script><img src=x onerror=alert(1)>")
    page = client.get(url("search_detail", search)).text
    assert "<img src=x" not in page
    assert snapshot_of(client.get(url("search_detail", search)))["name"] == search.name


def test_pause_resume_and_stop_do_what_they_say(client, alice, monkeypatch):
    sent = []
    monkeypatch.setattr("searches.tasks.enqueue", lambda ids, *rest, **more: sent.extend(ids))
    search = make_search(owner=alice)
    for verb, status in (("pause", "paused"), ("resume", "waiting"), ("stop", "stopped")):
        assert client.post(url(f"search_{verb}", search)).url == url("search_detail", search)
        search.refresh_from_db()
        assert search.status == status
    assert sent == [search.candidates.get().pk]  # of the resume


def test_a_verb_that_comes_too_late_says_why_it_was_refused(client, alice):
    search = run_to_end(make_search(owner=alice))
    page = client.post(url("search_pause", search), follow=True)
    assert "has finished" in page.text
    assert client.get(url("search_pause", search)).status_code == 405


@pytest.mark.parametrize("name", ["search_detail", "model_detail"])
def test_the_pages_of_a_search_stand_below_searches_in_the_navigation(client, alice, name):
    page = client.get(url(name, run_to_end(make_search(owner=alice)))).text
    assert page.partition("</nav>")[0].count('aria-current="page">Searches<') == 1


# ------------------------------------------------------------------ one candidate, drawings


def test_the_page_of_a_child_draws_it_against_its_parent(client, alice):
    search = run_to(make_search(owner=alice), "2.1").search
    child = search.candidates.get(step=1, index=1)
    page = client.get(url("candidate_detail", search, "neighbour", 1, 1))
    assert page.status_code == 200
    assert f"<h1 id=\"candidate-h\">{child.code}</h1>" in page.text
    assert url("candidate_detail", search, "pretrain", 0, 0) in page.text
    drawing = page.context["drawing"]
    assert "is-new" in drawing or "is-wide" in drawing
    assert drawing in page.text


def test_a_large_network_has_the_width_of_its_page_and_is_drawn_in_columns(client, alice):
    search = make_search(owner=alice)
    client.force_login(alice)
    address = url("candidate_detail", search, "pretrain", 0, 0)
    assert "search-layout is-wide" not in client.get(address).text
    search.candidates.update(architecture=large(60, 18).to_dict())
    page = client.get(address).text
    assert re.search(r'search-layout is-wide">\s*<section class="panel" id="network"', page)
    assert 'data-width="1334" data-columns-from="850.0"' in page
    assert page.count('class="band"') == 4  # 8×8 in two columns


def test_a_candidate_that_is_not_there_is_404_in_the_page_style(client, alice):
    answer = client.get(url("candidate_detail", make_search(owner=alice), "neighbour", 9, 9))
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.text


def test_the_tree_is_drawn_for_the_width_that_is_asked_for(client, alice):
    search = run_to(make_search(owner=alice), "1.3").search
    for asked, width in (("334", "334"), ("1", "280"), ("nonsense", "896")):
        answer = client.get(url("search_tree", search), {"width": asked})
        assert answer["Content-Type"] == "image/svg+xml"
        assert f'width="{width}"' in answer.text


def test_an_architecture_is_drawn_by_its_digest_and_kept_by_the_browser(client, alice):
    search = run_to(make_search(owner=alice), "1.3").search
    child, parent = search.candidates.get(step=1, index=1), search.candidates.get(kind="pretrain")
    asked = {"against": parent.digest, "width": "334", "v": DRAWING_VERSION}
    answer = client.get(reverse("architecture_svg", args=[child.digest]), asked)
    assert answer.status_code == 200
    assert "immutable" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]
    again = client.get(reverse("architecture_svg", args=[child.digest]), {**asked, "v": "00000000"})
    assert "immutable" not in again["Cache-Control"]  # asked for by a page of other drawing code
    assert again.text == answer.text
    for of, n_listed in ((child.pk, len(child.morphisms)), (parent.pk, 0), ("x", 0)):  # its morphisms, and no other's
        listed = client.get(reverse("architecture_svg", args=[child.digest]), {**asked, "of": of})
        assert listed.text.count("parameters_gained") == n_listed
    assert client.get(reverse("architecture_svg", args=["0" * 16])).status_code == 404


def test_a_lost_worker_leaves_the_page_readable(client, alice):
    search = make_search(owner=alice)
    lease = leased(pending(search)[0])
    services.release_failed(lease, "killed by signal 9")
    assert claim(search.candidates.get()) is not None
    page = client.get(url("search_detail", search))
    assert page.status_code == 200
    assert "killed by signal 9" in json.dumps(snapshot_of(page))


def test_the_page_of_a_failed_search_says_why(client, alice):
    search = make_search(owner=alice)
    services.end_candidate(leased(pending(search)[0]), "diverged", "the loss became NaN")
    page = client.get(url("search_detail", search))
    assert snapshot_of(page)["status"] == "failed"
    assert "no candidate of pretraining survived" in page.text


def test_a_network_is_a_file_that_says_which_it_is(client, alice):
    search = make_search(owner=alice, name="Größer & better")
    child = run_to(search, "1.2")
    answer = client.get(reverse("candidate_drawing", args=[search.uuid, child.kind, 1, 2]), {"width": "560"})
    name = f"groer-better-1-2-{str(search.uuid)[:8]}.svg"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    text = answer.content.decode()
    assert 'width="560"' in text
    assert "<style>" in text
    assert "var(--" not in text
