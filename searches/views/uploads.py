"""Uploads in pieces, as tus has them: POST begins, HEAD says how much is here, PATCH appends at Upload-Offset."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from searches import services
from searches.forms_data import UploadForm
from searches.models import Upload

TOO_LARGE = 413
CONFLICT = 409


@require_POST
def upload_begin(request: HttpRequest) -> HttpResponse:
    """Begin, or go on with what was begun of the same file: the address of its pieces and where the next begins."""
    form = UploadForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": {name: str(errors[0]) for name, errors in form.errors.items()}}, status=400)
    facts = dict(form.cleaned_data)
    file_name, n_bytes = facts.pop("file_name"), facts.pop("bytes")
    try:
        upload = services.begin_upload(request.user, file_name=file_name, n_bytes=n_bytes, payload=facts)
    except services.Refused as refusal:
        return JsonResponse({"errors": {"file": str(refusal)}}, status=TOO_LARGE)
    offset = services.offset_of(upload)
    if offset == upload.bytes:
        services.ask_for_import(upload)
    return JsonResponse({"url": reverse("upload_piece", args=[upload.uuid]), "offset": offset})


@require_http_methods(["HEAD", "PATCH"])
def upload_piece(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """How much is here, or one piece more; with the last one the import is asked for."""
    upload = get_object_or_404(Upload, uuid=uuid, owner=request.user.pk)
    if request.method == "HEAD":
        return _at(services.offset_of(upload))
    text = request.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdigit()):
        return HttpResponse("Upload-Offset is missing.", status=400, content_type="text/plain")
    try:
        offset = services.take_piece(upload, int(text), request)
    except services.WrongOffset as error:
        return _at(error.offset, CONFLICT)
    except services.Refused as refusal:
        return HttpResponse(str(refusal), status=TOO_LARGE, content_type="text/plain; charset=utf-8")
    if offset == upload.bytes:
        services.ask_for_import(upload)
    return _at(offset)


@require_POST
def upload_discard(request: HttpRequest, uuid: UUID) -> HttpResponse:
    services.discard_upload(get_object_or_404(Upload, uuid=uuid, owner=request.user.pk))
    return redirect("dataset_list")


def _at(offset: int, status: int = 200) -> HttpResponse:
    return HttpResponse(status=status, headers={"Upload-Offset": str(offset), "Cache-Control": "no-store"})
