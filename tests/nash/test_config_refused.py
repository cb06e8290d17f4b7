"""A SearchConfig that cannot be is refused at construction, with the field's name, its value and what is allowed."""

from dataclasses import Field, fields, replace

import pytest

from searches.nash.config import InvalidConfig, SearchConfig
from searches.nash.values import checked

DIGITS = {"input_shape": (1, 8, 8)}
LIMITED = [f for f in fields(SearchConfig) if f.metadata.get("minimum") is not None]
OF_LISTS = ("channels", "widen_factors")


def refusal(**settings: object) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as refused:
        SearchConfig(**settings)
    return refused.value


@pytest.mark.parametrize(
    ("settings", "field", "value", "allowed"),
    [
        ({"n_neigh": 0}, "n_neigh", "0", "1 to 1,000"),
        ({"n_neigh": -1}, "n_neigh", "-1", "1 to 1,000"),
        ({"n_steps": 0}, "n_steps", "0", "1 to 100"),
        ({"epoch_pretrain": 0}, "epoch_pretrain", "0", "1 to 10,000"),
        ({"epoch_neigh": 0}, "epoch_neigh", "0", "1 to 10,000"),
        ({"epoch_final": 0}, "epoch_final", "0", "1 to 10,000"),
        ({"lambda_end": 0.1}, "lambda_end", "0.1", "0 to 0.05"),
        ({"lambda_start": 1e-3, "lambda_end": 2e-3}, "lambda_end", "0.002", "0 to 0.001"),
        ({"lambda_start": 0.0}, "lambda_start", "0.0", "1e-08 to 10"),
        ({"head": "flatten", "max_parameters": 39_977}, "max_parameters", "39,977", "at least 39,978"),
        ({"max_macs": 3_854_335}, "max_macs", "3,854,335", "at least 3,854,336"),
        ({"max_channels": 31}, "max_channels", "31", "at least 32"),
        ({"channels": (16, 64), "max_channels": 63}, "max_channels", "63", "at least 64"),
        ({"input_shape": (3, 3, 3)}, "channels", "(32, 32, 32)", "1 to 2 widths"),
        ({"input_shape": (3, 64, 3)}, "channels", "(32, 32, 32)", "1 to 2 widths"),
        ({**DIGITS, "channels": (8,) * 5}, "channels", "(8, 8, 8, 8, 8)", "1 to 4 widths"),
        ({"input_shape": (3, 0, 32)}, "input_shape", "(3, 0, 32)", "at least 1 pixel a side"),
        ({"input_shape": (3, -8, 8)}, "input_shape", "(3, -8, 8)", "at least 1 pixel a side"),
        ({"input_shape": (4, 8, 8)}, "input_shape", "(4, 8, 8)", "1 (grey) or 3 (colour)"),
        ({"n_classes": 0}, "n_classes", "0 classes", "at least 1"),
        ({"kernels": (3, 3, 5)}, "kernels", "(3, 3, 5)", "each once"),
        ({"widen_factors": (2, 2)}, "widen_factors", "(2, 2)", "each once"),
    ],
)
def test_what_cannot_be_is_refused_by_name_value_and_range(settings, field, value, allowed):
    refused = refusal(**settings)
    assert set(refused.errors) == {field}
    assert str(refused).startswith(f"{field}: ")
    message = refused.errors[field]
    assert value in message
    assert allowed in message


@pytest.mark.parametrize("settings", [
    {"head": "flatten", "max_parameters": 39_978, "max_macs": 3_854_336},
    {"channels": (32, 32), "input_shape": (3, 3, 3)},
    {**DIGITS, "channels": (8,) * 4},
    {"lambda_start": 0.05, "lambda_end": 0.05},
    {"max_channels": 32},
])  # fmt: skip
def test_what_just_fits_is_not_refused(settings):
    assert SearchConfig(**settings).initial_architecture().n_parameters > 0


def beyond(f: Field, end: str) -> object:
    """A value one step outside the field's range, of the field's type."""
    step = 1 if "int" in str(f.type) else 1e-3
    value = f.metadata[end] + (step if end == "maximum" else -step)
    return (value,) if f.name in OF_LISTS else value


ENDS = [(f, end) for f in LIMITED for end in ("minimum", "maximum") if f.metadata[end] is not None]


@pytest.mark.parametrize(("f", "end"), ENDS, ids=lambda v: getattr(v, "name", v))
def test_every_range_is_kept_at_both_ends(f, end):
    value = beyond(f, end)
    message = refusal(**{f.name: value}).errors[f.name]
    shown = value[0] if isinstance(value, tuple) else value
    assert message.startswith(f"{shown:,} is outside the allowed range: ")
    assert f"{f.metadata[end]:,}" in message


@pytest.mark.parametrize(("f", "end"), ENDS, ids=lambda v: getattr(v, "name", v))
def test_the_ends_themselves_are_in_the_range(f, end):
    value = (f.metadata[end],) if f.name in OF_LISTS else f.metadata[end]
    assert checked(value, f.type, f.metadata) == value


def test_a_refused_change_leaves_the_settings_as_they_were():
    config = SearchConfig()
    with pytest.raises(InvalidConfig, match="n_neigh: 0 is outside the allowed range: 1 to 1,000"):
        config.replace(n_neigh=0)
    with pytest.raises(InvalidConfig, match="lambda_end"):
        replace(config, lambda_end=1.0)
    assert config == SearchConfig()


def test_mistakes_of_several_fields_are_named_at_once_contradictions_too():
    assert set(refusal(n_steps=0, n_NM=0, batch_size=1).errors) == {"n_steps", "n_NM", "batch_size"}
    contradictions = {"lambda_end": 1.0, "max_macs": 1, "max_channels": 1}
    assert set(refusal(**contradictions).errors) == set(contradictions)
