"""The rows of who works and of work beside the trainings; part of models.py, which names them."""

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


class Worker(models.Model):
    """A worker process; it leaves by itself when its beats have stopped."""

    name = models.CharField(max_length=128, unique=True)
    host = models.CharField(max_length=128)
    pid = models.PositiveIntegerField()
    device = models.CharField(max_length=128)
    memory_bytes = models.PositiveBigIntegerField(null=True, blank=True, help_text="of the device, all of it")
    memory_used_bytes = models.PositiveBigIntegerField(null=True, blank=True, help_text="by this worker")
    versions = models.JSONField(default=dict, help_text="engine, Python, torch")
    refusal = models.TextField(blank=True, help_text="what it refused last and why; empty once it trains again")
    started = models.DateTimeField(auto_now_add=True)
    last_beat = models.DateTimeField()
    candidate = models.ForeignKey("searches.Candidate", models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Refusal(models.Model):
    """A training that a worker would not take: until a claim of it succeeds, or what was fixed is let go of."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="refusals")
    candidate = models.ForeignKey("searches.Candidate", models.CASCADE, related_name="refusals")
    thing = models.CharField(max_length=32, help_text="in what worker and training differ")
    words = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "candidate"], name="one_refusal_per_worker"),
        ]

    def __str__(self) -> str:
        return self.words
