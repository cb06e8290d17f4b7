"""Files go out piece by piece: Django's FileResponse under ASGI would read a whole model into memory."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import IO, Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from searches.model_store import is_there, open_model
from searches.models import Artifact, EnsembleFile
from searches.selectors import artifact_path, model_artifact
from searches.selectors.exports import NAMES
from searches.services import Refused, ask_for_files
from searches.views.lookup import find_candidate, find_search

PIECE = 1 << 18
ZIP, ANY = "application/zip", "application/octet-stream"


@require_safe
def search_download(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """The final model as one zip, of a search that was stopped the best one; 404 while there is none."""
    search = find_search(request, uuid)
    artifact = model_artifact(search)
    if artifact is None:
        raise Http404("This search has no model to download yet.")
    name = f"{slugify(search.name) or 'model'}-{str(uuid)[:8]}.zip"
    return send_model(request, artifact, name)


@require_safe
def candidate_file(
    request: HttpRequest, uuid: UUID, kind: str, step: int, index: int, name: str
) -> HttpResponseBase:
    """One file of a model, by its name; 404 where it was not made."""
    candidate = find_candidate(find_search(request, uuid), kind, step, index)
    formats = [key for key, known in NAMES.items() if known == name]
    artifact = get_object_or_404(candidate.artifacts, format__in=formats)
    return send_model(request, artifact, name)


@require_POST
def candidate_make_files(request: HttpRequest, uuid: UUID, kind: str, step: int, index: int) -> HttpResponse:
    """Have the files of a trained network made, and back to where they will stand."""
    candidate = find_candidate(find_search(request, uuid), kind, step, index)
    try:
        ask_for_files(candidate, request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
    if request.POST.get("from") == "model":
        return redirect("model_detail", uuid=uuid)
    return redirect("candidate_detail", uuid, kind, step, index)


def send_model(request: HttpRequest, artifact: Artifact | EnsembleFile, name: str) -> HttpResponseBase:
    """The file or the range of it that was asked for; 304 where the reader has it already.

    Raises Http404 where the file is gone.
    """
    if not (is_there(artifact.file) if artifact.lies_with_models else artifact_path(artifact).is_file()):
        raise Http404("The file is no longer where models are kept.")
    etag = f'"{artifact.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    if etag in request.headers.get("If-None-Match", ""):
        return HttpResponse(status=304, headers=headers)
    size = artifact.bytes
    wanted = _range(request, size, etag)
    if wanted is None:
        return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    start, stop, status = wanted
    headers["Content-Length"] = str(stop - start)
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    content_type = ZIP if name.endswith(".zip") else ANY
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type, headers=headers, status=status)
    opened = partial(open_model, artifact.file) if artifact.lies_with_models else partial(_open, artifact)
    return StreamingHttpResponse(
        _pieces(opened, start, stop), content_type=content_type, headers=headers, status=status
    )


def _open(artifact: Artifact | EnsembleFile) -> IO[Any]:
    return artifact_path(artifact).open("rb")


def _range(request: HttpRequest, size: int, etag: str) -> tuple[int, int, int] | None:
    """(start, stop, status) of what was asked for: one range of bytes, or all; None where it lies outside."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", "").strip())
    if not match or match.group(0) == "bytes=-" or request.headers.get("If-Range", etag) != etag:
        return 0, size, 200
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    return (start, stop, 206) if start < stop else None


async def _pieces(opened: Callable[[], IO[Any]], start: int, stop: int) -> AsyncIterator[bytes]:
    def opened_there() -> IO[Any]:
        file = opened()
        file.seek(start)  # S3 fetches all of it here
        return file

    with await asyncio.to_thread(opened_there) as file:
        left = stop - start
        while left > 0 and (piece := await asyncio.to_thread(file.read, min(PIECE, left))):
            left -= len(piece)
            yield piece
