"""Values of settings: what a person wrote, and what was parsed from JSON, as the type that the field declares.

Keyed by the annotation of a SearchConfig field, so that the form, the command line and the check agree.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
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
    "Shape": "three whole numbers (C, H, W)",
}


def from_text(annotation: str, text: str) -> Any:
    """The value that a person wrote; text that is none is returned as it is, for the check to name."""
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
