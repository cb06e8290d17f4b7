"""What the launch form, the API and the command line say of a search's cost before it begins."""

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from searches import selectors
from searches.models import Candidate
from searches.nash.config import SearchConfig
from searches.selectors.forecast_words import about, between, size_words
from tests.searches.rows import TINY, make_dataset, make_search, run_to_end

LONG = SearchConfig(**{**TINY, "epoch_neigh": 100})
pytestmark = pytest.mark.django_db


def measured_search() -> None:
    """A search whose trainings took 3 s each and 900 MB, as rows remember it."""
    search = run_to_end(make_search())
    Candidate.objects.filter(search=search).update(seconds=3.0, peak_memory_bytes=900_000_000)


def test_without_a_measurement_the_source_says_so_and_the_range_is_wide():
    found = selectors.forecast(LONG, make_dataset())
    assert found.source.startswith("No measurement yet: guessed from this machine's")
    assert found.n_timed == 0
    assert found.seconds.high > 2 * found.seconds.low


def test_measured_trainings_narrow_the_range_and_are_counted():
    before = selectors.forecast(LONG, make_dataset())
    measured_search()
    after = selectors.forecast(LONG, make_dataset())
    assert "trainings of 1 search measured here" in after.source
    assert after.seconds.high / after.seconds.low < before.seconds.high / before.seconds.low
    assert after.peak_bytes.middle == pytest.approx(900_000_000, rel=0.1)


def test_a_budget_of_hours_bounds_the_time():
    config = SearchConfig(**{**TINY, "epoch_neigh": 5000})
    free = selectors.forecast(config, make_dataset()).seconds.middle
    assert selectors.forecast(config, make_dataset(), hours_limit=0.1).seconds.middle < min(free, 3600)


def test_its_queries_do_not_grow_with_the_searches(django_assert_num_queries):
    make_dataset()
    for _ in range(3):
        run_to_end(make_search())
    with django_assert_num_queries(7):
        selectors.forecast(SearchConfig(**TINY), make_dataset())


@pytest.fixture
def query() -> dict[str, str]:
    from searches.forms import SearchForm

    dataset = make_dataset()
    form = SearchForm(preset="demo")
    values = {name: form[name].value() for name in form.fields}
    return {k: v for k, v in values.items() if v not in (None, "", False)} | {"dataset": str(dataset.pk)}


def test_the_api_answers_for_the_form_as_it_stands(client, query):
    client.force_login(get_user_model().objects.create_user("charlie"))
    answer = client.get("/api/v1/estimate", query).json()
    assert answer["mistakes"] == {}
    assert answer["seconds"]["low"] <= answer["seconds"]["middle"] <= answer["seconds"]["high"]
    assert answer["time_words"].startswith(("about", "under"))
    assert "No measurement yet" in answer["source"]


def test_the_api_names_the_mistake_instead(client, query):
    client.force_login(get_user_model().objects.create_user("charlie"))
    answer = client.get("/api/v1/estimate", {**query, "lambda_end": "0.1"}).json()
    assert "above lambda_start" in answer["mistakes"]["lambda_end"]
    assert answer["seconds"] is None


def test_search_launch_prints_it(monkeypatch, capsys):
    monkeypatch.setattr("searches.tasks.enqueue", lambda ids: None)
    make_dataset()
    call_command("search", "launch", "--preset", "demo")
    out = capsys.readouterr().out
    assert "Expected: " in out
    assert "peak memory of a worker about" in out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(10, "under 1 min"), (420, "about 7 min"), (9600, "about 2 h 40 min"), (259_200, "about 3 days")],
)
def test_estimates_are_rounded_to_what_is_known(seconds, words):
    assert about(seconds).replace("\u202f", " ") == words


def test_ranges_and_sizes_in_words():
    assert between(540, 960).replace("\u202f", " ") == "between 9 min and 16 min"
    assert between(60, 65).replace("\u202f", " ") == "most likely 1 min"
    assert size_words(823e6).replace("\u202f", " ") == "820 MB"
    assert size_words(1.23e9).replace("\u202f", " ") == "1.2 GB"
