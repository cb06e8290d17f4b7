"""The form that an uploaded archive is imported by."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from searches import datasets
from searches.nash.imagefolder.conversion import MAX_TEST_PER_CENT, MIN_TEST_PER_CENT
from searches.nash.imagefolder.decode import MAX_SIDE, MIN_SIDE

BOUNDS = ("invalid", "min_value", "max_value")


class UploadForm(forms.Form):
    """Name and import settings of a data set, and what file of how many bytes will come."""

    name = forms.CharField(max_length=datasets.MAX_NAME, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    size = forms.IntegerField(
        min_value=MIN_SIDE, max_value=MAX_SIDE, required=False,
        error_messages=dict.fromkeys(BOUNDS, f"Give {MIN_SIDE} to {MAX_SIDE} pixels, or nothing."),
    )  # fmt: skip
    test_per_cent = forms.FloatField(
        min_value=MIN_TEST_PER_CENT, max_value=MAX_TEST_PER_CENT, required=False,
        error_messages=dict.fromkeys(
            BOUNDS, f"Give {MIN_TEST_PER_CENT} to {MAX_TEST_PER_CENT} per cent, or nothing for one sixth."
        ),
    )  # fmt: skip
    flips = forms.BooleanField(required=False, initial=True)
    crops = forms.BooleanField(required=False, initial=True)
    file_name = forms.CharField(max_length=255, widget=forms.HiddenInput)
    bytes = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            datasets.check_name(name)
        except datasets.BadName as error:
            raise ValidationError(str(error)) from error
        return name

    @property
    def settings(self) -> list[Any]:
        """The boxes to tick, with their labels."""
        return [(self["flips"], "May be flipped"), (self["crops"], "May be cropped")]
