"""What a search is told: SearchConfig, frozen, with the paper's names, checked at construction; and the presets.

Each field carries what the form, the command line and the docs say of it, so that a parameter is described once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from searches.nash.architecture import Architecture, InvalidArchitecture, Shape

GROUPS = ("Data", "Algorithm 1", "Training with SGDR", "Network", "Network morphisms", "Bounds")


class InvalidConfig(ValueError):
    """Settings that cannot be; `errors` maps each field to a sentence with its value and the way out."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {message}" for name, message in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class Bounds:
    """What a child may reach. A bound removes arguments from the valid set before the draw (method section 6).

    `max_channels` for one block, `max_parameters` and `max_macs` (for one image) for one network.
    """

    max_channels: int = 256
    max_parameters: int = 20_000_000
    max_macs: int = 4_000_000_000
    kernels: tuple[int, ...] = (3, 5)
    widen_factors: tuple[int, ...] = (2, 4)

    def allow(self, architecture: Architecture) -> bool:
        return architecture.n_parameters <= self.max_parameters and architecture.n_macs <= self.max_macs


def _setting(
    default: Any,
    group: str,
    help: str,
    *,
    unit: str = "",
    paper: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Any, ...] | None = None,
) -> Any:
    """A field with what is said of it; minimum and maximum are inclusive."""
    metadata = {
        "group": group,
        "help": help,
        "unit": unit,
        "paper": paper,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class SearchConfig:
    """All settings of one search. Raises InvalidConfig, with every field that is wrong at once.

    Source: Algorithm 1 and section 4 of the paper; what it leaves open is ours (method sections 1 to 6).
    """

    input_shape: Shape = (3, 32, 32)
    n_classes: int = 10

    seed: int = _setting(
        0, "Data", "Same seed, same draws: two searches that differ in one setting can be compared in pairs.",
        minimum=0, maximum=2**31 - 1,
    )
    n_validation: int | None = _setting(
        None, "Data", "Held back from training to choose by. Empty: one fifth of the training images.",
        unit="images", paper="10,000", minimum=1,
    )
    padding: int | None = _setting(
        None, "Data", "Zero padding before the random crop. Empty: an eighth of the image's side; 0: no crop.",
        unit="pixels", paper="4", minimum=0, maximum=32,
    )
    flip: bool | None = _setting(
        None, "Data", "Random horizontal flip. Empty: as the data set says (a flipped 2 is no 2).", paper="yes",
    )

    n_steps: int = _setting(
        5, "Algorithm 1", "Rounds of change, train, choose.", unit="steps", paper="5", minimum=1, maximum=100,
    )
    n_neigh: int = _setting(
        8, "Algorithm 1", "Candidates a step; the last is the parent itself. 1: random networks.",
        unit="networks", paper="8", minimum=1, maximum=1000,
    )
    n_NM: int = _setting(
        5, "Algorithm 1", "Network morphisms applied to a child.", unit="morphisms", paper="5",
        minimum=1, maximum=100,
    )

    epoch_pretrain: int = _setting(
        20, "Training with SGDR", "For model_0.", unit="epochs", paper="20", minimum=1, maximum=10_000,
    )
    epoch_neigh: int = _setting(
        17, "Training with SGDR", "For each candidate of a step.", unit="epochs", paper="17",
        minimum=1, maximum=10_000,
    )
    epoch_final: int = _setting(
        100, "Training with SGDR", "For the winner, on training + validation set.", unit="epochs", paper="100",
        minimum=1, maximum=10_000,
    )
    lambda_start: float = _setting(
        0.05, "Training with SGDR", "Learning rate at each warm restart.", paper="0.05", minimum=1e-8, maximum=10.0,
    )
    lambda_end: float = _setting(
        0.0, "Training with SGDR", "Learning rate at the end of each cycle.", paper="0", minimum=0.0, maximum=10.0,
    )
    batch_size: int = _setting(
        128, "Training with SGDR", "The last partial batch of an epoch is dropped.", unit="images",
        minimum=2, maximum=65_536,
    )
    momentum: float = _setting(
        0.9, "Training with SGDR", "Momentum of SGD; begins anew with each training.", minimum=0.0, maximum=0.999,
    )
    nesterov: bool = _setting(True, "Training with SGDR", "Nesterov's form of the momentum.")
    weight_decay: float = _setting(
        5e-4, "Training with SGDR", "On weights alone: not on BatchNorm, biases and the lambda of a skip.",
        minimum=0.0, maximum=1.0,
    )
    precision: str = _setting(
        "auto", "Training with SGDR", "auto: bfloat16 where the device has it fast, else float32.",
        choices=("auto", "bfloat16", "float32"),
    )
    evaluate_each_epoch: bool = _setting(
        True, "Training with SGDR", "Validation accuracy after every epoch; selection uses the last one only.",
    )

    channels: tuple[int, ...] = _setting(
        (32, 32, 32), "Network", "Widths of model_0's convolutions, a max-pool between each two.",
        unit="channels", minimum=1, maximum=4096,
    )
    head: str = _setting(
        "auto", "Network", "auto: flatten, or global average pooling where that would take half of max_parameters.",
        choices=("auto", "flatten", "global_pool"),
    )

    kernels: tuple[int, ...] = _setting(
        (3, 5), "Network morphisms", "Kernel sizes that Deepen draws from.", paper="3, 5", choices=(3, 5),
    )
    widen_factors: tuple[int, ...] = _setting(
        (2, 4), "Network morphisms", "Factors that Widen draws from.", paper="2, 4", minimum=2, maximum=16,
    )
    widen_init: str = _setting(
        "copy", "Network morphisms", "New filters of Widen: copies of the block's own, or He-random.",
        choices=("copy", "random"),
    )
    freeze_new_batchnorm_epochs: int = _setting(
        0, "Network morphisms", "A deepened block keeps its calibrated statistics for so many epochs.",
        unit="epochs", minimum=0, maximum=10_000,
    )
    calibration_images: int = _setting(
        2000, "Network morphisms", "Augmented training images that a parent's BatchNorm statistics are taken from.",
        unit="images", minimum=2, maximum=100_000,
    )

    max_channels: int = _setting(
        256, "Bounds", "For one block.", unit="channels", minimum=1, maximum=65_536,
    )
    max_parameters: int = _setting(
        20_000_000, "Bounds", "For one network.", unit="parameters", minimum=1,
    )
    max_macs: int = _setting(
        4_000_000_000, "Bounds", "Multiply-accumulates of one network for one image.", unit="MACs", minimum=1,
    )

    def __post_init__(self) -> None:
        errors: dict[str, str] = {}
        for f in fields(self):
            value = _normalised(f.name, getattr(self, f.name), f.default, errors)
            object.__setattr__(self, f.name, value)
        if not errors:
            errors |= _contradictions(self)
        if errors:
            raise InvalidConfig(errors)

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.max_channels, self.max_parameters, self.max_macs, self.kernels, self.widen_factors)

    @property
    def epoch_budget(self) -> int:
        """Epochs of the whole search: pretraining + every neighbour + final training (paper: 800)."""
        return self.epoch_pretrain + self.n_steps * self.n_neigh * self.epoch_neigh + self.epoch_final

    def initial_architecture(self) -> Architecture:
        """model_0 of this search."""
        return Architecture.initial(
            self.input_shape, self.n_classes, self.channels, head=self.head, max_parameters=self.max_parameters
        )

    def replace(self, **settings: Any) -> SearchConfig:
        """The same with other settings. Raises InvalidConfig."""
        return replace(self, **_known(settings))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, every field."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> SearchConfig:
        """The reverse of to_dict; missing fields take their default. Raises InvalidConfig."""
        return cls(**_known(d))


def _known(settings: Mapping[str, Any]) -> dict[str, Any]:
    names = [f.name for f in fields(SearchConfig)]
    if unknown := [name for name in settings if name not in names]:
        raise InvalidConfig({name: f"not a setting; settings: {', '.join(names)}" for name in unknown})
    return dict(settings)


def _normalised(name: str, value: Any, default: Any, errors: dict[str, str]) -> Any:
    """The value in its field's type, lists as tuples; a sentence in `errors` where it is not one or out of range."""
    metadata = SearchConfig.__dataclass_fields__[name].metadata
    if value is None and default is None:
        return None
    try:
        value = _CASTS[SearchConfig.__annotations__[name]](value)
    except (TypeError, ValueError, OverflowError):
        errors[name] = f"{value!r} is not {_WORDS[SearchConfig.__annotations__[name]]}"
        return value
    each = value if isinstance(value, tuple) else (value,)
    if not each:
        errors[name] = "empty; give at least one value"
    choices, low, high = (metadata.get(key) for key in ("choices", "minimum", "maximum"))
    for v in each:
        if choices and v not in choices:
            errors[name] = f"{v!r} is none of {', '.join(map(str, choices))}"
        elif (low is not None and v < low) or (high is not None and v > high):
            errors[name] = f"{v:,} is outside {_range_words(low, high)}"
    return value


def _range_words(low: float | None, high: float | None) -> str:
    if high is None:
        return f"the allowed range: at least {low:,}"
    return f"the allowed range: {low:,} to {high:,}"


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
        raise ValueError(value)
    return int(value)


def _real(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(value)
    return number


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _wholes(value: Any) -> tuple[int, ...]:
    return tuple(_whole(v) for v in value)


def _shape(value: Any) -> Shape:
    c, h, w = _wholes(value)
    return c, h, w


_CASTS: dict[str, Callable[[Any], Any]] = {
    "int": _whole,
    "int | None": _whole,
    "float": _real,
    "bool": _switch,
    "bool | None": _switch,
    "str": _name,
    "tuple[int, ...]": _wholes,
    "Shape": _shape,
}
_WORDS = {
    "int": "a whole number",
    "int | None": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "bool | None": "true or false",
    "str": "a word",
    "tuple[int, ...]": "a list of whole numbers, such as 32,32,32",
    "Shape": "three whole numbers (C, H, W)",
}


def _contradictions(config: SearchConfig) -> dict[str, str]:
    """Values that are each allowed but do not go together."""
    errors: dict[str, str] = {}
    if config.lambda_end > config.lambda_start:
        errors["lambda_end"] = (
            f"{config.lambda_end:g} is above lambda_start ({config.lambda_start:g}). "
            f"The rate only falls: give 0 to {config.lambda_start:g}"
        )
    if config.n_classes < 2:
        errors["n_classes"] = f"{config.n_classes} classes; a search needs at least 2"
    if config.input_shape[0] not in (1, 3):
        errors["input_shape"] = f"{config.input_shape[0]} channels; 1 (grey) or 3 (colour)"
    if max(config.channels) > config.max_channels:
        errors["max_channels"] = (
            f"{config.max_channels:,} is below model_0's widest block: give at least {max(config.channels):,}"
        )
    try:
        initial = config.initial_architecture()
    except InvalidArchitecture as error:
        return errors | {"channels": str(error)}
    for name, size in (("max_parameters", initial.n_parameters), ("max_macs", initial.n_macs)):
        if getattr(config, name) < size:
            errors[name] = f"{getattr(config, name):,} is below model_0's own size: give at least {size:,}"
    return errors


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
                "channels": (32, 32, 32), "n_steps": 3, "n_neigh": 4, "n_NM": 3, "epoch_pretrain": 3,
                "epoch_neigh": 2, "epoch_final": 10, "max_channels": 64,
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
    return SearchConfig(**_known({**PRESETS[name].settings, **settings}))


def parse_setting(text: str) -> tuple[str, Any]:
    """'n_steps=2' -> ('n_steps', 2); 'channels=16,16,16' -> a tuple; an empty value -> None.

    Raises InvalidConfig for text without '=' and for a name that is not a setting.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals:
        raise InvalidConfig({name: "give it as name=value"})
    _known({name: value})
    return name, value_from_text(name, value.strip())


def value_from_text(name: str, text: str) -> Any:
    """The value that a person wrote for a setting; text that is none is returned as it is, for the check to name."""
    annotation = SearchConfig.__annotations__[name]
    if text == "" and annotation.endswith("None"):
        return None
    if annotation in ("tuple[int, ...]", "Shape"):
        return tuple(_literal(part) for part in text.replace("-", ",").strip("()[] ").split(",") if part.strip())
    return text if annotation == "str" else _literal(text)


def _literal(text: str) -> Any:
    lowered = text.strip().lower()
    if lowered in ("true", "yes", "on", "false", "no", "off"):
        return lowered in ("true", "yes", "on")
    try:
        return json.loads(lowered.replace("_", ""))
    except ValueError:
        return text
