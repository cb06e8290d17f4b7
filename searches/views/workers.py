"""The workers page: who works, on what, how fast; and how much waits."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from searches.selectors import WORKER_GONE_SECONDS, waiting_candidates, worker_dicts


@require_safe
def worker_list(request: HttpRequest) -> HttpResponse:
    workers = worker_dicts()
    context = {
        "workers": workers,
        "n_alive": sum(worker["seconds_since_beat"] <= WORKER_GONE_SECONDS for worker in workers),
        "n_waiting": waiting_candidates().count(),
        "gone_seconds": WORKER_GONE_SECONDS,
    }
    return render(request, "searches/workers.html", context)
