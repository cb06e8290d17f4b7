"""The results page: repetitions as one row, comparisons below them, the paper's rows, short against long training."""

import csv
import io
from statistics import stdev

import pytest
from django.contrib.auth import get_user_model

from searches.models import Candidate, Ensemble, EnsembleMember, Search
from searches.selectors.tables import correlations, quoted_for, tables, with_finished
from tests.searches.rows import make_dataset, make_search, run_to_end

pytestmark = pytest.mark.django_db


def finished(error: float, **settings) -> Search:
    search = run_to_end(make_search(**settings))
    search.candidates.filter(kind="final").update(test_accuracy=1 - error)
    return search


def of_digits() -> dict:
    return tables(Search.objects.all(), make_dataset(), Ensemble.objects.all())


def test_seeds_of_one_setting_are_one_row_with_mean_and_sample_deviation():
    for seed, error in enumerate((0.10, 0.14, 0.12)):
        finished(error, seed=seed)
    (group,) = of_digits()["groups"]
    (row,) = group["rows"]
    assert row["runs"] == 3
    assert row["error"] == pytest.approx(0.12)
    assert row["deviation"] == pytest.approx(stdev([0.10, 0.14, 0.12]))
    n_trainings = 1 + 2 * 3 + 1  # model_0, two steps of three, final: 2 s each
    assert row["hours"] == pytest.approx(2.0 * n_trainings / 3600)


def test_a_single_run_has_no_deviation():
    finished(0.1)
    assert of_digits()["groups"][0]["rows"][0]["deviation"] is None


def test_settings_that_differ_are_rows_of_their_own_in_the_papers_words():
    finished(0.10)
    finished(0.12, n_neigh=1)
    finished(0.13, neighbour_rate=0.025)
    finished(0.14, network_morphism=False)
    names = [group["name"] for group in of_digits()["groups"]]
    assert names == [
        "n_steps = 2, n_neigh = 3",
        "n_steps = 2, n_neigh = 1, random networks",
        "n_steps = 2, n_neigh = 3, no SGDR (rate 0.025)",
        "n_steps = 2, n_neigh = 3, no network morphism",
    ]


def test_comparisons_stand_below_the_searches_that_have_them_and_do_not_split_the_group():
    finished(0.10, seed=0)
    finished(0.12, seed=1, comparisons=("scratch", "model_0-final"))
    (group,) = of_digits()["groups"]
    assert [(row["title"], row["runs"]) for row in group["rows"]] == [
        ("final model", 2), ("from scratch", 1), ("model_0, final budget", 1),
    ]  # fmt: skip
    assert group["rows"][1]["error"] == pytest.approx(0.15)


def averaged(name: str, error: float, members: list[Candidate]) -> Ensemble:
    """An ensemble that was measured on 1,000 images."""
    result = {"n_images": 1000, "n_right": round(1000 * (1 - error))}
    made = Ensemble.objects.create(name=name, kind="runs", dataset=make_dataset(), result=result)
    for place, candidate in enumerate(members, 1):
        EnsembleMember.objects.create(
            ensemble=made, place=place, candidate=candidate, name=candidate.code, architecture={}, digest="",
            n_parameters=1_000 * place, n_macs=1,
        )  # fmt: skip
    return made


def final_of(search: Search) -> Candidate:
    return search.candidates.get(kind="final")


def test_ensembles_stand_beside_the_searches_with_the_hours_of_all_behind_them():
    once = 1 + 2 * 3 + 1  # trainings of 2 s of a search without comparisons
    runs = [finished(0.10, seed=seed) for seed in (0, 1)]
    snapshots = finished(0.10, seed=2, comparisons=("snapshots", "scratch"))
    averaged("Both", 0.09, [final_of(search) for search in runs])
    averaged("Snapshots", 0.08, [snapshots.candidates.get(kind="snapshot"), final_of(snapshots)])
    Ensemble.objects.create(name="Not measured yet", kind="runs", dataset=make_dataset())
    first, second = of_digits()["averaged"]
    assert (first["name"], first["n_members"], first["parameters"]) == ("Snapshots", 2, 3_000)
    assert first["error"] == pytest.approx(0.08)
    assert first["interval"] == pytest.approx((0.0647, 0.0985), abs=1e-3)
    assert first["hours"] == pytest.approx(2.0 * (once + 1) / 3600)
    assert second["hours"] == pytest.approx(2.0 * 2 * once / 3600)
    EnsembleMember.objects.filter(candidate__search=runs[0]).update(candidate=None)  # its search was swept
    assert [row["hours"] is None for row in of_digits()["averaged"]] == [False, True]


def test_only_finished_searches_that_are_seen_count():
    make_search()
    gone = finished(0.1)
    assert [dataset.name for dataset in with_finished(Search.objects.exclude(pk=gone.pk))] == []
    assert [dataset.name for dataset in with_finished(Search.objects.all())] == ["digits"]


def test_the_papers_rows_are_quoted_for_its_data_sets_alone():
    ten = quoted_for(make_dataset("CIFAR-10", n_classes=10))
    hundred = quoted_for(make_dataset("cifar100", n_classes=100))
    assert (ten[0]["name"], ten[0]["error"], ten[0]["runs"]) == ("n_neigh = 8", pytest.approx(0.057), 10)
    assert ten[0]["deviation"] == pytest.approx(0.0035)
    assert {row["table"] for row in ten} == {"Table 1", "Table 2"}
    assert {row["table"] for row in hundred} == {"Table 3"}
    assert quoted_for(make_dataset("digits")) == []
    assert quoted_for(make_dataset("cifar10-cats", n_classes=2)) == []


def test_short_and_long_trainings_of_the_same_winners_are_paired():
    """Three seeds with snapshots: winners of steps 1 and 2 each, test accuracy half the short one plus a half."""
    searches = [finished(0.1, seed=seed, comparisons=("snapshots",)) for seed in range(3)]
    for seed, search in enumerate(searches):
        for step, kind in ((1, "snapshot"), (2, "final")):
            short = 0.6 + 0.05 * seed + 0.1 * step
            search.candidates.filter(kind="neighbour", step=step, is_winner=True).update(val_accuracy=short)
            search.candidates.filter(kind=kind, step=step).update(test_accuracy=0.5 + short / 2)
    (entry,) = correlations(searches)
    assert (entry["name"], entry["n"], entry["paper"]) == ("with SGDR", 6, 0.64)
    assert entry["r"] == pytest.approx(1.0)
    assert sorted((pair["step"], round(pair["val_accuracy"], 2)) for pair in entry["pairs"]) == [
        (1, 0.7), (1, 0.75), (1, 0.8), (2, 0.8), (2, 0.85), (2, 0.9),
    ]  # fmt: skip


def test_equal_accuracies_after_the_short_training_tell_no_correlation():
    searches = [finished(0.02 * seed, seed=seed) for seed in range(3)]
    for search in searches:  # 290 / 299: its mean over three is another number
        search.candidates.filter(kind="neighbour", step=2, is_winner=True).update(val_accuracy=290 / 299)
    (entry,) = correlations(searches)
    assert (entry["r"], entry["r_squared"], entry["interval"]) == (None, None, None)


def test_two_pairs_are_too_few_to_say_anything():
    assert correlations([finished(0.1, comparisons=("snapshots",))]) == []


def test_the_number_of_queries_does_not_grow_with_the_searches(django_assert_num_queries):
    finals = [final_of(finished(0.1, seed=seed)) for seed in range(3)]
    dataset = make_dataset()
    averaged("First", 0.1, finals)
    averaged("Second", 0.2, finals[:2])
    with django_assert_num_queries(7):
        tables(Search.objects.all(), dataset, Ensemble.objects.all())


@pytest.fixture
def browser(client):
    client.force_login(get_user_model().objects.create_user("charlie"))
    return client


def test_the_page_shows_the_rows_and_the_csv_has_them_unrounded(browser):
    search = finished(0.1234567, name="First")
    made = averaged("All of them", 0.07, [final_of(search)])
    page = browser.get("/results/").content.decode()
    assert "12.35" in page
    assert "First" in page
    assert "Needs at least three networks" in page
    assert f'href="/ensembles/{made.uuid}/">All of them</a>' in page
    rows = list(csv.DictReader(io.StringIO(browser.get("/results.csv?dataset=digits").content.decode())))
    assert float(rows[0]["error"]) == pytest.approx(0.1234567)
    assert (rows[1]["setting"], rows[1]["network"], float(rows[1]["error"])) == (
        "All of them", "ensemble of 1", pytest.approx(0.07),
    )  # fmt: skip


def test_without_a_finished_search_the_page_says_what_to_do(browser):
    assert "No search has finished yet" in browser.get("/results/").content.decode()


def test_a_data_set_without_a_finished_search_is_not_found(browser):
    finished(0.1)
    assert browser.get("/results/?dataset=nothing").status_code == 404


def test_it_is_for_those_who_are_signed_in(client):
    assert client.get("/results/").status_code == 302
    assert Candidate.objects.count() == 0
