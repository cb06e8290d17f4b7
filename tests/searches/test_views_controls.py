"""The buttons of a search's page: every verb of the table has one, in the states that the table says."""

import html
import re

import pytest
from django.urls import reverse

from searches import services
from searches.models import ENGINE_VERSION, Search
from searches.views.buttons import BUTTONS
from tests.searches.rows import make_search, pending, run_to, run_to_end, train

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch):
    """The candidates that were sent to the queue."""
    ids = []
    monkeypatch.setattr("searches.tasks.enqueue", lambda these, *rest, **more: ids.extend(these))
    return ids


def url(name: str, search: Search, *rest) -> str:
    return reverse(name, args=[search.uuid, *rest])


def offered(page: str) -> dict[str, set[str]]:
    """Address of each form -> the states in which it is offered."""
    found: dict[str, set[str]] = {}
    for form in re.findall(r"<form[^>]*data-offered-in[^>]*>", page):
        address, states = re.search(r'action="([^"]*)"', form), re.search(r'data-offered-in="([^"]*)"', form)
        assert address
        assert states
        found.setdefault(address[1], set()).update(states[1].split())
    return found


def test_every_verb_has_a_button_in_the_states_of_the_one_table(client, alice):
    search = make_search(owner=alice)
    page = client.get(url("search_detail", search)).text
    forms = offered(page)
    elsewhere = {"train", "clone", "undelete", "extend"}  # what workers do; a link; the others are looked at below
    for verb in set(services.VERBS) - elsewhere:
        assert forms.pop(url(f"search_{verb}", search)) == set(services.VERBS[verb]), verb
    averaged = forms.pop(url("search_ensemble", search))
    assert averaged == set(services.VERBS["compare"])  # it trains what is missing as a comparison does
    assert forms == {}
    extend = re.search(r'id="extend-open"[^>]*data-offered-in="([^"]*)"', page)
    assert extend
    assert set(extend[1].split()) == set(services.VERBS["extend"])
    assert url("search_extend", search) in page
    assert f"{reverse('search_new')}?clone={search.uuid}" in page
    assert url("search_undelete", search) in page


def test_every_button_says_what_it_will_do(client, alice):
    page = html.unescape(client.get(url("search_detail", make_search(owner=alice))).text)
    for button in (*BUTTONS["row"], *BUTTONS["menu"], BUTTONS["delete"]):
        assert button.words in page
        assert button.words.endswith(".")
        assert bool(button.ask) == bool(button.yes)


def test_what_cannot_be_undone_asks_first():
    asked = {b.verb for b in (*BUTTONS["row"], *BUTTONS["menu"], BUTTONS["delete"]) if b.ask}
    assert asked >= {"pause", "stop", "finish_now", "delete"}


def test_run_next_puts_a_search_first_and_goes_back_to_where_the_button_stood(client, alice, sent):
    first, second = make_search(owner=alice), make_search(owner=alice)
    assert client.post(url("search_run_next", second)).url == url("search_detail", second)
    assert client.post(url("search_run_next", first), {"from": "list"}).url == reverse("search_list")
    order = Search.objects.order_by("-priority").values_list("pk", flat=True)
    assert list(order) == [first.pk, second.pk]
    assert sent == [second.candidates.get().pk, first.candidates.get().pk]


def test_go_on_needs_a_use_asks_first_and_takes_a_search_of_another_version_on(client, alice, sent):
    search = make_search(owner=alice)
    (form,) = re.findall(r"<form[^>]*go-on[^>]*>", client.get(url("search_detail", search)).text)
    assert 'data-needs="use"' in form
    assert f'data-title="Go on with engine version {ENGINE_VERSION}?"' in form
    page = client.post(url("search_go_on", search), follow=True)
    assert "it goes on by itself" in page.text
    assert sent == []
    Search.objects.update(engine_version=ENGINE_VERSION - 1)
    assert client.post(url("search_go_on", search)).url == url("search_detail", search)
    search.refresh_from_db()
    assert search.engine_version == ENGINE_VERSION
    assert sent == [search.candidates.get().pk]


def test_finish_now_trains_the_best_so_far_for_the_last_time(client, alice, sent):
    search = run_to(make_search(owner=alice), "1.3").search
    page = client.post(url("search_finish_now", search), follow=True)
    assert page.status_code == 200
    final = search.candidates.get(kind="final")
    assert final.parent.code == "1.2"
    assert sent == [final.pk]


def test_finish_now_with_nothing_to_finish_is_refused_in_words(client, alice):
    search = make_search(owner=alice)
    page = client.post(url("search_finish_now", search), follow=True)
    assert 'class="alert alert-bad"' in page.text
    search.refresh_from_db()
    assert search.status == "waiting"


def test_a_finished_search_is_extended_by_the_steps_that_were_typed(client, alice, sent):
    search = run_to_end(make_search(owner=alice))
    assert client.post(url("search_extend", search), {"n_steps": "3"}).url == url("search_detail", search)
    search.refresh_from_db()
    assert (search.status, search.search_config.n_steps) == ("running", 3)
    assert sorted(sent) == sorted(c.pk for c in pending(search))


@pytest.mark.parametrize(("typed", "words"), [("", "not a whole number"), ("many", "“many”"), ("2", "n_steps")])
def test_steps_that_cannot_be_are_refused_in_words(client, alice, typed, words):
    search = run_to_end(make_search(owner=alice))
    page = client.post(url("search_extend", search), {"n_steps": typed}, follow=True).text
    assert re.search(rf'class="alert alert-bad"[^>]*>.*?{words}', page, re.S)
    search.refresh_from_db()
    assert search.status == "finished"


def test_retry_makes_what_failed_wait_again(client, alice, sent):
    search = run_to(make_search(owner=alice), "1.1").search
    lease = services.claim(
        search.candidates.get(step=1, index=1).pk,
        worker="w", threads=1, numeric_path="cpu-float32-1", dataset_digest="d" * 64,
    )  # fmt: skip
    assert lease
    services.end_candidate(lease, "diverged", "the loss became NaN")
    client.post(url("search_retry", search))
    assert search.candidates.get(step=1, index=1).status == "pending"
    assert search.candidates.get(step=1, index=1).pk in sent


def test_a_deleted_search_leaves_list_and_page_at_once_and_undo_brings_it_back(client, alice, sent):
    search = make_search(owner=alice, name="Leaves")
    train(pending(search)[0])
    page = client.post(url("search_delete", search), follow=True)
    assert page.redirect_chain == [(reverse("search_list"), 302)]
    assert "“Leaves” was deleted." in page.text
    undo = re.search(r'<div class="alert".*?<form method="post" action="([^"]+)"', page.text, re.S)
    assert undo
    assert client.get(url("search_detail", search)).status_code == 404
    sent.clear()
    assert client.post(undo[1]).url == url("search_detail", search)
    assert sorted(sent) == sorted(c.pk for c in pending(search))
    assert client.get(url("search_detail", search)).status_code == 200
    assert client.post(undo[1]).status_code == 404  # it is not deleted any more


def test_only_owner_and_staff_see_delete_and_empty(client, alice, bob):
    search = make_search(owner=bob)
    assert url("search_delete", search) not in client.get(url("search_detail", search)).text
    page = client.post(url("search_delete", search), follow=True).text
    assert "only its owner and staff" in html.unescape(page)
    services.delete(search, bob)
    assert client.post(url("search_undelete", search)).status_code == 404
    client.post(reverse("deleted_empty"))
    assert Search.objects.filter(pk=search.pk).exists()


@pytest.mark.parametrize("verb", sorted(set(services.VERBS) - {"train", "clone"}))
def test_nothing_is_done_by_looking_at_an_address(client, alice, verb):
    assert client.get(url(f"search_{verb}", make_search(owner=alice))).status_code == 405
