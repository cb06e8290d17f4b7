"""The whole event log of a search as a file, sent page by page."""

from collections.abc import AsyncIterator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from searches.models import Search
from searches.selectors import log_pages
from searches.views.lookup import find_search

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


@require_safe
def search_log(request: HttpRequest, uuid: UUID, form: str) -> StreamingHttpResponse:
    """Every event: as CSV what the log shows, as JSON lines what each carries, too."""
    search = find_search(request, uuid)
    name = f"{slugify(search.name) or 'search'}-log.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    return StreamingHttpResponse(_pages(search, form), content_type=FORMATS[form], headers=headers)


async def _pages(search: Search, form: str) -> AsyncIterator[str]:
    pages = log_pages(search, form)
    following = sync_to_async(lambda: next(pages, None))
    while (page := await following()) is not None:
        yield page
