"""The rows. They are the truth: a queue message is a hint, a worker's memory is nothing (docs/architecture.md).

Architectures, morphisms and settings are stored as the JSON of their engine classes; what the page sorts and
filters by has a column of its own.
"""

from __future__ import annotations

import json
import uuid
from functools import lru_cache

from django.conf import settings
from django.db import models

from searches.models_datasets import DataSet as DataSet
from searches.models_datasets import Upload as Upload
from searches.models_ensembles import Ensemble as Ensemble
from searches.models_ensembles import EnsembleFile as EnsembleFile
from searches.models_ensembles import EnsembleMember as EnsembleMember
from searches.models_jobs import BackgroundJob as BackgroundJob
from searches.models_jobs import Refusal as Refusal
from searches.models_jobs import Worker as Worker
from searches.models_start import StartNetwork as StartNetwork
from searches.models_tags import Tag as Tag
from searches.nash.architecture import Architecture
from searches.nash.config import SearchConfig
from searches.nash.hillclimb import Job, Key, Outcome, code_of
from searches.nash.morphisms import Morphism, morphism_from_dict

ENGINE_VERSION = 2
"""Rises when the same settings would give other numbers: a worker of another version refuses a search."""


def engine_version() -> int:
    """What a new search is stamped with; a function, so that a rise needs no migration."""
    return ENGINE_VERSION


@lru_cache(maxsize=4096)
def _config_of(settings_json: str) -> SearchConfig:
    """Settings are immutable, and checking them takes longer than anything else that a list does with a row."""
    return SearchConfig.from_dict(json.loads(settings_json))


class Search(models.Model):
    """One run of Algorithm 1."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        PAUSED = "paused"
        STOPPED = "stopped"
        FINISHED = "finished"
        FAILED = "failed"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    dataset = models.ForeignKey(DataSet, models.PROTECT, related_name="searches")
    preset = models.CharField(max_length=32, blank=True)
    config = models.JSONField()
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.WAITING, db_index=True)
    reason = models.TextField(blank=True, help_text="why it failed, was paused or stopped, in words")
    seq = models.PositiveBigIntegerField(default=0, help_text="number of its newest event")
    engine_version = models.PositiveIntegerField(default=engine_version)
    went_on = models.JSONField(default=list, help_text="its marks: when it was told to go on, from where, with what")
    dataset_digest = models.CharField(max_length=64)
    hours_limit = models.FloatField(null=True, blank=True, help_text="budget: no step begins after so many hours")
    accuracy_goal = models.FloatField(null=True, blank=True, help_text="budget: no step begins once it is reached")
    priority = models.PositiveIntegerField(default=0, help_text="the highest is trained next, else the oldest")
    deleted = models.DateTimeField(null=True, blank=True, help_text="hidden since; its files are swept a day later")
    note = models.TextField(blank=True, help_text="what its owner writes about it, in Markdown")
    tags = models.ManyToManyField(Tag, blank=True, related_name="searches")
    operators = models.JSONField(null=True, blank=True, help_text="sums of its decided steps by kind of morphism")
    disk_bytes = models.PositiveBigIntegerField(default=0, help_text="of its folder, when that was last looked at")
    created = models.DateTimeField(auto_now_add=True, db_index=True)
    started = models.DateTimeField(null=True, blank=True)
    ended = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]
        verbose_name_plural = "searches"

    def __str__(self) -> str:
        return self.name

    @property
    def search_config(self) -> SearchConfig:
        return _config_of(json.dumps(self.config))

    @property
    def n_test(self) -> int:
        """Images that it is tested on: as its settings say, else the whole test part of its data set."""
        chosen: int | None = self.config.get("n_test")
        return self.dataset.n_test if chosen is None else chosen


class Candidate(models.Model):
    """One training of a search: a row with a lease, a fencing token (`attempt`) and a checkpoint."""

    class Kind(models.TextChoices):
        PRETRAIN = "pretrain"
        NEIGHBOUR = "neighbour"
        FINAL = "final"
        SNAPSHOT = "snapshot"
        SCRATCH = "scratch"
        REFERENCE = "reference"

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        TOO_BIG = "too_big"
        DIVERGED = "diverged"
        FAILED = "failed"
        CANCELLED = "cancelled"

    search = models.ForeignKey(Search, models.CASCADE, related_name="candidates")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    step = models.PositiveIntegerField(default=0)
    index = models.PositiveIntegerField(default=0, help_text="the paper's j; 0 outside the steps")
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    morphisms = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    architecture = models.JSONField()
    digest = models.CharField(max_length=16, db_index=True)
    n_parameters = models.PositiveBigIntegerField()
    n_macs = models.PositiveBigIntegerField()
    epochs = models.PositiveIntegerField()

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING, db_index=True)
    reason = models.TextField(blank=True)
    attempt = models.PositiveIntegerField(default=0, help_text="the fence: only the newest attempt may write")
    failures = models.PositiveIntegerField(default=0, help_text="attempts that died without a new checkpoint")
    accumulate = models.PositiveSmallIntegerField(default=1, help_text="micro-batches a batch is split into")
    lease_expires = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=128, blank=True)
    epoch = models.FloatField(default=0.0, help_text="epochs trained so far, from the last beat")
    checkpoint = models.CharField(max_length=255, blank=True, help_text="newest checkpoint, below the data folder")
    threads = models.PositiveSmallIntegerField(null=True, blank=True, help_text="fixed at the first claim")
    numeric_path = models.CharField(max_length=64, blank=True, help_text="fixed at the first claim")

    val_accuracy = models.FloatField(null=True, blank=True)
    test_accuracy = models.FloatField(null=True, blank=True, help_text="of a float32 pass")
    val_balanced = models.FloatField(null=True, blank=True, help_text="validation accuracy, mean over the classes")
    test_balanced = models.FloatField(null=True, blank=True, help_text="test accuracy, mean over the classes")
    correct = models.BinaryField(null=True, blank=True, help_text="right or wrong per validation image, packed bits")
    gap = models.JSONField(null=True, blank=True, help_text="to the winner of its step, on the same images")
    seal = models.JSONField(null=True, blank=True, help_text="Eq. (1): largest |delta logit| against the parent")
    is_winner = models.BooleanField(default=False, help_text="model_best of its step")
    seconds = models.FloatField(null=True, blank=True, help_text="wall time of the training, resumed parts summed")
    images_per_second = models.FloatField(null=True, blank=True)
    flops_per_second = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    note = models.TextField(blank=True, help_text="what people write about it, in Markdown")
    tags = models.ManyToManyField(Tag, blank=True, related_name="candidates")
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True, blank=True)
    ended = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["step", "kind", "index"]
        constraints = [
            models.UniqueConstraint(fields=["search", "kind", "step", "index"], name="one_candidate_per_slot"),
        ]
        indexes = [models.Index(fields=["status", "lease_expires"], name="candidate_lease")]

    def __str__(self) -> str:
        return self.code

    @property
    def key(self) -> Key:
        return self.kind, self.step, self.index

    @property
    def code(self) -> str:
        """model_0, 2.1 (step.j), final; "final 5" of a search that was extended after its 5 steps."""
        depends = self.kind in (self.Kind.FINAL, self.Kind.SCRATCH)
        is_earlier = depends and self.step != self.search.config["n_steps"]
        return f"{code_of(self.key)} {self.step}" if is_earlier else code_of(self.key)

    @property
    def slug(self) -> str:
        """How addresses and folders name it: neighbour-2-1."""
        return f"{self.kind}-{self.step}-{self.index}"

    def morphism_list(self) -> tuple[Morphism, ...]:
        return tuple(morphism_from_dict(m) for m in self.morphisms)

    def job(self, parent: Key | None) -> Job:
        """The engine's view of this row; `parent` is its parent's key, which the caller has at hand."""
        return Job(
            self.kind,
            self.step,
            self.index,
            parent,
            self.morphism_list(),
            Architecture.from_dict(self.architecture),
            self.epochs,
            tuple(self.notes),
        )

    def outcome(self, parent: Key | None) -> Outcome:
        """What `plan` sees of a candidate that has ended."""
        return Outcome(self.job(parent), self.status, self.val_accuracy, self.val_balanced)

    def measured_by(self, selection: str) -> float | None:
        """The validation measure that a search of this `selection` is decided by."""
        return self.val_balanced if selection == "balanced" else self.val_accuracy


class Point(models.Model):
    """One point of a learning curve."""

    candidate = models.ForeignKey(Candidate, models.CASCADE, related_name="points")
    optimiser_step = models.PositiveIntegerField()
    epoch = models.FloatField()
    loss = models.FloatField(null=True, blank=True, help_text="mean since the point before; none at epoch 0")
    lr = models.FloatField()
    val_accuracy = models.FloatField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True, help_text="of training so far")

    class Meta:
        ordering = ["optimiser_step"]
        constraints = [
            models.UniqueConstraint(fields=["candidate", "optimiser_step"], name="one_point_per_optimiser_step"),
        ]

    def __str__(self) -> str:
        return f"{self.candidate_id} at optimiser step {self.optimiser_step}"


class Event(models.Model):
    """One line of a search's append-only log, numbered without gaps."""

    class Level(models.TextChoices):
        INFO = "info"
        DECISION = "decision"
        WARNING = "warning"
        ERROR = "error"

    search = models.ForeignKey(Search, models.CASCADE, related_name="events")
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=32)
    level = models.CharField(max_length=16, choices=Level.choices, default=Level.INFO)
    words = models.TextField(help_text="the sentence that the log shows")
    payload = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(fields=["search", "seq"], name="one_event_per_seq")]
        indexes = [models.Index(fields=["search", "kind"], name="event_kind")]

    def __str__(self) -> str:
        return f"{self.seq}: {self.words}"


class Artifact(models.Model):
    """A file that was made from a candidate, below the data folder."""

    class Format(models.TextChoices):
        WEIGHTS = "weights", "weights (safetensors)"
        MODEL_ZIP = "model_zip", "model (zip)"
        SOURCE = "source", "network in plain PyTorch"
        ARCHITECTURE = "architecture", "architecture, settings and lineage"
        ONNX = "onnx", "program for ONNX Runtime"
        PROGRAM = "program", "program for torch.export"
        CARD = "card", "model card"
        TEST_SOFTMAX = "test_softmax", "softmax outputs on the test set (npy)"
        ASSESSMENT = "assessment", "how it errs on the test set (json)"

    candidate = models.ForeignKey(Candidate, models.CASCADE, related_name="artifacts")
    format = models.CharField(max_length=16, choices=Format.choices)
    file = models.CharField(max_length=255, help_text="path below the data folder")
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveBigIntegerField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["candidate", "format"], name="one_artifact_per_format"),
        ]

    def __str__(self) -> str:
        return self.file

    @property
    def lies_with_models(self) -> bool:
        """Whether it is where finished models lie (model_store.py); what is trained from is in the data folder."""
        return self.format not in (self.Format.WEIGHTS, self.Format.TEST_SOFTMAX, self.Format.ASSESSMENT)
