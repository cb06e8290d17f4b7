"""Data sets: all of them, one with its images, and its removal."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from searches import datasets, selectors
from searches.forms_data import UploadForm
from searches.models import DataSet
from searches.nash.imagefolder.originals import ORIGINALS
from searches.nash.imagefolder.samples import N_SAMPLES, sample_strip
from searches.selectors.datasets import (
    class_lines,
    dataset_jobs,
    dataset_lines,
    is_uneven,
    may_change_each,
    may_delete_dataset,
    unfinished_uploads,
)
from searches.services import ask_for_count, ask_for_download, offset_of

YEAR = 365 * 24 * 3600
CLASSES_A_PAGE = 50


@require_safe
def dataset_list(request: HttpRequest) -> HttpResponse:
    """What there is, what is on its way, and how another comes here."""
    jobs = may_change_each(request.user, dataset_jobs().select_related("owner"))
    uploads = [(u, offset_of(u), 100 * offset_of(u) // u.bytes) for u in unfinished_uploads(request.user)]
    context: dict[str, Any] = {"lines": list(dataset_lines()), "jobs": jobs, "uploads": uploads, "form": UploadForm()}
    there = {line.name.lower() for line in context["lines"]}
    context["originals"] = [(original, name in there) for name, original in ORIGINALS.items()]
    context["max_bytes"] = settings.NASH_MAX_UPLOAD_BYTES
    return render(request, "searches/datasets.html", context)


@require_safe
def dataset_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One data set: its classes with sample images, its numbers, what its import met, who uses it."""
    dataset = get_object_or_404(DataSet, name=name)
    is_counted = datasets.copies_are_known(dataset)
    job = None if is_counted else selectors.newest_job(f"dataset_count:{dataset.pk}")
    context = {
        "dataset": dataset,
        "is_counted": is_counted,
        "job": job,
        "may_change_job": job is not None and selectors.may_change_job(request.user, job),
        "classes": Paginator(class_lines(dataset), CLASSES_A_PAGE).get_page(request.GET.get("page")),
        "n_samples": N_SAMPLES,
        "ensembles": dataset.ensembles.only("dataset_id", "uuid", "name"),
        "users": dataset.searches.only("dataset_id", "uuid", "name", "status", "deleted").order_by("-created"),
        "may_delete": may_delete_dataset(request.user, dataset) and dataset.name != datasets.DIGITS,
        "is_uneven": is_uneven(dataset),
    }
    return render(request, "searches/dataset.html", context)


@require_safe
def dataset_samples(request: HttpRequest, name: str, digest: str, label: int) -> HttpResponse:
    """The first images of a class as one PNG; its address has the digest, so it can be kept for ever."""
    dataset = get_object_or_404(DataSet, name=name, digest__startswith=digest)
    if label >= dataset.n_classes:
        raise Http404(f"{name} has {dataset.n_classes} classes.")
    try:
        picture = sample_strip(datasets.folder_of(dataset.name), label)
    except (OSError, ValueError) as error:
        raise Http404(f"The images of {name} cannot be read.") from error
    return HttpResponse(picture, "image/png", headers={"Cache-Control": f"private, max-age={YEAR}, immutable"})


@require_POST
def dataset_download(request: HttpRequest) -> HttpResponse:
    """Ask for a well-known set to be fetched."""
    original = ORIGINALS.get(request.POST.get("name", ""))
    if original is None:
        raise Http404("No set of that name can be downloaded.")
    try:
        datasets.check_name(original.name)
        ask_for_download(original.name, original.title, request.user)
    except datasets.BadName as refusal:
        messages.error(request, str(refusal))
    return redirect("dataset_list")


@require_POST
def dataset_count(request: HttpRequest, name: str) -> HttpResponse:
    """Ask for the copies and leaks of a set to be counted that was imported before they were."""
    dataset = get_object_or_404(DataSet, name=name)
    if not datasets.copies_are_known(dataset):
        ask_for_count(dataset, request.user)
    return redirect("dataset_detail", name)


@require_POST
def dataset_delete(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(DataSet, name=name)
    if not may_delete_dataset(request.user, dataset):
        raise Http404("This data set was uploaded by somebody else.")
    try:
        datasets.delete_dataset(dataset)
    except datasets.InUse as refusal:
        messages.error(request, str(refusal))
        return redirect("dataset_detail", name)
    messages.success(request, f"{name} is deleted.")
    return redirect("dataset_list")
