"""The launch form: generated from SearchConfig, errors beside the field, nothing lost on the way to a config."""

from dataclasses import fields

import pytest

from searches.forms import SETTINGS, SearchForm
from searches.nash.config import COMPARISONS, SearchConfig
from searches.nash.presets import PRESETS, preset_config
from tests.searches.rows import make_dataset, make_search

pytestmark = pytest.mark.django_db


def filled(preset: str = "demo", **changes):
    """What a browser posts for a preset's card, with some fields changed."""
    card = next(card for card in SearchForm().cards if card.preset.name == preset)
    data = {name: value for name, value in card.settings.items() if value is not False}
    return {**data, "preset": preset, "name": "Mine", "dataset": str(make_dataset().pk), **changes}


def test_every_setting_of_the_engine_has_a_field_but_those_of_the_data_set():
    form = SearchForm()
    assert set(SETTINGS) == {f.name for f in fields(SearchConfig)} - {"input_shape", "n_classes", "start"}
    assert set(SETTINGS) <= set(form.fields)
    shown = [field.name for group in form.groups for field in group.fields]
    assert sorted(shown) == sorted(SETTINGS)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_sent_back_untouched_is_that_preset(preset):
    form = SearchForm(filled(preset, max_channels="256"))
    assert form.is_valid(), form.errors
    wanted = preset_config(preset, input_shape=(1, 8, 8), n_classes=10, max_channels=256)
    assert form.config == wanted


def test_a_choice_that_was_not_sent_is_as_it_stands_by_default():
    data = filled()
    del data["selection"], data["n_training"]
    form = SearchForm(data)
    assert form.is_valid(), form.errors
    assert (form.config.selection, form.config.n_training) == ("accuracy", None)


def test_the_data_set_says_shape_and_classes():
    make_dataset("leaves", input_channels=3, height=64, width=64, n_classes=7)
    leaves = make_dataset("leaves")
    form = SearchForm(filled(dataset=str(leaves.pk)))
    assert form.is_valid(), form.errors
    assert form.config.input_shape == (3, 64, 64)
    assert form.config.n_classes == 7


def test_numbers_are_read_as_people_write_them():
    written = {"max_parameters": "20 M", "max_macs": "1.5G", "calibration_images": "1,000", "channels": "16 , 16,16"}
    form = SearchForm(filled(**written))
    assert form.is_valid(), form.errors
    assert form.config.max_parameters == 20_000_000
    assert form.config.max_macs == 1_500_000_000
    assert form.config.calibration_images == 1000
    assert form.config.channels == (16, 16, 16)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"lambda_end": "0.1"}, "lambda_end", "0.1 is above lambda_start (0.05)"),
        ({"lambda_start": "0,05"}, "lambda_start", "'0,05' is not a number"),
        ({"n_steps": "many"}, "n_steps", "'many' is not a whole number"),
        ({"n_steps": ""}, "n_steps", "is not a whole number"),
        ({"n_neigh": "0"}, "n_neigh", "outside the allowed range"),
        ({"kernels": []}, "kernels", "at least one"),
        ({"n_validation": "1497"}, "n_validation", "none would be left to train on"),
        ({"n_validation": "497", "n_training": "1001"}, "n_training", "give 1 to 1,000"),
        ({"n_test": "301"}, "n_test", "digits has 300 test images: give 1 to 300"),
        ({"n_test": "0"}, "n_test", "outside the allowed range"),
        ({"selection": "f1"}, "selection", "not one of the available choices"),
        ({"max_parameters": "10"}, "max_parameters", "below model_0's own size"),
        ({"name": " "}, "name", "required"),
        ({"comparisons": ["scratch", "wrn-40-4"]}, "comparisons", "wrn-40-4 is not one of the available choices"),
        ({"neighbour_rate": "0"}, "neighbour_rate", "outside the allowed range"),
        ({"neighbour_rate": "small"}, "neighbour_rate", "'small' is not a number"),
    ],
)
def test_a_mistake_is_said_beside_its_field(changes, field, words):
    form = SearchForm(filled(**changes))
    assert not form.is_valid()
    assert [bound.name for bound, _ in form.mistakes] == [field]
    assert words in form.errors[field][0]


def test_several_mistakes_are_said_at_once():
    form = SearchForm(filled(n_steps="x", lambda_end="9", n_neigh="-1"))
    assert not form.is_valid()
    assert {bound.name for bound, _ in form.mistakes} >= {"n_steps", "n_neigh"}


def test_an_open_choice_stays_open():
    form = SearchForm(filled(n_validation="", padding="", flip=""))
    assert form.is_valid(), form.errors
    assert (form.config.n_validation, form.config.padding, form.config.flip) == (None, None, None)
    form = SearchForm(filled(flip="no"))
    assert form.is_valid()
    assert form.config.flip is False


def test_a_card_shows_the_shape_of_its_budget():
    card = next(card for card in SearchForm().cards if card.preset.name == "paper-5")
    assert card.epochs == 800
    assert [bar.part for bar in card.bars] == ["pre", *["step"] * 5, "final"]
    first_step, final = card.bars[1], card.bars[-1]
    assert first_step.width / final.width == pytest.approx(136 / 100, rel=0.01)


def test_comparisons_are_ticked_with_a_line_of_words_each():
    form = SearchForm(filled(comparisons=["wrn-16-4", "scratch"]))
    assert form.is_valid(), form.errors
    assert set(form.config.comparisons) == {"scratch", "wrn-16-4"}
    assert [c.comparison.name for c in form.comparison_choices] == list(COMPARISONS)
    assert [c.comparison.name for c in form.comparison_choices if c.is_chosen] == ["scratch", "wrn-16-4"]
    assert all(c.comparison.words.endswith(".") for c in form.comparison_choices)


def test_nothing_is_compared_unless_it_is_ticked_and_the_switches_are_as_they_were():
    form = SearchForm(filled())
    assert form.is_valid(), form.errors
    config = form.config
    assert (config.comparisons, config.neighbour_rate, config.network_morphism, config.deterministic) == (
        (), None, True, True,
    )  # fmt: skip


def test_the_papers_ablations_are_settings_of_the_form():
    form = SearchForm({k: v for k, v in filled(neighbour_rate="0.025").items() if k != "network_morphism"})
    assert form.is_valid(), form.errors
    assert (form.config.neighbour_rate, form.config.network_morphism) == (0.025, False)


# ------------------------------------------------------------------ the budget


def test_a_budget_is_given_in_hours_and_per_cent_and_nothing_means_no_limit():
    form = SearchForm(filled())
    assert form.is_valid(), form.errors
    assert (form.launch_arguments["hours_limit"], form.launch_arguments["accuracy_goal"]) == (None, None)
    form = SearchForm(filled(hours_limit="1.5 hours", accuracy_goal="92.5 %"))
    assert form.is_valid(), form.errors
    assert (form.launch_arguments["hours_limit"], form.launch_arguments["accuracy_goal"]) == (1.5, 0.925)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"hours_limit": "a day"}, "hours_limit", "'a day' is not a number. For example 12"),
        ({"hours_limit": "0"}, "hours_limit", "0 is not above 0"),
        ({"hours_limit": "nan"}, "hours_limit", "nan is not above 0"),
        ({"hours_limit": "9000"}, "hours_limit", "up to 8760"),
        ({"accuracy_goal": "101"}, "accuracy_goal", "up to 100"),
        ({"accuracy_goal": "0.92"}, "accuracy_goal", "0.92 % is no better than guessing among 10 classes (10 %)"),
    ],
)
def test_a_budget_that_cannot_be_meant_is_said_beside_its_field(changes, field, words):
    form = SearchForm(filled(**changes))
    assert not form.is_valid()
    assert [bound.name for bound, _ in form.mistakes] == [field]
    assert words in form.errors[field][0]


# ------------------------------------------------------------------ cloning


def as_posted(form: SearchForm) -> dict:
    """What a browser posts for a form that nobody touched."""
    values = {bound.html_name: bound.value() for bound in form}
    posted = {name: getattr(value, "pk", value) for name, value in values.items() if value is not False}
    return {name: value for name, value in posted.items() if value is not None}


def test_a_clone_that_nobody_touches_has_the_same_settings_budget_and_data_set():
    settings = {"seed": 7, "n_neigh": 4, "comparisons": ("scratch",), "neighbour_rate": 0.025, "max_macs": 12_345_678}
    search = make_search(name="Leaves", hours_limit=2.5, accuracy_goal=0.925, flip=False, **settings)
    form = SearchForm(as_posted(SearchForm(clone=search)))
    assert form.is_valid(), form.errors
    assert form.config == search.search_config
    assert form.launch_arguments == {
        "dataset": search.dataset, "name": "Leaves, copy", "preset": "", "hours_limit": 2.5, "accuracy_goal": 0.925,
        "origin": None,
        "snapshot_ensemble": False,
    }  # fmt: skip


def test_a_clone_of_the_longest_name_still_has_a_name_that_fits():
    form = SearchForm(as_posted(SearchForm(clone=make_search(name="x" * 200))))
    assert form.is_valid(), form.errors
    assert form.cleaned_data["name"] == "x" * 194 + ", copy"
