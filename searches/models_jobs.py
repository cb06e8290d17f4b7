"""The row of work beside the trainings; part of models.py, which names it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class BackgroundJob(models.Model):
    """Work beside the trainings: an import, the files of a model. A row with a lease and a fencing token, too."""

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=32, help_text="which function does it (worker_jobs.py)")
    subject = models.CharField(max_length=128, help_text="what it is about; of one subject one job at a time")
    title = models.CharField(max_length=200, help_text="what it is, in words")
    payload = models.JSONField(default=dict, help_text="what it needs to know")
    result = models.JSONField(default=dict, help_text="what it brought")
    candidate = models.ForeignKey(
        "searches.Candidate", models.CASCADE, null=True, blank=True, related_name="background_jobs"
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING, db_index=True)
    reason = models.TextField(blank=True, help_text="why it failed, in words")
    done = models.PositiveBigIntegerField(default=0, help_text="of `total`, in whatever is counted")
    total = models.PositiveBigIntegerField(default=0, help_text="0 where it is not known")
    words = models.CharField(max_length=200, blank=True, help_text="what it does now")
    attempt = models.PositiveIntegerField(default=0, help_text="the fence: only the newest attempt may write")
    failures = models.PositiveIntegerField(default=0, help_text="attempts whose process died")
    lease_expires = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=128, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True, blank=True)
    ended = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["subject"],
                condition=models.Q(status__in=["pending", "running"]),
                name="one_open_job_per_subject",
            ),
        ]

    def __str__(self) -> str:
        return self.title


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
