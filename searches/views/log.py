"""The whole event log of a search as a file, sent line by line."""

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from searches.models import Search
from searches.selectors import event_frame, events_after
from searches.views.lookup import find_search

COLUMNS = ("seq", "at", "kind", "level", "words")
PAGE = 500
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


@require_safe
def search_log(request: HttpRequest, uuid: UUID, form: str) -> StreamingHttpResponse:
    """Every event: as CSV what the log shows, as JSON lines what each carries, too."""
    search = find_search(request, uuid)
    name = f"{slugify(search.name) or 'search'}-log.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    return StreamingHttpResponse(_lines(search, form), content_type=FORMATS[form], headers=headers)


async def _lines(search: Search, form: str) -> AsyncIterator[str]:
    write = _csv if form == "csv" else _json
    if form == "csv":
        yield "\ufeff" + _csv({name: name for name in COLUMNS})
    page = sync_to_async(lambda after: [event_frame(event) for event in events_after(search, after, PAGE)])
    after = 0
    while frames := await page(after):
        yield "".join(map(write, frames))
        after = frames[-1]["seq"]


def _csv(frame: dict[str, Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([frame[name] for name in COLUMNS])
    return line.getvalue()


def _json(frame: dict[str, Any]) -> str:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")) + "\n"
