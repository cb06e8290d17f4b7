"""The row of the network that a search was started from; part of models.py, which names it."""

from __future__ import annotations

from django.db import models


class StartNetwork(models.Model):
    """The weights that model_0 of a search begins with: a file of its own, whatever becomes of their origin."""

    search = models.OneToOneField("searches.Search", models.CASCADE, related_name="start_network")
    candidate = models.ForeignKey(
        "searches.Candidate", models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="the network it was, if it is of this site and is there still",
    )  # fmt: skip
    words = models.CharField(max_length=300, help_text="what it was when the search began")
    classes = models.JSONField(default=list, help_text="names of its classes, as far as they were told")
    file = models.CharField(max_length=255, help_text="path below the data folder")
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveBigIntegerField()
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.words
