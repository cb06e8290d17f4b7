"""The rows of image sets and of archives on their way here; part of models.py, which names them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class DataSet(models.Model):
    """An image set that was imported once to arrays in the data folder (nash/imagefolder)."""

    name = models.SlugField(max_length=64, unique=True)
    digest = models.CharField(max_length=64, help_text="sha256 over the arrays")
    input_channels = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    width = models.PositiveSmallIntegerField()
    n_classes = models.PositiveIntegerField()
    n_train = models.PositiveIntegerField(help_text="training images, validation set included")
    n_test = models.PositiveIntegerField()
    flips = models.BooleanField(default=True, help_text="whether a horizontal flip keeps the label true")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    crops = models.BooleanField(default=True, help_text="whether a random crop keeps the label true")
    meta = models.JSONField(default=dict, help_text="classes, counts, mean, std and notes of the import")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its images."""
        return self.input_channels, self.height, self.width


class Upload(models.Model):
    """An archive on its way here, in pieces. How much of it is there says its file (services/uploads.py)."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    file_name = models.CharField(max_length=255)
    bytes = models.PositiveBigIntegerField(help_text="of the whole file")
    payload = models.JSONField(default=dict, help_text="how it is to be imported: name, size, flips, crops")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.file_name
