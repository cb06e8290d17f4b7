"""The part of the launch form that says what a search starts from, and what becomes of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from searches.models import Candidate, Search
from searches.nash.model_zip import DamagedModel
from searches.selectors.access import Asker, visible_to
from searches.selectors.starting import finished_models, model_names, model_value
from searches.services import Origin, Refused, origin_of_candidate, origin_of_search
from searches.services.sent_zips import SentZip, keep_zip, kept_zip, origin_of_zip

FRESH, MODEL, ZIP, SAME = "fresh", "model", "zip", "same"
WORDS = {
    FRESH: "A tiny network, as in the paper",
    MODEL: "A trained model of this site",
    ZIP: "A downloaded model (zip)",
    SAME: "The same network as the cloned search",
}
FIELD_OF = {FRESH: "start", MODEL: "start_model", ZIP: "start_zip", SAME: "start"}
"""Where an error of each choice stands."""
HELP = (
    "A trained network becomes model_0 with its weights. Its first training is epoch_pretrain epochs of SGDR all the "
    "same; the settings of model_0 below, widths and head, then mean nothing."
)


class StartFields(forms.Form):
    """What a search starts from: a choice, and what each choice needs. Valid: `origin`, None of a fresh model_0.

    A zip that came is kept, so that the form can be sent again without it: `sent`, named in the page by `start_kept`.
    """

    start = forms.ChoiceField(required=False, widget=forms.RadioSelect, help_text=HELP)
    start_model = forms.CharField(required=False, widget=forms.Select)
    start_zip = forms.FileField(required=False, widget=forms.FileInput(attrs={"accept": ".zip,application/zip"}))
    start_kept = forms.CharField(required=False, widget=forms.HiddenInput)
    origin: Origin | None = None
    sent: SentZip | None = None

    def begin_with(self, asker: Asker | None, clone: Search | None, chosen: str) -> None:
        """Offer what this user may start from; `chosen`: the value of a model to begin with."""
        self._asker, self._clone = asker, clone
        offered = [FRESH, MODEL, ZIP, *([SAME] if clone and clone.search_config.start else [])]
        self.fields["start"].choices = [(name, WORDS[name]) for name in offered]  # type: ignore[attr-defined]
        self.fields["start"].initial = SAME if SAME in offered else MODEL if chosen else FRESH
        models = finished_models(asker) if asker else []
        if chosen and chosen not in map(model_value, models) and (other := self._found(chosen)):
            models.insert(0, other)
        values = list(zip(map(model_value, models), model_names(models), strict=True))
        self.fields["start_model"].widget.choices = values
        self.fields["start_model"].initial = chosen

    @property
    def start_choice(self) -> str:
        return str(self.cleaned_data.get("start") or FRESH)

    def clean_origin(self) -> None:
        """Find and check the network; what is wrong with it stands at the field of its choice."""
        choice = self.start_choice
        try:
            self.origin = self._origin(choice)
        except (Refused, DamagedModel, OSError) as error:
            self.say_of_start(str(error))

    def say_of_start(self, message: str) -> None:
        text = f"It{message[2:]}" if message.startswith("it ") else message
        self.add_error(FIELD_OF[self.start_choice], ValidationError(text if text.endswith(".") else f"{text}."))

    def _origin(self, choice: str) -> Origin | None:
        if choice == ZIP:
            sent = self._zip()
            origin = origin_of_zip(sent)
            self.sent = sent
            return origin
        self.sent = kept_zip(self._asker, self.cleaned_data.get("start_kept", ""))
        if choice == SAME and self._clone:
            return origin_of_search(self._clone)
        if choice == MODEL:
            candidate = self._found(self.cleaned_data.get("start_model", ""))
            if candidate is None:
                raise Refused("No such model here: choose one of the list, or upload its zip.")
            return origin_of_candidate(candidate)
        return None

    def _found(self, value: str) -> Candidate | None:
        """The training that a value names, for who may see it."""
        uuid, _, slug = str(value).partition(":")
        kind, _, place = slug.partition("-")
        step, _, index = place.partition("-")
        try:
            place_of = {"search__uuid": UUID(uuid), "kind": kind, "step": int(step), "index": int(index)}
        except ValueError:
            return None
        if self._asker is None:
            return None
        rows = Candidate.objects.select_related("search__dataset", "parent").defer("correct")
        return rows.filter(search__in=visible_to(self._asker), **place_of).first()

    def _zip(self) -> SentZip:
        """The zip that came with the form, else the one that came before. Raises Refused, OSError."""
        file: UploadedFile[Any] | None = self.cleaned_data.get("start_zip")
        if file:
            if file.size and file.size > settings.NASH_MAX_UPLOAD_BYTES:
                raise Refused(
                    f"{file.size:,} bytes are more than the {settings.NASH_MAX_UPLOAD_BYTES:,} that may be sent."
                )
            return keep_zip(self._asker, file.name or "model.zip", file.chunks())
        before = self.cleaned_data.get("start_kept", "")
        if sent := kept_zip(self._asker, before):
            return sent
        again = "The zip that was sent is no longer kept: choose it again." if before else ""
        raise Refused(again or "Choose the zip of a model that was downloaded here.")
