"""Django's admin: the rows as they are, to look at; what changes them are services alone."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from searches.models import Artifact, BackgroundJob, Candidate, DataSet, Event, Search, Worker

if TYPE_CHECKING:
    Table = admin.ModelAdmin[Any]
else:
    Table = admin.ModelAdmin  # which knows no type parameters at run time


class LookOnly(Table):
    """A table to read: rows are changed by services alone, with an event for each change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Search)
class SearchAdmin(LookOnly):
    list_display = ["name", "status", "dataset", "preset", "owner", "seq", "created", "ended"]
    list_filter = ["status", "dataset", "preset"]
    search_fields = ["name", "uuid"]


@admin.register(Candidate)
class CandidateAdmin(LookOnly):
    list_display = ["search", "code", "status", "attempt", "failures", "worker", "epoch", "val_accuracy", "seconds"]
    list_filter = ["status", "kind"]
    search_fields = ["search__name", "digest"]
    exclude = ["correct"]
    list_select_related = ["search"]


@admin.register(Event)
class EventAdmin(LookOnly):
    list_display = ["search", "seq", "at", "kind", "level", "words"]
    list_filter = ["kind", "level"]
    search_fields = ["search__name", "words"]
    list_select_related = ["search"]


@admin.register(Worker)
class WorkerAdmin(LookOnly):
    list_display = ["name", "host", "pid", "device", "last_beat", "candidate"]


@admin.register(Artifact)
class ArtifactAdmin(LookOnly):
    list_display = ["candidate", "format", "file", "bytes", "created"]
    list_filter = ["format"]


@admin.register(DataSet)
class DataSetAdmin(LookOnly):
    list_display = ["name", "n_train", "n_test", "n_classes", "height", "width", "created"]


@admin.register(BackgroundJob)
class BackgroundJobAdmin(LookOnly):
    list_display = ["title", "kind", "status", "done", "total", "worker", "attempt", "failures", "created", "ended"]
    list_filter = ["status", "kind"]
