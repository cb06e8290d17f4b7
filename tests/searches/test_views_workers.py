"""The workers page: who works, on what, how fast; who has gone; what waits."""

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.urls import reverse

from searches import services
from searches.models import Candidate, Worker
from tests.searches.pages import text_of
from tests.searches.rows import leased, make_search, pending

pytestmark = pytest.mark.django_db


def beat(name: str, candidate_id: int | None = None, **columns) -> None:
    versions = {"engine": 2, "python": "3.12.1", "torch": "2.14.1"}
    services.worker_beat(services.WorkerIdentity(name, "attic", 7, "CUDA device 0", versions), candidate_id)
    Worker.objects.filter(name=name).update(**columns)


def silent_for(seconds: float) -> dict:
    return {"last_beat": F("last_beat") - timedelta(seconds=seconds)}


def page_of(client) -> str:
    return text_of(client.get(reverse("worker_list")))


def test_strangers_are_asked_to_sign_in(client):
    assert client.get(reverse("worker_list")).status_code == 302


def test_without_a_worker_the_page_says_how_to_start_one_and_that_nothing_is_lost(client, alice):
    page = page_of(client)
    assert "No worker answers. No training waits." in page
    assert "manage.py up" in page
    make_search(owner=alice)
    page = page_of(client)
    assert "1 training waits for one." in page
    assert "Nothing is lost" in page


def test_the_main_navigation_leads_there(client, alice):
    page = client.get(reverse("search_list")).text
    assert f'<a href="{reverse("worker_list")}"' in page
    assert re.search(r'href="/workers/" aria-current="page"', client.get(reverse("worker_list")).text)


def test_a_worker_says_where_it_is_what_it_trains_and_how_fast(client, alice):
    search = make_search(owner=alice, name="Leaves")
    candidate = pending(search)[0]
    leased(candidate)
    Candidate.objects.filter(pk=candidate.pk).update(images_per_second=12_345.6)
    beat("gpu-0", candidate.pk, memory_bytes=84_900_000_000, memory_used_bytes=1_240_000_000, **silent_for(4))
    page = page_of(client)
    assert "1 worker answers. No training waits." in page
    for words in ("gpu-0", "attic, process 7", "CUDA device 0", "1.2\u202fGB of 85\u202fGB".replace("\u202f", " "),
                  "model_0", "Leaves", "12,346", "engine 2", "torch 2.14.1, Python 3.12.1"):  # fmt: skip
        assert words in page.replace("\u202f", " "), words
    assert re.search(r"\b([4-9]|[1-4]\d) s ago", page.replace("\u202f", " "))  # 4 s, and as long as this test takes
    address = reverse("candidate_detail", args=[search.uuid, "pretrain", 0, 0])
    assert f'href="{address}"' in client.get(reverse("worker_list")).text


def test_an_idle_worker_waits_for_work_and_what_is_not_known_is_not_made_up(client, alice):
    beat("cpu-0")
    page = page_of(client)
    assert "waits for work" in page
    assert "not known" in page
    assert "Refused" not in page


def test_what_a_worker_refused_is_said_in_words(client, alice):
    beat("cpu-0", refusal="The data set of “Leaves” has another digest here.")
    assert "Refused. The data set of “Leaves” has another digest here." in page_of(client)


def test_a_silent_worker_is_called_gone_and_then_leaves_the_page(client, alice):
    beat("cpu-0")
    beat("cpu-1", **silent_for(31))
    beat("cpu-2", **silent_for(61))
    page = client.get(reverse("worker_list")).text
    assert "1 worker answers." in re.sub(r"<[^>]+>", "", page)
    assert re.findall(r'class="is-gone">\s*<th scope="row" class="name">(cpu-\d)', page) == ["cpu-1"]
    assert "cpu-2" not in page


def test_the_page_asks_no_more_for_more_workers(client, alice, django_assert_num_queries):
    candidate = pending(make_search(owner=alice))[0]
    beat("cpu-0", candidate.pk)
    client.get(reverse("worker_list"))
    with django_assert_num_queries(4):  # session, account, workers with what they train, what waits
        client.get(reverse("worker_list"))
    for i in range(1, 4):
        beat(f"cpu-{i}", candidate.pk)
    with django_assert_num_queries(4):
        client.get(reverse("worker_list"))
