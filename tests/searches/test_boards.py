"""Boards: what pages that are about no search are told each second, and when they ask for themselves anew."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from nashweb.asgi import application
from searches import live, selectors, services
from searches.models import Search
from searches.selectors.bulletin import job_frames, list_frames, worker_frames
from tests.searches.rows import leased, make_search, pending, result, run_to, run_to_end
from tests.searches.sockets import Browser

BY = "a test"
ALPHA = services.WorkerIdentity("alpha:cpu-0", "alpha", 1, "CPU", {})


# ------------------------------------------------------------------ the version of the list


@pytest.mark.django_db
def test_whatever_the_list_shows_gives_it_another_version():
    make_search(name="Another one")
    search = run_to(make_search(), "1.2").search
    seen = [selectors.list_version()]
    writers = [
        lambda: services.rename(search, "New", BY),
        lambda: services.set_tags(search, ["night"], BY),
        lambda: services.pause(search, BY),
        lambda: services.resume(search, BY),
        lambda: services.run_next(search, BY),
        lambda: services.worker_beat(ALPHA, None),
        lambda: run_to(search, "2.1"),
        lambda: run_to_end(search),
        lambda: services.delete(search, BY),
        lambda: make_search(name="A third one"),
    ]
    for write in writers:
        write()
        seen.append(selectors.list_version())
    assert all(before != after for before, after in pairwise(seen))


@pytest.mark.django_db
def test_beats_and_epochs_of_what_trains_leave_the_version_as_it_is():
    search = make_search()
    services.worker_beat(ALPHA, None)
    lease = leased(pending(search)[0])
    before = selectors.list_version()
    services.beat(lease, epoch=0.5, images_per_second=700.0, seconds=1.0)
    services.record_epoch(lease, [], epoch=1.0, seconds=2.0, checkpoint="")
    Search.objects.filter(pk=search.pk).update(disk_bytes=5)
    assert selectors.list_version() == before
    [frame] = list_frames()
    assert frame["version"] == before
    [line] = frame["lines"]
    assert (line["id"], line["words"], line["epochs_done"], line["disk_bytes"]) == (search.pk, "pretraining", 1.0, 5)


@pytest.mark.django_db
def test_the_version_costs_no_query_a_search(django_assert_max_num_queries):
    for i in range(3):
        run_to_end(make_search(name=f"S{i}"))
    with django_assert_max_num_queries(6):
        first = selectors.list_version()
    with django_assert_max_num_queries(2):
        assert selectors.list_version() == first
    with django_assert_max_num_queries(6):
        list_frames()


@pytest.mark.django_db
def test_pages_name_their_board_and_their_version(client):
    client.force_login(get_user_model().objects.create_user("alice"))
    make_search()
    services.worker_beat(ALPHA, None)
    listed, workers = client.get("/").text, client.get(reverse("worker_list")).text
    assert f'data-socket="/ws/boards/list/" data-version="{selectors.list_version()}"' in listed
    assert f'data-socket="/ws/boards/workers/" data-version="{worker_frames()[0]["version"]}"' in workers


# ------------------------------------------------------------------ workers and jobs


@pytest.mark.django_db
def test_a_workers_beat_leaves_its_page_as_it_is_and_what_it_trains_does_not():
    search = make_search()
    services.worker_beat(ALPHA, None)
    [before] = worker_frames()
    services.worker_beat(ALPHA, None)
    [again] = worker_frames()
    services.worker_beat(ALPHA, pending(search)[0].pk)
    [after] = worker_frames()
    assert before["version"] == again["version"] != after["version"]
    assert after["workers"][0]["code"] == "model_0"


@pytest.mark.django_db
def test_a_job_is_told_while_it_is_open_and_its_end_for_a_while():
    candidate = pending(make_search())[0]
    job = services.ask_for("count", subject="count:1", title="Counting", payload={}, candidate=candidate)
    other = services.ask_for("count", subject="count:2", title="Another", payload={})
    assert [frame["job"]["uuid"] for frame in job_frames()] == [str(job.uuid), str(other.uuid)]
    lease = services.claim_job(job.pk, worker="alpha")
    assert lease is not None
    services.tell_job(lease, done=2, total=5, words="number 2")
    [frame] = job_frames(of_searches=[candidate.search_id])
    assert (frame["search"], frame["job"]["words"], frame["job"]["done"]) == (candidate.search_id, "number 2", 2)
    services.finish_job(lease, {})
    assert [frame["job"]["status"] for frame in job_frames()] == ["done", "pending"]
    type(job).objects.filter(pk=job.pk).update(ended="2000-01-01T00:00:00Z")
    assert [frame["job"]["title"] for frame in job_frames()] == ["Another"]


# ------------------------------------------------------------------ the socket


def cookies() -> dict[str, Any]:
    client = Client()
    client.force_login(get_user_model().objects.get_or_create(username="charlie")[0])
    return {name: morsel.value for name, morsel in client.cookies.items()}


@asynccontextmanager
async def watching(path: str, cookies: dict[str, Any]) -> AsyncIterator[Browser]:
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = [(b"cookie", cookie.encode()), (b"host", b"localhost"), (b"origin", b"http://localhost")]
    browser = Browser(application, f"/ws/{path}/", headers)
    assert await browser.connect()
    try:
        yield browser
    finally:
        await browser.disconnect()
    deadline = time.monotonic() + 5
    while live.tail._thread is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert live.tail._thread is None


@pytest.mark.django_db(transaction=True)
async def test_each_second_a_frame_with_the_version_of_that_moment():
    search = await sync_to_async(make_search)()
    async with watching("boards/list", await sync_to_async(cookies)()) as browser:
        first = await browser.frame()
        assert (first["kind"], first["lines"]) == ("list", [])
        assert first["version"] == await sync_to_async(selectors.list_version)()

        def train() -> None:
            services.finish(leased(pending(search)[0]), result())

        await sync_to_async(train)()
        while (frame := await browser.frame())["version"] == first["version"]:
            pass
        assert [line["id"] for line in frame["lines"]] == [search.pk]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("board", ["workers", "jobs"])
async def test_the_other_boards_are_told_too(board):
    await sync_to_async(services.ask_for)("count", subject="count:1", title="Counting", payload={})
    async with watching(f"boards/{board}", await sync_to_async(cookies)()) as browser:
        assert (await browser.frame())["kind"] == {"workers": "heartbeat", "jobs": "job"}[board]


@pytest.mark.django_db(transaction=True)
async def test_a_page_about_a_search_is_told_of_its_jobs_by_the_socket_that_it_has():
    search = await sync_to_async(make_search)()

    def ask() -> None:
        services.ask_for("count", subject="count:1", title="Counting", payload={}, candidate=pending(search)[0])

    await sync_to_async(ask)()
    async with watching(f"searches/{search.uuid}", await sync_to_async(cookies)()) as browser:
        while (frame := await browser.frame())["kind"] != "job":
            pass
    assert frame["job"]["title"] == "Counting"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("board", "who", "code"), [("list", {}, 4401), ("nonsense", None, 4404)])
async def test_who_may_not_watch_is_sent_away(board, who, code):
    async with watching(f"boards/{board}", await sync_to_async(cookies)() if who is None else who) as browser:
        assert await browser.closed_with() == code
