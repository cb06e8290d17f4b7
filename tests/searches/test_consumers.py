"""The live channel: events after the cursor, then as they happen; who may listen; slow browsers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client

from nashweb.asgi import application
from searches import consumers, live, services
from searches.models import Search
from searches.services.events import append, lock_search
from tests.searches.rows import leased, make_search, run_to_end
from tests.searches.sockets import Browser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quiet_end():
    """Nobody listens any more, and the tail's thread has closed its connection, when the database is emptied."""
    yield
    deadline = time.monotonic() + 5
    while live.tail._thread is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert live.tail._thread is None


def signed_in(name: str = "charlie") -> dict[str, Any]:
    """Cookies of a browser."""
    client = Client()
    client.force_login(get_user_model().objects.get_or_create(username=name)[0])
    return {name: morsel.value for name, morsel in client.cookies.items()}


def socket(search_uuid: Any, cookies: dict[str, Any], query: str = "") -> Browser:
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = [(b"cookie", cookie.encode()), (b"host", b"localhost"), (b"origin", b"http://localhost")]
    return Browser(application, f"/ws/searches/{search_uuid}/{query}", headers)


@asynccontextmanager
async def listening(search: Search, cookies: dict[str, Any], after: int = 0) -> AsyncIterator[Browser]:
    browser = socket(search.uuid, cookies, f"?after={after}")
    assert await browser.connect()
    try:
        yield browser
    finally:
        await browser.disconnect()


def warn(search: Search, words: str) -> None:
    from django.db import transaction

    with transaction.atomic():
        append(lock_search(search.pk), "warning", words)


async def test_events_after_the_cursor_come_first_then_new_ones_as_they_happen():
    search = await sync_to_async(run_to_end)(await sync_to_async(make_search)())
    cookies = await sync_to_async(signed_in)()
    async with listening(search, cookies, after=search.seq - 2) as browser:
        assert [e["seq"] for e in await browser.events(2)] == [search.seq - 1, search.seq]
        await sync_to_async(warn)(search, "one more")
        (event,) = await browser.events(1)
        assert (event["seq"], event["words"], event["kind"]) == (search.seq + 1, "one more", "warning")


async def test_a_frame_is_what_the_api_answers():
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()
    async with listening(search, cookies) as browser:
        (event,) = await browser.events(1)

    def ask() -> Any:
        client = Client()
        client.force_login(get_user_model().objects.get())
        return client.get(f"/api/v1/searches/{search.uuid}/events").json()["events"][0]

    answered = await sync_to_async(ask)()
    assert answered.pop("at")[:19] == event.pop("at")[:19]
    assert answered == event


async def test_every_listener_gets_every_event_once_and_in_order():
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()
    async with listening(search, cookies) as one, listening(search, cookies) as two:
        for n in range(40):
            await sync_to_async(warn)(search, f"event {n}")
        for browser in (one, two):
            assert [e["seq"] for e in await browser.events(41)] == list(range(1, 42))


async def test_an_event_arrives_within_a_fifth_of_a_second():
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()
    async with listening(search, cookies, after=1) as browser:
        await asyncio.sleep(0.2)
        waits = []
        for n in range(5):
            started = time.monotonic()
            await sync_to_async(warn)(search, f"event {n}")
            await browser.events(1)
            waits.append(time.monotonic() - started)
    assert sorted(waits)[2] < 0.2


async def test_events_of_another_search_are_not_sent():
    search, other = await sync_to_async(make_search)(), await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()
    async with listening(search, cookies, after=1) as browser:
        await sync_to_async(warn)(other, "not for you")
        await sync_to_async(warn)(search, "for you")
        (event,) = await browser.events(1)
        assert event["words"] == "for you"


async def test_progress_and_heartbeats_come_each_second_without_a_number():
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()

    def train_a_little() -> None:
        candidate = search.candidates.get()
        services.beat(leased(candidate), epoch=0.5, images_per_second=700.0)
        services.worker_beat(services.WorkerIdentity("alpha:cpu-0", "alpha", 1, "CPU", {}), candidate.pk)

    await sync_to_async(train_a_little)()
    seen: dict[str, dict[str, Any]] = {}
    async with listening(search, cookies, after=2) as browser:
        while len(seen) < 2 or not seen.get("heartbeat", {}).get("workers"):
            frame = await browser.frame()
            assert "seq" not in frame
            seen[frame["kind"]] = frame
    assert seen["heartbeat"]["workers"][0]["name"] == "alpha:cpu-0"
    assert seen["progress"]["candidates"][0]["epoch"] == 0.5
    assert "seconds_left" in seen["progress"]["search"]


async def test_a_search_that_every_worker_refuses_hears_of_it_each_second():
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()

    def come() -> None:
        versions = {"engine": search.engine_version + 1}
        services.worker_beat(services.WorkerIdentity("alpha:cpu-0", "alpha", 1, "CPU", versions), None)

    async with listening(search, cookies, after=1) as browser, asyncio.timeout(20):
        frames = []
        while not frames or not frames[-1]["search"]["refused"]:
            frame = await browser.frame()
            if frame["kind"] == "fit":
                frames.append(frame)
                await sync_to_async(come)()
    assert frames[0]["search"] == {"refused": "", "can_go_on": False}
    assert frames[-1]["search"]["refused"].startswith(f"Its engine version is {search.engine_version}, that of")


async def test_a_browser_that_lags_gets_all_of_it_from_the_database(monkeypatch):
    monkeypatch.setattr(live, "KEPT_FRAMES", 4)
    monkeypatch.setattr(live, "PAGE", 8)
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()
    async with listening(search, cookies) as quick:
        for n in range(30):
            await sync_to_async(warn)(search, f"event {n}")
        await quick.events(31)
        async with listening(search, cookies, after=1) as late:
            assert [e["seq"] for e in await late.events(30)] == list(range(2, 32))


async def test_a_slow_browser_costs_no_memory(monkeypatch):
    monkeypatch.setattr(live, "KEPT_FRAMES", 4)
    search = await sync_to_async(make_search)()
    feed = live.Feed(search.pk, 1)
    watcher = live.Watcher(feed, 1)
    tail = live.Tail()

    def happen() -> None:
        for n in range(20):
            warn(search, f"event {n}")
        tail._read([feed])

    await sync_to_async(happen)()
    assert len(feed.frames) == 4
    fetched = [json.loads(frame)["seq"] for frame in await watcher.frames(timeout=1)]
    assert fetched == list(range(2, 22))


@pytest.mark.parametrize("query", ["", "?after=", "?after=x", "?after=-3", "?after=99999999999999999999"])
async def test_a_cursor_that_is_none_begins_at_the_beginning(query):
    search = await sync_to_async(make_search)()
    browser = socket(search.uuid, await sync_to_async(signed_in)(), query)
    assert await browser.connect()
    assert [e["seq"] for e in await browser.events(1)] == [1]
    await browser.disconnect()


async def test_who_is_not_signed_in_is_sent_away():
    search = await sync_to_async(make_search)()
    browser = socket(search.uuid, {})
    await browser.connect()
    assert await browser.closed_with() == 4401
    await browser.disconnect()


async def test_a_search_that_is_not_there_is_closed_as_not_found():
    browser = socket("00000000-0000-0000-0000-000000000000", await sync_to_async(signed_in)())
    await browser.connect()
    assert await browser.closed_with() == 4404
    await browser.disconnect()


async def test_a_page_of_another_site_is_refused():
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()
    browser = socket(search.uuid, cookies)
    browser.scope["headers"] = [
        (name, b"http://evil.example" if name == b"origin" else value) for name, value in browser.scope["headers"]
    ]
    assert not await browser.connect()


@pytest.mark.parametrize("loss", ["signed out", "no longer active"])
async def test_who_may_no_longer_listen_is_sent_away_while_the_socket_lives(monkeypatch, loss):
    monkeypatch.setattr(consumers, "PERMISSION_SECONDS", 0.2)
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()

    def take_away() -> None:
        if loss == "signed out":
            Session.objects.all().delete()
        else:
            get_user_model().objects.update(is_active=False)

    async with listening(search, cookies) as browser:
        await browser.events(1)
        await sync_to_async(take_away)()
        assert await browser.closed_with() == 4401


async def test_what_a_browser_says_is_not_listened_to():
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()
    async with listening(search, cookies) as browser:
        await browser.say('{"type": "search.stop"}')
        assert [e["seq"] for e in await browser.events(1)] == [1]


async def test_the_tail_ends_with_its_last_listener():
    search = await sync_to_async(make_search)()
    cookies = await sync_to_async(signed_in)()
    async with listening(search, cookies) as browser:
        await browser.events(1)
        assert live.tail._thread is not None
    deadline = time.monotonic() + 3
    while live.tail._thread is not None and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert live.tail._thread is None
    assert live.tail._feeds == {}
