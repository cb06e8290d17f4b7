"""Worker processes: those that beat, and for how long the others have not."""

from datetime import timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now

from searches.models import Worker

WORKER_GONE_SECONDS = 30.0
"""Without a beat for so long a worker counts as gone; the page then says "no worker for 30 s"."""


def workers_alive() -> QuerySet[Worker]:
    """Workers whose last beat is fresh by the database's clock."""
    return Worker.objects.filter(last_beat__gt=Now() - timedelta(seconds=WORKER_GONE_SECONDS))


def worker_dicts() -> list[dict[str, Any]]:
    """Every worker that is known, as pages and frames show it."""
    age = ExpressionWrapper(Now() - F("last_beat"), output_field=DurationField())
    return [
        {
            "name": worker.name,
            "host": worker.host,
            "pid": worker.pid,
            "device": worker.device,
            "versions": worker.versions,
            "last_beat": worker.last_beat.isoformat(),
            "seconds_since_beat": round(max(0.0, worker.age.total_seconds()), 1),
            "candidate": worker.candidate_id,
        }
        for worker in Worker.objects.annotate(age=age)
    ]
