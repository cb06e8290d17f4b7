"""What a search is told: SearchConfig, frozen, with the paper's names, checked at construction.

Each field carries what the form, the command line and the docs say of it, so that a parameter is described once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from searches.nash.architecture import Architecture, Shape
from searches.nash.start import Start, start_from
from searches.nash.values import checked, setting

GROUPS = ("Data", "Algorithm 1", "Training with SGDR", "Network", "Network morphisms", "Bounds", "Comparisons")
COMPARISONS = ("snapshots", "scratch", "model_0-final", "model_0-total", "wrn-16-4", "wrn-28-10")
"""What a finished search can be compared with, in the order in which it is trained."""
SELECTIONS = ("accuracy", "balanced")
"""Measures that a step can be decided by."""


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


@dataclass(frozen=True)
class SearchConfig:
    """All settings of one search. Raises InvalidConfig, with every field that is wrong at once.

    Source: Algorithm 1 and section 4 of the paper; what it leaves open is ours (method sections 1 to 6).
    """

    input_shape: Shape = (3, 32, 32)
    n_classes: int = 10
    start: Start | None = None
    """A trained network in place of model_0's fresh weights; channels and head then mean nothing."""

    seed: int = setting(
        0, "Data", "Same seed, same draws: two searches that differ in one setting can be compared in pairs.",
        minimum=0, maximum=2**31 - 1,
    )
    n_validation: int | None = setting(
        None, "Data", "Held back from training to choose by. Empty: one fifth of the training images.",
        unit="images", paper="10,000", minimum=1,
    )
    n_training: int | None = setting(
        None, "Data", "Drawn from those that are not held back. Empty: all.",
        unit="images", paper="40,000", minimum=1,
    )
    n_test: int | None = setting(
        None, "Data", "Drawn from the test images; the others are never looked at. Empty: all.",
        unit="images", paper="10,000", minimum=1,
    )
    selection: str = setting(
        "accuracy", "Data", "What decides a step. balanced: the mean over the classes, for unequal ones.",
        paper="accuracy", choices=SELECTIONS,
    )
    padding: int | None = setting(
        None, "Data",
        "Zero padding before a random crop; 0: no crop. Empty: an eighth of the side, if the data set allows it.",
        unit="pixels", paper="4", minimum=0, maximum=32,
    )
    flip: bool | None = setting(
        None, "Data", "Random horizontal flip. Empty: as the data set says (a flipped 2 is no 2).", paper="yes",
    )

    n_steps: int = setting(
        5, "Algorithm 1", "Rounds of change, train, choose.", unit="steps", paper="5", minimum=1, maximum=100,
    )
    n_neigh: int = setting(
        8, "Algorithm 1", "Candidates a step; the last is the parent itself. 1: random networks.",
        unit="networks", paper="8", minimum=1, maximum=1000,
    )
    n_NM: int = setting(
        5, "Algorithm 1", "Network morphisms applied to a child.", unit="morphisms", paper="5",
        minimum=1, maximum=100,
    )

    epoch_pretrain: int = setting(
        20, "Training with SGDR", "For model_0.", unit="epochs", paper="20", minimum=1, maximum=10_000,
    )
    epoch_neigh: int = setting(
        17, "Training with SGDR", "For each candidate of a step.", unit="epochs", paper="17",
        minimum=1, maximum=10_000,
    )
    epoch_final: int = setting(
        100, "Training with SGDR", "For the winner, on training + validation set.", unit="epochs", paper="100",
        minimum=1, maximum=10_000,
    )
    lambda_start: float = setting(
        0.05, "Training with SGDR", "Learning rate at each warm restart.", paper="0.05", minimum=1e-8, maximum=10.0,
    )
    lambda_end: float = setting(
        0.0, "Training with SGDR", "Learning rate at the end of each cycle.", paper="0", minimum=0.0, maximum=10.0,
    )
    batch_size: int = setting(
        128, "Training with SGDR", "The last partial batch of an epoch is dropped.", unit="images",
        minimum=2, maximum=65_536,
    )
    neighbour_rate: float | None = setting(
        None, "Training with SGDR",
        "No SGDR: neighbours are trained at this constant rate; pretraining and final training stay cosine. "
        "Empty: SGDR.", paper="0.01, 0.025, 0.05", minimum=1e-8, maximum=10.0,
    )
    momentum: float = setting(
        0.9, "Training with SGDR", "Momentum of SGD; begins anew with each training.", minimum=0.0, maximum=0.999,
    )
    nesterov: bool = setting(True, "Training with SGDR", "Nesterov's form of the momentum.")
    weight_decay: float = setting(
        5e-4, "Training with SGDR", "On weights alone: not on BatchNorm, biases and the lambda of a skip.",
        minimum=0.0, maximum=1.0,
    )
    clip_gradient_norm: float | None = setting(
        1.0, "Training with SGDR",
        "Longest gradient of a step. Without it a warm restart can wreck a child whose skip joins the flattened "
        "head. Empty: no limit.", minimum=1e-3, maximum=1e6,
    )
    precision: str = setting(
        "auto", "Training with SGDR", "auto: bfloat16 where the device has it fast, else float32.",
        choices=("auto", "bfloat16", "float32"),
    )
    deterministic: bool = setting(
        True, "Training with SGDR",
        "CUDA only: deterministic algorithms by torch's rules; off is faster. A CPU repeats its bits always.",
    )
    evaluate_each_epoch: bool = setting(
        True, "Training with SGDR", "Validation accuracy after every epoch; selection uses the last one only.",
    )

    channels: tuple[int, ...] = setting(
        (32, 32, 32), "Network", "Widths of model_0's convolutions, a max-pool between each two.",
        unit="channels", minimum=1, maximum=4096,
    )
    head: str = setting(
        "auto", "Network", "auto: flatten, or global average pooling where that would take half of max_parameters.",
        choices=("auto", "flatten", "global_pool"),
    )

    network_morphism: bool = setting(
        True, "Network morphisms",
        "Off: a child inherits unchanged layers alone; new or modified ones begin afresh and Eq. (1) does not hold.",
        paper="on",
    )
    kernels: tuple[int, ...] = setting(
        (3, 5), "Network morphisms", "Kernel sizes that Deepen draws from.", paper="3, 5", choices=(3, 5),
    )
    widen_factors: tuple[int, ...] = setting(
        (2, 4), "Network morphisms", "Factors that Widen draws from.", paper="2, 4", minimum=2, maximum=16,
    )
    widen_init: str = setting(
        "copy", "Network morphisms", "New filters of Widen: copies of the block's own, or He-random.",
        choices=("copy", "random"),
    )
    freeze_new_batchnorm_epochs: int = setting(
        0, "Network morphisms", "A deepened block keeps its calibrated statistics for so many epochs.",
        unit="epochs", minimum=0, maximum=10_000,
    )
    calibration_images: int = setting(
        2000, "Network morphisms", "Augmented training images that a parent's BatchNorm statistics are taken from.",
        unit="images", minimum=2, maximum=100_000,
    )

    max_channels: int = setting(
        256, "Bounds", "For one block.", unit="channels", minimum=1, maximum=65_536,
    )
    max_parameters: int = setting(
        20_000_000, "Bounds", "For one network.", unit="parameters", minimum=1,
    )
    max_macs: int = setting(
        4_000_000_000, "Bounds", "Multiply-accumulates of one network for one image.", unit="MACs", minimum=1,
    )

    comparisons: tuple[str, ...] = setting(
        (), "Comparisons",
        "Trained after the final model, on training + validation set, and tested once each; the search is the same.",
        choices=COMPARISONS, may_be_empty=True,
    )

    def __post_init__(self) -> None:
        errors: dict[str, str] = {}
        for f in fields(self):
            given = getattr(self, f.name)
            try:
                is_start = f.name == "start"
                value = start_from(given) if is_start else checked(given, self.__annotations__[f.name], f.metadata)
                object.__setattr__(self, f.name, value)
            except ValueError as error:
                errors[f.name] = str(error)
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

    @property
    def scratch_epochs(self) -> int:
        """Epochs that the final model's weights have seen: its own chain of trainings (paper: 205)."""
        return self.epoch_pretrain + self.n_steps * self.epoch_neigh + self.epoch_final

    def comparison_epochs(self, name: str) -> int:
        """Epochs of a training of a comparison of COMPARISONS."""
        finals = {"snapshots": self.epoch_final, "model_0-final": self.epoch_final, "scratch": self.scratch_epochs}
        return finals.get(name, self.epoch_budget)

    def initial_architecture(self) -> Architecture:
        """model_0 of this search."""
        if self.start is not None:
            return self.start.architecture
        return Architecture.initial(
            self.input_shape, self.n_classes, self.channels, head=self.head, max_parameters=self.max_parameters
        )

    def replace(self, **settings: Any) -> SearchConfig:
        """The same with other settings. Raises InvalidConfig."""
        return replace(self, **known_settings(settings))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, every field; `start` only where there is one."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        start = {"start": self.start.to_dict()} if self.start else {}
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if name != "start"}
        return {**plain, **start}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> SearchConfig:
        """The reverse of to_dict; missing fields take their default. Raises InvalidConfig."""
        return cls(**known_settings(d))


def known_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    names = [f.name for f in fields(SearchConfig)]
    if unknown := [name for name in settings if name not in names]:
        raise InvalidConfig({name: f"not a setting; settings: {', '.join(names)}" for name in unknown})
    return dict(settings)


def _contradictions(config: SearchConfig) -> dict[str, str]:
    """Values that are each allowed but do not go together."""
    errors: dict[str, str] = {}
    if config.lambda_end > config.lambda_start:
        errors["lambda_end"] = (
            f"{config.lambda_end:g} is above lambda_start ({config.lambda_start:g}). "
            f"The rate only falls: give 0 to {config.lambda_start:g}"
        )
    if config.n_classes < 1:
        errors["n_classes"] = f"{config.n_classes} classes; a search needs at least 1"
    if config.input_shape[0] not in (1, 3) or min(config.input_shape) < 1:
        errors["input_shape"] = f"{config.input_shape}: 1 (grey) or 3 (colour) channels and at least 1 pixel a side"
    elif config.start:
        if misfit := config.start.misfits(config.input_shape, config.n_classes):
            errors["start"] = misfit
    elif (most := min(config.input_shape[1:]).bit_length()) < len(config.channels):
        errors["channels"] = (
            f"{config.channels} with a max-pool between each two are too many for images of {config.input_shape}: "
            f"give 1 to {most} widths"
        )
    for name in ("kernels", "widen_factors"):
        if len(set(values := getattr(config, name))) < len(values):
            errors[name] = f"{values} has a value twice, which would be drawn more often: give each once"
    first = config.start.architecture if config.start else None
    widest = max((first.node(b).channels for b in first.blocks), default=0) if first else max(config.channels)
    if widest > config.max_channels:
        errors["max_channels"] = f"{config.max_channels:,} is below model_0's widest block: give at least {widest:,}"
    if errors.keys() & {"input_shape", "n_classes", "channels", "start"}:  # there is no model_0 to measure
        return errors
    initial = config.initial_architecture()
    for name, size in (("max_parameters", initial.n_parameters), ("max_macs", initial.n_macs)):
        if getattr(config, name) < size:
            errors[name] = f"{getattr(config, name):,} is below model_0's own size: give at least {size:,}"
    return errors
