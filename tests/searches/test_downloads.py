"""Downloads: piece by piece, in ranges, not twice."""

import os

import pytest
from django.contrib.auth import get_user_model
from django.test import AsyncClient
from django.urls import reverse

from searches import services
from searches.models import Artifact, Search
from tests.searches.rows import leased, make_search, pending, result, run_to

CONTENT = os.urandom(700_000)  # several pieces
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def search(data_folder) -> Search:
    search = make_search(name="Leaves & more")
    final = run_to(search, "final")
    path = data_folder / "searches" / "model.zip"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    made = services.MadeFile(Artifact.Format.MODEL_ZIP, path, "a" * 64, len(CONTENT))
    services.finish(leased(final), result(None, test_accuracy=0.9, correct=None, files=(made,)))
    return search


@pytest.fixture
def browser() -> AsyncClient:
    browser = AsyncClient()
    browser.force_login(get_user_model().objects.create_user("alice", password="x"))
    return browser


async def fetch(browser: AsyncClient, search: Search, **headers: str):
    answer = await browser.get(reverse("search_download", args=[search.uuid]), headers=headers)
    body = b"".join([piece async for piece in answer]) if answer.streaming else answer.content
    return answer, body


async def test_the_model_arrives_whole_and_named_after_its_search(browser, search):
    answer, body = await fetch(browser, search)
    assert answer.status_code == 200
    assert body == CONTENT
    assert answer["Content-Length"] == str(len(CONTENT))
    assert answer["Content-Type"] == "application/zip"
    assert f'filename="leaves-more-{str(search.uuid)[:8]}.zip"' in answer["Content-Disposition"]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=300000-", 300_000, 700_000),
        ("bytes=-5", 699_995, 700_000),
        ("bytes=9-9999999", 9, 700_000),
    ],
)
async def test_a_broken_download_goes_on_where_it_broke(browser, search, asked, start, stop):
    answer, body = await fetch(browser, search, range=asked)
    assert answer.status_code == 206
    assert answer["Content-Range"] == f"bytes {start}-{stop - 1}/700000"
    assert body == CONTENT[start:stop]


async def test_a_range_outside_the_file_is_refused(browser, search):
    answer, body = await fetch(browser, search, range="bytes=700000-")
    assert (answer.status_code, body) == (416, b"")
    assert answer["Content-Range"] == "bytes */700000"


async def test_what_the_browser_has_is_not_sent_again(browser, search):
    answer, _ = await fetch(browser, search)
    again, body = await fetch(browser, search, **{"if-none-match": answer["ETag"]})
    assert (again.status_code, body) == (304, b"")


async def test_a_range_of_another_version_gets_the_whole_file(browser, search):
    answer, body = await fetch(browser, search, **{"range": "bytes=0-99", "if-range": '"older"'})
    assert answer.status_code == 200
    assert body == CONTENT


async def test_there_is_no_download_before_the_end(browser):
    from asgiref.sync import sync_to_async

    search = await sync_to_async(make_search)()
    assert await sync_to_async(lambda: len(pending(search)))() == 1
    answer, _ = await fetch(browser, search)
    assert answer.status_code == 404
