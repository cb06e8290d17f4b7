"""Several searches at once: each by its own verb, refusals named, and undone together."""

import re

import pytest
from django.urls import reverse

from searches import services
from searches.models import Search
from tests.searches.rows import kinds, make_search

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(alice):
    return make_search(owner=alice, name="Mine")


@pytest.fixture
def theirs(bob):
    return make_search(owner=bob, name="Theirs")


def post(client, verb: str, *searches: Search, query: str = "", **fields: str):
    data = {"s": [str(search.uuid) for search in searches], **fields}
    return client.post(reverse(verb) + query, data, follow=True)


def undo_of(page: str) -> str:
    return re.search(r'action="([^"]+)">[^<]*<input[^>]*><button class="btn btn-sm" type="submit">', page)[1].replace(
        "&amp;", "&"
    )


def test_each_that_may_be_deleted_is_and_the_refusal_of_the_other_names_it(client, mine, theirs):
    page = post(client, "bulk_delete", mine, theirs, back="?sort=name").text
    assert "“Mine” was deleted." in page
    assert "“Theirs” belongs to bob: only its owner and staff can delete it." in page
    assert set(Search.objects.exclude(deleted=None)) == {mine}
    page = client.post(undo_of(page), follow=True).text
    assert "“Mine” was brought back." in page
    assert not Search.objects.exclude(deleted=None).exists()
    assert kinds(mine)[-2:] == ["search_deleted", "search_undeleted"]


def test_tags_are_given_to_those_that_lack_them_and_undone_of_these_alone(client, alice, mine):
    other = make_search(owner=alice, name="Other")
    services.add_tags(other, ["table-1"], alice)
    page = post(client, "bulk_tag", mine, other, tags="Table-1").text
    assert "“Mine” is tagged “Table-1”." in page
    assert [tag.name for tag in mine.tags.all()] == ["table-1"]
    client.post(undo_of(page), follow=True)
    assert not mine.tags.exists()
    assert other.tags.exists()
    assert "“Other” is no longer tagged “table-1”." in post(client, "bulk_untag", mine, other, tags="table-1").text
    assert "No trace" not in post(client, "bulk_tag", mine, tags=" , ").text


def test_no_tag_and_no_search_are_answered_in_words(client, mine):
    assert "No tag was written" in post(client, "bulk_tag", mine, tags=" , ").text
    assert "Nothing was changed" in post(client, "bulk_stop").text
    assert "is no tag" not in post(client, "bulk_tag", mine, tags="a").text
    assert post(client, "bulk_stop", back="https://elsewhere.example/").redirect_chain[-1][0] == "/"


def test_several_are_stopped_and_what_cannot_be_is_said(client, alice, mine):
    other, ended = make_search(owner=alice), make_search(owner=alice, name="Ended")
    services.stop(ended, alice)
    answer = post(client, "bulk_stop", mine, other, ended, back="?state=waiting")
    assert "2 searches were stopped." in answer.text
    assert "“Ended” was stopped: only a search that" in answer.text
    assert answer.redirect_chain[-1][0] == "/?state=waiting"
    assert set(Search.objects.values_list("status", flat=True)) == {"stopped"}


def test_nothing_is_done_by_looking(client, mine):
    for name in ("bulk_stop", "bulk_delete", "bulk_undelete", "bulk_tag", "bulk_untag"):
        assert client.get(reverse(name), {"s": mine.uuid}).status_code == 405
