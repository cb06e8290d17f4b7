"""A number that limits a search, typed with or without its unit."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError


class LimitField(forms.CharField):
    """A number above 0, up to `most`, with or without its unit; None where nothing is typed."""

    def __init__(self, *, unit: str, most: float, example: str, help_text: str) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(required=False, help_text=help_text, widget=widget)
        self.unit, self.most, self.example = unit, most, example

    def clean(self, value: Any) -> float | None:
        text = str(super().clean(value)).removesuffix(self.unit).strip()
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            raise ValidationError(f"{text!r} is not a number. For example {self.example}, or nothing.") from None
        if not 0 < number <= self.most:
            raise ValidationError(f"{text} is not above 0 and up to {self.most:g}. For example {self.example}.")
        return number
