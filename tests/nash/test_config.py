"""Settings: the paper's numbers, what is refused and how it is said, presets, text from a command line."""

import json
from dataclasses import fields

import pytest

from searches.nash.config import GROUPS, InvalidConfig, SearchConfig
from searches.nash.presets import PRESETS, parse_setting, preset_config
from searches.nash.streams import PURPOSES, derive

NEW_SETTINGS = ("neighbour_rate", "network_morphism", "comparisons")


def test_the_defaults_are_the_papers_numbers_and_its_epoch_budget():
    config = SearchConfig()
    assert (config.n_steps, config.n_neigh, config.n_NM) == (5, 8, 5)
    assert (config.epoch_pretrain, config.epoch_neigh, config.epoch_final) == (20, 17, 100)
    assert (config.lambda_start, config.lambda_end) == (0.05, 0.0)
    assert (config.kernels, config.widen_factors) == ((3, 5), (2, 4))
    assert config.epoch_budget == preset_config("paper-5").epoch_budget == 800
    assert preset_config("paper-8").epoch_budget == 1208


@pytest.mark.parametrize(
    ("settings", "field", "message"),
    [
        ({"seed": 1.5}, "seed", "not a whole number"),
        ({"n_steps": True}, "n_steps", "not a whole number"),
        ({"lambda_start": float("nan")}, "lambda_start", "not a number"),
        ({"nesterov": "yes"}, "nesterov", "true or false"),
        ({"precision": "float16"}, "precision", "none of auto, bfloat16, float32"),
        ({"kernels": (3, 7)}, "kernels", "7 is none of 3, 5"),
        ({"kernels": ()}, "kernels", "empty"),
        ({"channels": 32}, "channels", "a list of whole numbers"),
        ({"neighbour_rate": 0}, "neighbour_rate", "0.0 is outside the allowed range: 1e-08 to 10"),
        ({"neighbour_rate": "sgdr"}, "neighbour_rate", "not a number"),
        ({"network_morphism": 1}, "network_morphism", "true or false"),
        ({"comparisons": ("snapshots", "resnet")}, "comparisons", "'resnet' is none of snapshots, scratch"),
        ({"comparisons": "scratch"}, "comparisons", "'scratch' is not a list of words"),
        ({"comparisons": (1,)}, "comparisons", "a list of words"),
    ],
)
def test_a_value_of_another_type_or_choice_is_refused_with_the_way_out(settings, field, message):
    with pytest.raises(InvalidConfig) as refused:
        SearchConfig(**settings)
    assert message in refused.value.errors[field]


def test_settings_survive_json_and_an_unknown_one_is_named():
    config = SearchConfig(channels=[16, 16], n_validation=None, flip=False, clip_gradient_norm=None)
    assert SearchConfig.from_dict(config.to_dict()) == config
    config = config.replace(comparisons=["scratch", "wrn-16-4"], neighbour_rate=0.025, network_morphism=False)
    assert config.to_dict()["comparisons"] == ["scratch", "wrn-16-4"]
    assert SearchConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(InvalidConfig, match="n_step: not a setting"):
        SearchConfig.from_dict({"n_step": 3})


def test_a_search_of_before_the_comparisons_is_the_same_search_now():
    old = {name: value for name, value in SearchConfig().to_dict().items() if name not in NEW_SETTINGS}
    config = SearchConfig.from_dict(old)
    assert (config.neighbour_rate, config.network_morphism, config.comparisons) == (None, True, ())
    assert config == SearchConfig()


def test_every_setting_says_what_it_is_and_belongs_to_a_group():
    for field in fields(SearchConfig):
        if field.name not in ("input_shape", "n_classes", "start"):
            assert field.metadata["group"] in GROUPS
            assert field.metadata["help"].endswith((".", "says).")), field.name


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_configuration(name):
    assert preset_config(name).epoch_budget > 0
    if name == "demo":
        preset_config(name, input_shape=(1, 8, 8))


def test_a_preset_that_is_none_is_named():
    with pytest.raises(InvalidConfig, match="none of demo, small"):
        preset_config("medium")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n_steps=2", 2),
        ("channels=16,16,16", (16, 16, 16)),
        ("channels=(16, 8)", (16, 8)),
        ("n_validation=", None),
        ("clip_gradient_norm=", None),
        ("flip=no", False),
        ("lambda_start=1e-2", 0.01),
        ("max_parameters=2_000_000", 2_000_000),
        ("precision=float32", "float32"),
        ("n_steps=abc", "abc"),
        ("comparisons=snapshots, wrn-16-4", ("snapshots", "wrn-16-4")),
        ("comparisons=(model_0-final)", ("model_0-final",)),
        ("comparisons=", ()),
        ("neighbour_rate=0.025", 0.025),
        ("neighbour_rate=", None),
        ("network_morphism=no", False),
        ("n_training=", None),
        ("selection=balanced", "balanced"),
    ],
)
def test_a_setting_is_read_as_a_person_writes_it(text, value):
    assert parse_setting(text) == (text.partition("=")[0], value)


@pytest.mark.parametrize("text", ["n_steps", "nsteps=2"])
def test_text_that_is_no_setting_is_refused(text):
    with pytest.raises(InvalidConfig):
        parse_setting(text)


def test_streams_differ_in_each_part_and_are_fixed_for_ever():
    parts = [(0, "morphism"), (1, "morphism"), (0, "init"), (0, "morphism", 1), (0, "morphism", 0, 1)]
    assert len({derive(*p) for p in parts}) == 5
    assert derive(0, "morphism", 1, 2) == derive(0, "morphism", 1, 2, 0)
    assert all(0 <= derive(7, purpose, epoch=3) < 2**63 for purpose in PURPOSES)
    assert derive(0, "split") == 7772131637124284400
    with pytest.raises(ValueError, match="not a stream"):
        derive(0, "morphisms")
