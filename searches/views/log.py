"""The whole event log of a search, and its scalars, as files that are sent page by page."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from searches.selectors import log_pages
from searches.selectors.scalars import run_folder, scalar_pages, tensorboard_pages
from searches.views.lookup import find_search

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson", "zip": "application/zip"}


@require_safe
def search_log(request: HttpRequest, uuid: UUID, form: str) -> StreamingHttpResponse:
    """Every event: as CSV what the log shows, as JSON lines what each carries, too."""
    search = find_search(request, uuid)
    name = f"{slugify(search.name) or 'search'}-log.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    return StreamingHttpResponse(one_by_one(log_pages(search, form)), content_type=FORMATS[form], headers=headers)


@require_safe
def search_scalars(request: HttpRequest, uuid: UUID, form: str) -> StreamingHttpResponse:
    """Every epoch of every training: as "csv", or as "zip" event files for TensorBoard."""
    search = find_search(request, uuid)
    name = f"{run_folder(search)}-{'scalars' if form == 'csv' else 'tensorboard'}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    pages: Iterator[str] | Iterator[bytes] = scalar_pages(search) if form == "csv" else tensorboard_pages(search)
    return StreamingHttpResponse(one_by_one(pages), content_type=FORMATS[form], headers=headers)


async def one_by_one(pages: Iterator[Any]) -> AsyncIterator[Any]:
    """What an iterator that asks the database gives, each asked for when the one before was sent."""
    following = sync_to_async(lambda: next(pages, None))
    while (page := await following()) is not None:
        yield page
