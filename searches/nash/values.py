"""Values of settings: what a person wrote, and what was parsed from JSON, as the type that the field declares.

Keyed by the annotation of a SearchConfig field, so that the form, the command line and the check agree.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any


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


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):  # would fall into its letters
        raise TypeError(value)
    return tuple(_name(v) for v in value)


def _shape(value: Any) -> tuple[int, int, int]:
    c, h, w = _wholes(value)
    return c, h, w


CASTS: dict[str, Callable[[Any], Any]] = {
    "int": _whole,
    "int | None": _whole,
    "float": _real,
    "float | None": _real,
    "bool": _switch,
    "bool | None": _switch,
    "str": _name,
    "tuple[int, ...]": _wholes,
    "tuple[str, ...]": _names,
    "Shape": _shape,
}
WORDS = {
    "int": "a whole number",
    "int | None": "a whole number",
    "float": "a number",
    "float | None": "a number",
    "bool": "true or false",
    "bool | None": "true or false",
    "str": "a word",
    "tuple[int, ...]": "a list of whole numbers, such as 32,32,32",
    "tuple[str, ...]": "a list of words, such as snapshots,scratch",
    "Shape": "three whole numbers (C, H, W)",
}


def setting(
    default: Any,
    group: str,
    help: str,
    *,
    unit: str = "",
    paper: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Any, ...] | None = None,
    may_be_empty: bool = False,
) -> Any:
    """A field with what is said of it; minimum and maximum are inclusive, and hold for each value of a list."""
    metadata = {
        "group": group,
        "help": help,
        "unit": unit,
        "paper": paper,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "may_be_empty": may_be_empty,
    }
    return field(default=default, metadata=metadata)


def checked(value: Any, annotation: str, metadata: Mapping[str, Any]) -> Any:
    """The value in its field's type, lists as tuples.

    Raises ValueError with a sentence for people where it is not of that type or outside what the field allows.
    """
    if value is None and annotation.endswith("None"):
        return None
    try:
        value = CASTS[annotation](value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is not {WORDS[annotation]}") from None
    each = value if isinstance(value, tuple) else (value,)
    if not each and not metadata.get("may_be_empty"):
        raise ValueError("empty; give at least one value")
    choices, low, high = (metadata.get(key) for key in ("choices", "minimum", "maximum"))
    for v in each:
        if choices and v not in choices:
            raise ValueError(f"{v!r} is none of {', '.join(map(str, choices))}")
        if (low is not None and v < low) or (high is not None and v > high):
            raise ValueError(f"{v:,} is outside {_range_words(low, high)}")
    return value


def _range_words(low: float | None, high: float | None) -> str:
    if high is None:
        return f"the allowed range: at least {low:,}"
    return f"the allowed range: {low:,} to {high:,}"


def from_text(annotation: str, text: str) -> Any:
    """The value that a person wrote; text that is none is returned as it is, for the check to name."""
    if text == "" and annotation.endswith("None"):
        return None
    if annotation in ("tuple[int, ...]", "Shape"):
        return tuple(_literal(part) for part in text.replace("-", ",").strip("()[] ").split(",") if part.strip())
    if annotation == "tuple[str, ...]":
        return tuple(part.strip() for part in text.strip("()[] ").split(",") if part.strip())
    return text if annotation == "str" else _literal(text)


def _literal(text: str) -> Any:
    lowered = text.strip().lower()
    if lowered in ("true", "yes", "on", "false", "no", "off"):
        return lowered in ("true", "yes", "on")
    try:
        return json.loads(lowered.replace("_", ""))
    except ValueError:
        return text
