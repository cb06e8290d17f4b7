"""The launch form, generated from the fields of SearchConfig: a parameter is described once, in the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict

from searches.comparisons import CATALOGUE, Comparison
from searches.figures import Bar, budget_bars
from searches.forms_limits import LimitField
from searches.forms_start import StartFields
from searches.models import DataSet, Search
from searches.nash.config import GROUPS, InvalidConfig, SearchConfig
from searches.nash.model_zip import DamagedModel
from searches.nash.presets import PRESETS, Preset, preset_config, value_from_text
from searches.selectors.access import Asker
from searches.services.launch import Launched, create_search, errors_of_split, with_snapshots
from searches.services.sent_zips import forget_zip

FIRST_PRESET = "demo"
SETTINGS = {f.name: f for f in fields(SearchConfig) if f.metadata.get("group")}
GROUP_WORDS = {
    "Data": "What the networks learn. The test set stays shut until the final training has ended.",
    "Algorithm 1": "How far the hill is climbed.",
    "Training with SGDR": "Each training is one cosine from lambda_start down to lambda_end.",
    "Network": "Where the climb begins: model_0.",
    "Network morphisms": "How a child may differ from its parent while computing the same function.",
    "Bounds": (
        "Ours: the paper gives none, and without them 25 morphisms can reach 40 M parameters. "
        "A bound removes choices before the draw."
    ),
    "Comparisons": "What the search buys, measured. They can be added to a finished search, too.",
}
NAME_LENGTH = 200
COPY = ", copy"
HOURS_WORDS = "Wall time since the first training began, pauses left out. Empty: no limit."
GOAL_WORDS = (
    "Validation accuracy of the best network; balanced accuracy where selection is balanced. Empty: no goal."
)
ENSEMBLE_WORDS = "The best network of each step, trained to the end as the snapshots above are, and averaged."
UNITS = {"k": 10**3, "m": 10**6, "g": 10**9}


@dataclass(frozen=True)
class PresetCard:
    """A preset with the shape of its budget."""

    preset: Preset
    epochs: int
    bars: list[Bar]
    settings: dict[str, str | bool | list[str]]

    @property
    def script_id(self) -> str:
        return f"settings-{self.preset.name}"


@dataclass(frozen=True)
class Choice:
    """A comparison as a box to tick."""

    comparison: Comparison
    is_chosen: bool


@dataclass(frozen=True)
class Group:
    """One group of settings, in the engine's order."""

    title: str
    words: str
    fields: list[forms.BoundField]


class SearchForm(StartFields):
    """A data set, a name, a budget and every setting of SearchConfig. Valid: `config` holds the checked settings.

    Begins with a preset's values, or with those of the search to `clone`.
    """

    name = forms.CharField(max_length=NAME_LENGTH, strip=True)
    dataset = forms.ModelChoiceField(
        DataSet.objects.all(), empty_label=None, error_messages={"required": "no data set: import one first"}
    )
    preset = forms.ChoiceField(choices=[(p.name, p.title) for p in PRESETS.values()], required=False)
    hours_limit = LimitField(unit="hours", most=8760, example="12", help_text=HOURS_WORDS)
    accuracy_goal = LimitField(unit="%", most=100, example="92.5", help_text=GOAL_WORDS)
    snapshot_ensemble = forms.BooleanField(required=False, help_text=ENSEMBLE_WORDS)
    config: SearchConfig

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        files: MultiValueDict[str, Any] | None = None,
        *,
        preset: str = "",
        clone: Search | None = None,
        asker: Asker | None = None,
        begin: str = "",
    ) -> None:
        chosen = preset if preset in PRESETS else FIRST_PRESET
        super().__init__(data, files, initial=_initial_of(clone) if clone else _initial(PRESETS[chosen]))
        self.begin_with(asker, clone, begin)
        for setting in SETTINGS:
            self.fields[setting] = _field(setting)
        for bound in self:
            bound.field.widget.attrs.setdefault("class", "check" if _is_check(bound.field) else "input")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.clean_origin()
        dataset: DataSet | None = cleaned.get("dataset")
        values = {setting: _value(setting, cleaned.get(setting, "")) for setting in SETTINGS}
        if dataset:
            values |= {"input_shape": dataset.input_shape, "n_classes": dataset.n_classes}
            values |= {"start": self.origin.start} if self.origin else {}
        try:
            self.config = SearchConfig(**values)
            if cleaned.get("snapshot_ensemble"):
                self.config = with_snapshots(self.config)
        except InvalidConfig as error:
            for name, message in error.errors.items():
                if name == "start":
                    self.say_of_start(message)
                    continue
                self.add_error(name if name in self.fields else "dataset", _sentence(message))
        else:
            self._check_split(dataset)
        if dataset and cleaned.get("accuracy_goal") is not None:
            cleaned["accuracy_goal"] /= 100
            self._aim_above_chance(cleaned["accuracy_goal"], dataset.n_classes)
        return cleaned

    def _check_split(self, dataset: DataSet | None) -> None:
        errors = errors_of_split(self.config, dataset) if dataset else {}
        for name, message in errors.items():
            self.add_error(name, ValidationError(_sentence(message)))

    def _aim_above_chance(self, goal: float, n_classes: int) -> None:
        """Who means 92 % and types 0.92 would get a search that ends after its first step."""
        if goal > 1 / n_classes:
            return
        message = (
            f"{100 * goal:g} % is no better than guessing among {n_classes} classes ({100 / n_classes:.3g} %). "
            "Give per cent, for example 92.5."
        )
        self.add_error("accuracy_goal", ValidationError(message))

    @property
    def launch_arguments(self) -> dict[str, Any]:
        """What services.create_search takes beside the settings and the owner."""
        names = ("dataset", "name", "preset", "hours_limit", "accuracy_goal", "snapshot_ensemble")
        return {**{name: self.cleaned_data[name] for name in names}, "origin": self.origin}

    def launch(self, asker: Asker) -> Launched | None:
        """Create the search, of this owner; None where something needs mending. It is not sent to the queue yet."""
        if not self.is_valid():
            return None
        owner = asker if isinstance(asker, AbstractBaseUser) else None
        try:
            launched = create_search(self.config, owner=owner, **self.launch_arguments)
        except (DamagedModel, OSError) as error:
            self.say_of_start(f"The network to start from cannot be kept: {error}")
            return None
        if self.sent:
            forget_zip(self.sent)
        return launched

    @property
    def groups(self) -> list[Group]:
        return [
            Group(title, GROUP_WORDS[title], [self[s] for s, f in SETTINGS.items() if f.metadata["group"] == title])
            for title in GROUPS
        ]

    @property
    def limits(self) -> list[forms.BoundField]:
        """The budget."""
        return [self["hours_limit"], self["accuracy_goal"]]

    @property
    def comparison_choices(self) -> list[Choice]:
        """Every comparison, with what was ticked."""
        ticked = self["comparisons"].value() or []
        return [Choice(comparison, comparison.name in ticked) for comparison in CATALOGUE.values()]

    @property
    def cards(self) -> Iterator[PresetCard]:
        """Every preset, with the values that choosing it puts into the form."""
        for preset in PRESETS.values():
            config = preset_config(preset.name)
            settings = {name: _text(name, getattr(config, name)) for name in SETTINGS}
            yield PresetCard(preset, config.epoch_budget, budget_bars(config), settings)

    @property
    def mistakes(self) -> list[tuple[forms.BoundField, str]]:
        """Each field that needs mending with its first message, in the order of the page."""
        return [(bound, str(bound.errors[0])) for bound in self if bound.errors]


def _initial(preset: Preset) -> dict[str, Any]:
    config = preset_config(preset.name)
    initial: dict[str, Any] = {name: _text(name, getattr(config, name)) for name in SETTINGS}
    dataset = DataSet.objects.filter(name=preset.dataset).first() or DataSet.objects.first()
    return {**initial, "preset": preset.name, "dataset": dataset, "name": f"{preset.title}, seed {config.seed}"}


def _initial_of(search: Search) -> dict[str, Any]:
    """What a search was launched with; settings that are younger than it as they stand by default."""
    config = search.search_config
    return {
        **{name: _text(name, getattr(config, name)) for name in SETTINGS},
        "preset": search.preset,
        "dataset": search.dataset,
        "name": f"{search.name[: NAME_LENGTH - len(COPY)]}{COPY}",
        "hours_limit": _limit_text(search.hours_limit),
        "accuracy_goal": _limit_text(search.accuracy_goal, 100),
        "snapshot_ensemble": search.snapshot_ensembles.exists(),
    }


def _limit_text(limit: float | None, scale: int = 1) -> str:
    return "" if limit is None else f"{scale * limit:.6g}"


def _field(setting: str) -> forms.Field:
    """A field of the kind that the setting's type asks for; what it may hold is checked by SearchConfig."""
    metadata = SETTINGS[setting].metadata
    annotation = SearchConfig.__annotations__[setting]
    common = {"label": setting, "help_text": metadata["help"], "required": False}
    choices = [(str(c), str(c)) for c in metadata["choices"] or ()]
    if annotation == "bool":
        return forms.BooleanField(**common)
    if annotation == "bool | None":
        options = [("", "as the data set says"), ("yes", "yes"), ("no", "no")]
        return forms.ChoiceField(choices=options, **common)
    if choices and annotation.startswith("tuple"):
        return forms.MultipleChoiceField(choices=choices, widget=forms.CheckboxSelectMultiple, **common)
    if choices:
        return forms.ChoiceField(choices=choices, **common)
    mode = "decimal" if annotation == "float" else "text" if annotation.startswith("tuple") else "numeric"
    return forms.CharField(widget=forms.TextInput(attrs={"inputmode": mode, "autocomplete": "off"}), **common)


def _is_check(field: forms.Field) -> bool:
    return isinstance(field.widget, forms.CheckboxInput | forms.CheckboxSelectMultiple)


def _value(setting: str, given: Any) -> Any:
    """What was typed, in the setting's type where it can be read so; else as it is, for SearchConfig to name."""
    annotation = SearchConfig.__annotations__[setting]
    if isinstance(given, list):
        return tuple(given) if annotation == "tuple[str, ...]" else tuple(int(each) for each in given)
    if isinstance(given, bool):
        return given
    text = str(given).strip()
    if annotation == "str" and not text:  # a page or script that is older than the setting did not send it
        return SETTINGS[setting].default
    return value_from_text(setting, _plain_number(text) if annotation.startswith("int") else text)


def _plain_number(text: str) -> str:
    """'20 M' -> '20000000', '10,000' -> '10000'; other text as it is."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg])?", re.sub(r"[\s,_]", "", text).lower())
    if not match:
        return text
    number, unit = match.groups()
    scaled = float(number) * UNITS[unit] if unit else float(number)
    return str(int(scaled)) if scaled == int(scaled) else text


def _text(setting: str, value: Any) -> Any:
    """A setting's value as the form shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return value if SearchConfig.__annotations__[setting] == "bool" else "yes" if value else "no"
    if isinstance(value, tuple):
        is_choice = SETTINGS[setting].metadata["choices"] is not None
        return [str(v) for v in value] if is_choice else ", ".join(map(str, value))
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sentence(message: str) -> str:
    return message if message.endswith(".") else f"{message}."
