"""The rows of tags."""

from django.db import models


class Tag(models.Model):
    """A word that people sort searches and trainings by."""

    name = models.CharField(max_length=50, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
