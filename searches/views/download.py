"""Files go out piece by piece: Django's FileResponse under ASGI would read a whole model into memory."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from searches.selectors import artifact_path, model_artifact
from searches.views.lookup import find_search

PIECE = 1 << 18


@require_safe
def search_download(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """The final model as one zip, of a search that was stopped the best one; 404 while there is none."""
    search = find_search(request, uuid)
    artifact = model_artifact(search)
    if artifact is None:
        raise Http404("This search has no model to download yet.")
    name = f"{slugify(search.name) or 'model'}-{str(uuid)[:8]}.zip"
    return send_file(request, artifact_path(artifact), name, "application/zip", etag=f'"{artifact.sha256}"')


def send_file(request: HttpRequest, path: Path, name: str, content_type: str, *, etag: str) -> HttpResponseBase:
    """The file or the range of it that was asked for; 304 where the reader has it already.

    Raises Http404 where the file is gone.
    """
    if not path.is_file():
        raise Http404("The file is no longer in the data folder.")
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    if etag in request.headers.get("If-None-Match", ""):
        return HttpResponse(status=304, headers=headers)
    size = path.stat().st_size
    wanted = _range(request, size, etag)
    if wanted is None:
        return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    start, stop, status = wanted
    headers["Content-Length"] = str(stop - start)
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type, headers=headers, status=status)
    pieces = _pieces(path, start, stop)
    return StreamingHttpResponse(pieces, content_type=content_type, headers=headers, status=status)


def _range(request: HttpRequest, size: int, etag: str) -> tuple[int, int, int] | None:
    """(start, stop, status) of what was asked for: one range of bytes, or all; None where it lies outside."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", "").strip())
    if not match or match.group(0) == "bytes=-" or request.headers.get("If-Range", etag) != etag:
        return 0, size, 200
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    return (start, stop, 206) if start < stop else None


async def _pieces(path: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = stop - start
        while left > 0 and (piece := await asyncio.to_thread(file.read, min(PIECE, left))):
            left -= len(piece)
            yield piece
