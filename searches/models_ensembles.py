"""The rows of networks that answer together; part of models.py, which names them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from searches.models_datasets import DataSet


class Ensemble(models.Model):
    """Trained networks whose softmax outputs are averaged, each with the same weight.

    Without members it waits for the snapshots of `search` to be trained; with members and without a result it waits
    to be measured. It keeps its members' weights itself: what becomes of their searches changes nothing of it.
    """

    class Kind(models.TextChoices):
        SNAPSHOTS = "snapshots", "snapshots of one search"
        RUNS = "runs", "final models of several searches"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    dataset = models.ForeignKey(DataSet, models.PROTECT, related_name="ensembles")
    search = models.ForeignKey(
        "searches.Search", models.SET_NULL, null=True, blank=True, related_name="snapshot_ensembles",
        help_text="whose snapshots it is of",
    )  # fmt: skip
    reason = models.TextField(blank=True, help_text="why nothing came of it, in words")
    result = models.JSONField(null=True, blank=True, help_text="what was measured on the test images")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created", "-pk"]

    def __str__(self) -> str:
        return self.name


class EnsembleMember(models.Model):
    """One network of an ensemble, with what the page says of it once its search is gone."""

    ensemble = models.ForeignKey(Ensemble, models.CASCADE, related_name="members")
    place = models.PositiveIntegerField(help_text="1, 2, ... in the order in which they were chosen")
    candidate = models.ForeignKey(
        "searches.Candidate", models.SET_NULL, null=True, blank=True, related_name="memberships"
    )
    name = models.CharField(max_length=255, help_text="search and code")
    architecture = models.JSONField()
    digest = models.CharField(max_length=16)
    n_parameters = models.PositiveBigIntegerField()
    n_macs = models.PositiveBigIntegerField()
    file = models.CharField(max_length=255, blank=True, help_text="its weights, below the data folder")
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["ensemble", "place"], name="one_member_per_place")]

    def __str__(self) -> str:
        return self.name


class EnsembleFile(models.Model):
    """A file that was made from an ensemble; it lies where finished models lie (model_store.py)."""

    lies_with_models = True

    ensemble = models.ForeignKey(Ensemble, models.CASCADE, related_name="files")
    format = models.CharField(max_length=16, help_text="one of Artifact.Format")
    file = models.CharField(max_length=255, help_text="path below the data folder")
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveBigIntegerField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ensemble", "format"], name="one_file_per_ensemble_format")]

    def __str__(self) -> str:
        return self.file
