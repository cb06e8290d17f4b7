"""Background jobs: cancel one, or have it done again. How far it is says the API."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from searches import selectors, services
from searches.models import BackgroundJob
from searches.services import Refused


@require_POST
def job_cancel(request: HttpRequest, uuid: UUID) -> HttpResponse:
    job = _find(request, uuid)
    try:
        services.cancel_job(job, request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return _back(request)


@require_POST
def job_retry(request: HttpRequest, uuid: UUID) -> HttpResponse:
    job = _find(request, uuid)
    try:
        services.retry_job(job)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return _back(request)


def _find(request: HttpRequest, uuid: UUID) -> BackgroundJob:
    job = get_object_or_404(selectors.jobs_visible_to(request.user), uuid=uuid)
    if not selectors.may_change_job(request.user, job):
        raise Http404("This job was asked for by somebody else.")
    return job


def _back(request: HttpRequest) -> HttpResponse:
    """To the page where the button stood."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return redirect(wanted if is_ours else "search_list")
