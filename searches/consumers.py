"""The WebSocket of a page: ws/searches/<uuid>/?after=<seq> sends what happened after that number, as it happens."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import AnonymousUser

from searches import selectors
from searches.live import Watcher, tail

logger = logging.getLogger(__name__)

PERMISSION_SECONDS = 60.0
NOT_SIGNED_IN, NOT_FOUND, INTERNAL_ERROR = 4401, 4404, 1011


class SearchConsumer(AsyncWebsocketConsumer):
    """Sends events after the page's cursor, then each as it is committed, and frames without a number between.

    Closes with 4401 who is not signed in (any more) and with 4404 where there is no such search to see; both are
    asked at the beginning and every PERMISSION_SECONDS.
    """

    pump: "asyncio.Task[None] | None" = None

    async def connect(self) -> None:
        await self.accept()  # first, for the browser to learn of a refusal by its number
        search = await self._permitted()
        if search is not None:
            search_id, newest = search
            watcher = tail.watch(search_id, self._cursor(), newest=newest)
            self.pump = asyncio.create_task(self._send_all(watcher))

    async def disconnect(self, code: int) -> None:
        if self.pump is not None:
            self.pump.cancel()
            with suppress(asyncio.CancelledError):
                await self.pump

    def _cursor(self) -> int:
        after = parse_qs(self.scope["query_string"].decode()).get("after", ["0"])[0]
        return int(after) if after.isdecimal() and len(after) < 19 else 0

    async def _permitted(self) -> tuple[int, int] | None:
        """The search's primary key and newest number; None after closing the socket where its user may not see it."""
        user = await _user(self.scope)
        if not user.is_authenticated:
            await self.close(NOT_SIGNED_IN)
            return None
        search: tuple[int, int] | None = await database_sync_to_async(_visible)(
            user, self.scope["url_route"]["kwargs"]["uuid"]
        )
        if search is None:
            await self.close(NOT_FOUND)
        return search

    async def _send_all(self, watcher: Watcher) -> None:
        """Send frame by frame; a browser that takes them slowly is waited for, and lags."""
        ask_again = time.monotonic() + PERMISSION_SECONDS
        try:
            while True:
                for frame in await watcher.frames(timeout=max(0.0, ask_again - time.monotonic())):
                    await self.send(text_data=frame)
                if time.monotonic() >= ask_again:
                    ask_again = time.monotonic() + PERMISSION_SECONDS
                    if await self._permitted() is None:
                        return
        except Exception:
            logger.exception("a live channel broke; its page connects again")
            await self.close(INTERNAL_ERROR)
        finally:
            tail.leave(watcher)


async def _user(scope: dict[str, Any]) -> Any:
    """The user of the session as it is stored now, not as it was at the handshake."""
    session = scope.get("session")
    if session is None or not session.session_key:
        return AnonymousUser()
    return await get_user({"session": session.__class__(session.session_key)})  # lazy: type() is not its class


def _visible(user: Any, uuid: str) -> tuple[int, int] | None:
    return selectors.visible_to(user).filter(uuid=uuid).values_list("pk", "seq").first()
