"""The workers page: who works, on what, how fast; and how much waits."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from searches.selectors import WORKER_GONE_SECONDS, queue_length, worker_dicts, workers_version

LEAVES_SECONDS = 2 * WORKER_GONE_SECONDS
"""Without a beat for so long a worker is no longer shown; its row is forgotten by the others."""


@require_safe
def worker_list(request: HttpRequest) -> HttpResponse:
    """Workers that beat, for a while those that have just gone, and how many trainings wait."""
    known, n_waiting = worker_dicts(), queue_length()
    workers = [worker for worker in known if worker["seconds_since_beat"] < LEAVES_SECONDS]
    context = {
        "workers": workers,
        "n_alive": sum(worker["seconds_since_beat"] <= WORKER_GONE_SECONDS for worker in workers),
        "n_waiting": n_waiting,
        "gone_seconds": WORKER_GONE_SECONDS,
        "version": workers_version(known, n_waiting),
    }
    return render(request, "searches/workers.html", context)
