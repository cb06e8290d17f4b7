"""The buttons of a search's page: every verb of the table has one, in the states that the table says."""

import html
import re

import pytest
from django.urls import reverse

from searches import services
from searches.models import Search
from searches.views.buttons import BUTTONS
from tests.searches.rows import make_search, pending, train

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


def test_a_deleted_search_leaves_list_and_page_at_once_and_undo_brings_it_back(client, alice, sent):
    search = make_search(owner=alice, name="Leaves")
    train(pending(search)[0])
    page = client.post(url("search_delete", search), follow=True)
    assert page.redirect_chain == [(reverse("search_list"), 302)]
    assert "“Leaves” was deleted." in page.text
    undo = re.search(r'<li class="alert".*?<form method="post" action="([^"]+)"', page.text, re.S)
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


@pytest.mark.parametrize(
    "verb", ["pause", "resume", "stop", "finish_now", "extend", "retry", "run_next", "compare", "delete", "undelete"]
)
def test_nothing_is_done_by_looking_at_an_address(client, alice, verb):
    assert client.get(url(f"search_{verb}", make_search(owner=alice))).status_code == 405
