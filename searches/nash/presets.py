"""Named sets of settings, and settings as a person writes them on a command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from searches.nash.config import InvalidConfig, SearchConfig, known_settings
from searches.nash.values import from_text


@dataclass(frozen=True)
class Preset:
    """A named set of settings. `dataset`: the one it was made for, or None."""

    name: str
    title: str
    words: str
    dataset: str | None
    settings: Mapping[str, Any]


PRESETS: dict[str, Preset] = {
    p.name: p
    for p in (
        Preset(
            "demo", "First try", "1,797 pictures of digits, bundled. See every page filled before you spend time.",
            "digits",
            {
                "channels": (16, 16, 16), "n_steps": 2, "n_neigh": 4, "n_NM": 3, "epoch_pretrain": 6,
                "epoch_neigh": 6, "epoch_final": 20, "batch_size": 32, "max_channels": 64,
            },
        ),
        Preset(
            "small", "Small", "Three steps of four on full CIFAR-10, for two CPU cores and a coffee.", "cifar10",
            {
                "channels": (32, 32, 32), "n_steps": 3, "n_neigh": 4, "n_NM": 4, "epoch_pretrain": 3,
                "epoch_neigh": 2, "epoch_final": 15, "batch_size": 32, "padding": 2, "max_channels": 64,
                "max_macs": 28_000_000,
            },
        ),
        Preset("paper-5", "Paper", "The paper's numbers for CIFAR-10: 5 steps of 8, 17 epochs each.", "cifar10", {}),
        Preset(
            "paper-8", "Paper, 8 steps", "The paper's large setting: n_steps 8, up to 60 M parameters.", "cifar10",
            {"n_steps": 8, "max_parameters": 60_000_000},
        ),
    )
}


def preset_config(name: str, **settings: Any) -> SearchConfig:
    """The preset's SearchConfig with some settings changed. Raises InvalidConfig."""
    if name not in PRESETS:
        raise InvalidConfig({"preset": f"{name!r} is none of {', '.join(PRESETS)}"})
    return SearchConfig(**known_settings({**PRESETS[name].settings, **settings}))


def value_from_text(name: str, text: str) -> Any:
    """The value that a person wrote for the setting `name`; the check of SearchConfig names one that is none."""
    return from_text(SearchConfig.__annotations__[name], text)


def parse_setting(text: str) -> tuple[str, Any]:
    """'n_steps=2' -> ('n_steps', 2); 'channels=16,16,16' -> a tuple; an empty value -> None.

    Raises InvalidConfig for text without '=' and for a name that is not a setting.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals:
        raise InvalidConfig({name: "give it as name=value"})
    known_settings({name: value})
    return name, value_from_text(name, value.strip())
