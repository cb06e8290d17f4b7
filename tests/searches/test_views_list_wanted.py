"""The list as its address wants it: filters, order, columns, pages, CSV and JSON; and how many queries that takes."""

import csv
import io
import re

import pytest
from django.urls import reverse

from searches import services
from searches.models import Search
from searches.selectors import listing
from tests.searches.rows import make_dataset, make_search, pending, run_to, run_to_end, train

pytestmark = pytest.mark.django_db


def names(client, query: str = "") -> list[str]:
    """Of the searches on show, from the top."""
    page = client.get(reverse("search_list") + query).text
    return re.findall(r'<a id="open-\d+"[^>]*>([^<]+)</a>', page)


@pytest.fixture
def a_worker():
    services.worker_beat(services.WorkerIdentity("alpha:cpu-0", "alpha", 1, "CPU", {}), None)


@pytest.fixture
def three(alice, bob, a_worker) -> list[Search]:
    """Anna has finished and is tagged, Berta runs and is bob's, Carla waits and has a note."""
    anna = make_search(owner=alice, name="Anna")
    berta = make_search(owner=bob, name="Berta")
    carla = make_search(owner=alice, name="Carla")
    run_to_end(anna)
    services.add_tags(anna, ["table-1", "night run"], alice)
    train(pending(berta)[0])
    Search.objects.filter(pk=carla.pk).update(note="The learning rate is too low", dataset=make_dataset("leaves"))
    return [anna, berta, carla]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["Carla", "Berta", "Anna"]),
        ("?state=running", ["Berta"]),
        ("?state=finished", ["Anna"]),
        ("?state=stalled", []),
        ("?dataset=leaves", ["Carla"]),
        ("?owner=alice", ["Carla", "Anna"]),
        ("?owner=alice&state=waiting", ["Carla"]),
        ("?tag=table-1", ["Anna"]),
        ("?q=RATE+learning", ["Carla"]),
        ("?q=night", ["Anna"]),
        ("?q=night+carla", []),
        ("?q=er", ["Berta"]),
        ("?sort=name", ["Anna", "Berta", "Carla"]),
        ("?sort=-name", ["Carla", "Berta", "Anna"]),
        ("?sort=-accuracy", ["Anna", "Berta", "Carla"]),
        ("?sort=accuracy", ["Berta", "Anna", "Carla"]),
        ("?sort=state", ["Berta", "Carla", "Anna"]),
        ("?sort=test_error", ["Anna", "Carla", "Berta"]),
        ("?sort=owner", ["Carla", "Anna", "Berta"]),
        ("?sort=nonsense&page=x&state=odd&col=odd", ["Carla", "Berta", "Anna"]),
        ("?page=99", ["Carla", "Berta", "Anna"]),
    ],
)
def test_the_address_says_what_is_shown_and_in_which_order(client, three, query, shown):
    assert names(client, query) == shown


@pytest.mark.parametrize("sort", ["parameters", "disk", "preset", "seed", "time", "began"])
def test_every_sortable_column_orders_both_ways(client, three, sort):
    rising, falling = names(client, f"?sort={sort}"), names(client, f"?sort=-{sort}")
    assert sorted(rising) == sorted(falling) == ["Anna", "Berta", "Carla"]


def test_states_have_counts_of_what_the_other_filters_let_through(client, three):
    chips = re.findall(r'id="state-(\w+)"[^>]*>\w+ <span class="num">(\d+)', client.get("/?owner=alice").text)
    assert chips == [("all", "2"), ("waiting", "1"), ("finished", "1")]
    page = client.get("/?state=finished&q=nothing").text
    assert "1 running, 1 waiting." in page  # of all, whatever the filters
    assert "No search is like that" in page
    assert re.search(r'id="state-finished"[^>]*aria-current="true"[^>]*>Finished <span class="num">0', page)


def test_what_runs_without_a_worker_is_stalled(client, alice):
    search = make_search(owner=alice, name="Left alone")
    train(pending(search)[0])
    assert names(client, "?state=stalled") == ["Left alone"]
    assert names(client, "?state=running") == []


def test_columns_are_chosen_by_the_address_and_kept_by_its_links(client, three):
    page = client.get("/?col=seed&col=test_error&sort=name").text
    assert re.findall(r'<th scope="col" class="col-(\w+)', page) == ["name", "test_error", "seed"]
    assert 'href="/?sort=-name&amp;col=test_error&amp;col=seed"' in page
    assert 'href="/searches.csv?sort=name&amp;col=test_error&amp;col=seed"' in page


def test_csv_and_json_hold_what_is_shown(client, three):
    query = "?owner=alice&sort=name&col=state&col=accuracy&col=test_error"
    found = client.get(reverse("list_json") + query).json()["searches"]
    anna = three[0]
    assert [row["name"] for row in found] == names(client, query) == ["Anna", "Carla"]
    assert found[0] == {
        "uuid": str(anna.uuid), "name": "Anna", "dataset": "digits", "tags": ["night run", "table-1"],
        "state": "finished", "words": "test error 10.00 %", "val_accuracy": 0.75, "test_error": 0.1,
    }  # fmt: skip
    table = list(csv.reader(io.StringIO(client.get(reverse("list_csv") + query).text)))
    assert table[0] == list(found[0])
    named = [str(anna.uuid), "Anna", "digits", "night-run table-1"]
    assert table[1] == [*named, "finished", "test error 10.00 %", "0.75", "0.1"]
    assert len(table) == 3
    assert client.get(reverse("list_csv") + "?q=nobody").text.strip() == "uuid,name,dataset,tags"


def test_no_name_is_a_formula_in_a_spreadsheet(client, alice):
    make_search(owner=alice, name="=HYPERLINK(1)")
    assert "'=HYPERLINK(1)" in client.get(reverse("list_csv")).text
    assert client.get(reverse("list_json")).json()["searches"][0]["name"] == "=HYPERLINK(1)"


def test_pages_follow_one_another(client, alice, monkeypatch):
    monkeypatch.setattr(listing, "PAGE", 2)
    for i in range(5):
        make_search(owner=alice, name=f"S{i}")
    assert names(client, "?sort=name") == ["S0", "S1"]
    assert names(client, "?sort=name&page=3") == names(client, "?sort=name&page=9") == ["S4"]
    page = client.get("/?sort=name&page=2").text
    assert 'href="/?sort=name&amp;page=3"' in page
    assert "2 of 5 searches." in page
    assert len(client.get(reverse("list_json") + "?sort=name&page=2").json()["searches"]) == 5


def test_a_stranger_sees_no_list_and_no_export(client, three):
    client.logout()
    for name in ("search_list", "list_csv", "list_json"):
        assert client.get(reverse(name)).status_code == 302


def test_queries_do_not_grow_with_rows(client, alice, bob, a_worker, django_assert_max_num_queries):
    def fill(n: int) -> None:
        for i in range(n):
            search = make_search(owner=(alice, bob)[i % 2], name=f"Search {i}")
            run_to(search, "1.1") if i % 3 else train(pending(search)[0])
            services.add_tags(search, [f"tag-{i}", "all"], "the command line")

    fill(3)
    services.delete(make_search(owner=alice), alice)
    client.get("/")
    with django_assert_max_num_queries(N_QUERIES):
        client.get("/?sort=-accuracy&q=search&tag=all")
    with django_assert_max_num_queries(N_EXPORT):
        client.get(reverse("list_csv"))
    fill(27)
    services.delete(make_search(owner=alice), alice)
    with django_assert_max_num_queries(N_QUERIES):
        client.get("/?sort=-accuracy&q=search&tag=all")
    with django_assert_max_num_queries(N_EXPORT):
        client.get(reverse("list_csv"))


N_QUERIES = 21
N_EXPORT = 10
