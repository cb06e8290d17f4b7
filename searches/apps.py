"""The Django application."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate


class SearchesConfig(AppConfig):
    name = "searches"
    verbose_name = "Neural architecture searches"

    def ready(self) -> None:
        post_migrate.connect(_create_queue_tables, sender=self)


def _create_queue_tables(**_signal: Any) -> None:
    from nashweb.queue import create_tables

    create_tables(settings.HUEY)
