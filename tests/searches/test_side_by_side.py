"""Searches side by side: groups of seeds, settings that differ, what is refused and in which words."""

from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from searches.models import ENGINE_VERSION, Search
from searches.selectors.side_by_side import side_by_side
from tests.searches.rows import ACCURACIES, make_dataset, make_search, run_to_end

pytestmark = pytest.mark.django_db


def compared(*searches: Search) -> dict:
    return side_by_side(searches)


def test_seeds_of_one_setting_are_a_group_whose_steps_are_those_of_its_members():
    """Figure 2's form: the page takes mean and two sigma over the members' steps."""
    searches = [run_to_end(make_search(name=f"Seed {seed}", seed=seed)) for seed in range(2)]
    other = run_to_end(make_search(name="Random", n_neigh=1))
    found = compared(*searches, other)
    assert [group["members"] for group in found["groups"]] == [[str(s.uuid) for s in searches], [str(other.uuid)]]
    assert [group["name"] for group in found["groups"]] == ["Seed, 2 seeds", "Random"]
    assert [search["number"] for search in found["searches"]] == [1, 1, 2]
    steps = [step["val_accuracy"] for step in found["searches"][0]["steps"]]
    assert steps == [ACCURACIES["model_0"], ACCURACIES["1.2"], ACCURACIES["2.1"]]


@pytest.mark.parametrize(
    ("names", "group"),
    [
        (["Wide, seed 0", "Wide, seed 12"], "Wide, 2 seeds"),
        (["no SGDR 3", "no SGDR 4"], "no SGDR, 2 seeds"),
        (["baseline", "bassline"], "n_neigh 3, 2 seeds"),  # a word cut in two says nothing
    ],
)
def test_a_group_is_called_what_its_names_begin_with_or_else_by_its_settings(names, group):
    found = compared(*[make_search(name=name, seed=i) for i, name in enumerate(names)], make_search(n_neigh=1))
    assert found["groups"][0]["name"] == group


def test_groups_whose_names_begin_alike_are_told_apart_by_their_settings():
    searches = [make_search(name=f"Tiny {n} {seed}", n_neigh=n, seed=seed) for n in (2, 3) for seed in range(2)]
    assert [group["name"] for group in compared(*searches)["groups"]] == ["Tiny 2, 2 seeds", "Tiny 3, 2 seeds"]
    Search.objects.update(name="Tiny")
    again = compared(*Search.objects.order_by("pk"))["groups"]
    assert [group["name"] for group in again] == ["n_neigh 2, 2 seeds", "n_neigh 3, 2 seeds"]


def test_only_what_differs_is_listed_comparisons_among_it_but_they_split_no_group():
    first = make_search(seed=0)
    second = make_search(seed=1, comparisons=("scratch",))
    found = compared(first, second)
    assert {row["name"]: row["values"] for row in found["settings"]} == {
        "seed": ["0", "1"], "comparisons": ["none", "scratch"],
    }  # fmt: skip
    assert len(found["groups"]) == 1


def test_another_data_set_is_another_group():
    first, second = make_search(), make_search()
    second.dataset = make_dataset("other")
    second.save()
    found = compared(first, second)
    assert found["datasets"] == ["digits", "other"]
    assert len(found["groups"]) == 2


def test_seeds_of_different_engine_versions_are_no_repetitions_of_one_experiment():
    first, second = make_search(seed=0), make_search(seed=1)
    second.went_on = [{"before": 1, "after": first.engine_version, "where": "step 2"}]
    found = compared(first, second)
    assert len(found["groups"]) == 2
    differing = {row["name"]: row["values"] for row in found["settings"]}
    assert differing["engine version"] == [f"{ENGINE_VERSION}", f"1, from step 2 on {ENGINE_VERSION}"]


def test_compute_is_counted_over_all_trainings_losers_too():
    search = run_to_end(make_search())
    (found,) = compared(search)["searches"]
    n_train = search.dataset.n_train - found["n_validation"]
    in_steps = search.candidates.filter(kind__in=("pretrain", "neighbour"))
    final = search.candidates.get(kind="final")
    expected = sum(c.n_macs * n_train * c.epochs for c in in_steps)
    assert found["steps"][-1]["compute"] == pytest.approx(expected)
    assert found["compute"] == pytest.approx(expected + final.n_macs * search.dataset.n_train * final.epochs)


@pytest.fixture
def alice(client):
    user = get_user_model().objects.create_user("alice")
    client.force_login(user)
    return user


def page(client, *uuids) -> tuple[int, str]:
    response = client.get(f"/compare/?{urlencode([('s', str(uuid)) for uuid in uuids])}")
    return response.status_code, response.content.decode()


def test_two_searches_are_shown_with_their_test_errors(client, alice):
    searches = [run_to_end(make_search(owner=alice, seed=seed, name=f"Seed {seed}")) for seed in range(2)]
    status, html = page(client, *(search.uuid for search in searches))
    assert status == 200
    assert "Seed 0" in html
    assert "Seed 1" in html
    assert html.count('data-label="Test error"') == 2
    assert html.partition("</nav>")[0].count('aria-current="page">Searches<') == 1


def test_the_page_asks_no_more_for_more_searches(client, alice, django_assert_num_queries):
    searches = [run_to_end(make_search(owner=alice, seed=seed)) for seed in range(2)]
    page(client, *(search.uuid for search in searches))
    with CaptureQueriesContext(connection) as first:
        page(client, *(search.uuid for search in searches))
    searches += [run_to_end(make_search(owner=alice, seed=seed, n_neigh=4)) for seed in (2, 3)]
    with django_assert_num_queries(len(first)):
        assert page(client, *(search.uuid for search in searches))[0] == 200


@pytest.mark.parametrize(
    ("n", "words"),
    [(0, "No search was chosen"), (1, "One search was chosen"), (7, "7 searches were chosen: at most six")],
)
def test_too_few_and_too_many_are_refused_in_words(client, alice, n, words):
    status, html = page(client, *(make_search(owner=alice).uuid for _ in range(n)))
    assert status == 400
    assert words in html


def test_a_deleted_search_is_named(client, alice):
    kept, gone = make_search(owner=alice), make_search(owner=alice, name="Gone")
    Search.objects.filter(pk=gone.pk).update(deleted=timezone.now())
    status, html = page(client, kept.uuid, gone.uuid)
    assert status == 404
    assert "“Gone” was deleted" in html
