"""?clone=: the launch form filled with the settings of another search."""

import re

import pytest
from django.urls import reverse

from tests.searches.rows import make_search

pytestmark = pytest.mark.django_db


def test_the_form_is_filled_with_the_settings_of_the_search_to_clone(client, alice, bob):
    search = make_search(owner=bob, name="Leaves", n_steps=7, accuracy_goal=0.925)
    page = client.get(reverse("search_new"), {"clone": search.uuid}).text
    assert re.search(r'name="n_steps" value="7"', page)
    assert re.search(r'name="accuracy_goal" value="92.5"', page)
    assert 'value="Leaves, copy"' in page
    assert "Nothing has started" in page
    assert reverse("search_detail", args=[search.uuid]) in page


@pytest.mark.parametrize("text", ["", "nonsense", "00000000-0000-4000-8000-000000000000"])
def test_what_is_no_search_cannot_be_cloned(client, alice, text):
    assert client.get(reverse("search_new"), {"clone": text}).status_code == 404


def test_who_does_not_own_a_search_is_offered_to_clone_it(client, alice, bob):
    search = make_search(owner=bob)
    address = f"{reverse('search_new')}?clone={search.uuid}"
    assert address in client.get(reverse("search_detail", args=[search.uuid])).text
