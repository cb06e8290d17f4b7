"""The pages of comparisons: the form offers them, a finished search is compared, each training has its page."""

import html
import re
from urllib.parse import quote

import pytest
from django.urls import reverse

from searches.comparisons import CATALOGUE
from searches.nash.config import COMPARISONS
from tests.searches.rows import make_dataset, make_search, pending, run_to, run_to_end

pytestmark = pytest.mark.django_db


def url(name: str, search, *rest) -> str:
    return reverse(name, args=[search.uuid, *rest])


def test_a_finished_search_is_compared_from_its_page(client, alice, monkeypatch):
    sent = []
    monkeypatch.setattr("searches.tasks.enqueue", lambda ids, *rest, **more: sent.extend(ids))
    search = run_to_end(make_search(owner=alice))
    page = client.get(url("search_detail", search)).text
    assert url("search_compare", search) in page
    assert re.findall(r'name="comparisons" value="([^"]+)"', page) == list(COMPARISONS)
    answer = client.post(url("search_compare", search), {"comparisons": ["scratch", "model_0-final"]})
    assert answer.url == url("search_detail", search)
    search.refresh_from_db()
    assert (search.status, search.search_config.comparisons) == ("running", ("scratch", "model_0-final"))
    assert sorted(sent) == sorted(c.pk for c in pending(search))
    assert client.get(url("search_compare", search)).status_code == 405


@pytest.mark.parametrize(
    ("names", "words"), [([], "compared with nothing"), (["<b>"], "&lt;b&gt;"), (["scratch"], "scratch already")]
)
def test_what_cannot_be_compared_is_said_on_the_page(client, alice, names, words):
    search = run_to_end(make_search(owner=alice, comparisons=["scratch"]))
    page = client.post(url("search_compare", search), {"comparisons": names}, follow=True).text
    assert words in page
    search.refresh_from_db()
    assert search.status == "finished"


def test_who_does_not_own_a_search_cannot_compare_it(client, alice, bob):
    search = run_to_end(make_search(owner=bob))
    assert url("search_compare", search) not in client.get(url("search_detail", search)).text
    page = client.post(url("search_compare", search), {"comparisons": ["scratch"]}, follow=True)
    assert "only its owner and staff can compare it" in html.unescape(page.text)
    search.refresh_from_db()
    assert search.status == "finished"


def test_the_form_offers_every_comparison_with_its_words(client, alice):
    page = client.get(reverse("search_new")).text
    assert re.findall(r'name="comparisons" value="([^"]+)"', page) == list(COMPARISONS)
    for comparison in CATALOGUE.values():
        assert comparison.words in page
    posted = {"dataset": make_dataset().pk, "comparisons": ["scratch", "wrn-40-4"]}
    page = client.post(reverse("search_new"), posted).text
    assert 'href="#id_comparisons"' in page
    assert 'id="id_comparisons_error"' in page
    assert re.search(r'value="scratch" id="[^"]+" checked', page)  # what was ticked still is


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (("snapshot", 1, 0), "as if it were the last"),
        (("scratch", 2, 0), "with fresh weights"),
        (("reference", 0, 1), "as many epochs as the final training has"),
        (("reference", 0, 2), "as many epochs as the whole search has"),
        (("reference", 0, 3), "A wide residual network"),
        (("reference", 0, 4), "A wide residual network"),
    ],
)
def test_each_comparison_has_a_page_that_says_what_it_is_and_no_seal(client, alice, key, words):
    search = run_to_end(make_search(owner=alice, comparisons=COMPARISONS))
    page = client.get(url("candidate_detail", search, *key))
    assert page.status_code == 200
    assert words in page.text
    assert "The seal" not in page.text
    assert 'role="img"' in page.text
    candidate = search.candidates.get(kind=key[0], step=key[1], index=key[2])
    assert f"?node={quote(candidate.code)}" in page.text
    assert client.get(reverse("architecture_svg", args=[candidate.digest])).status_code == 200


def test_a_child_of_a_search_without_network_morphism_is_not_asked_for_a_seal(client, alice):
    search = run_to(make_search(owner=alice, network_morphism=False), "2.1").search
    page = client.get(url("candidate_detail", search, "neighbour", 1, 1)).text
    assert "Eq. (1) is not asked of it" in page
    assert "at birth" not in page
    assert "no network morphism" in client.get(url("search_detail", search)).text
