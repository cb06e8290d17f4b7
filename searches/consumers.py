"""The WebSocket of a page: ws/searches/<uuid>/?after=<seq> sends what happened after that number, as it happens.

Pages that are about no search watch a board: ws/boards/<name>/.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
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


class LiveConsumer(AsyncWebsocketConsumer, ABC):
    """Sends a watcher's frames as they come.

    Closes with 4401 who is not signed in (any more) and with 4404 where there is nothing to see; both are asked at
    the beginning and every PERMISSION_SECONDS.
    """

    pump: "asyncio.Task[None] | None" = None

    async def connect(self) -> None:
        await self.accept()  # first, for the browser to learn of a refusal by its number
        watcher = await self._watch()
        if watcher is not None:
            self.pump = asyncio.create_task(self._send_all(watcher))

    async def disconnect(self, code: int) -> None:
        if self.pump is not None:
            self.pump.cancel()
            with suppress(asyncio.CancelledError):
                await self.pump

    @abstractmethod
    async def _watch(self) -> Watcher | None:
        """What is sent; None after closing the socket."""

    async def _permitted(self) -> Any:
        """None after closing the socket where its user may not listen, else what is to be known of what is seen."""
        user = await _user(self.scope)
        if not user.is_authenticated:
            await self.close(NOT_SIGNED_IN)
            return None
        found = await self._seen_by(user)
        if found is None:
            await self.close(NOT_FOUND)
        return found

    @abstractmethod
    async def _seen_by(self, user: Any) -> Any:
        """What is to be known of what this user may see; None where there is nothing."""

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


class SearchConsumer(LiveConsumer):
    """Sends a search's events after the page's cursor, then each as it is committed, and frames without a number."""

    async def _watch(self) -> Watcher | None:
        found = await self._permitted()
        if found is None:
            return None
        search_id, newest = found
        return tail.watch(search_id, self._cursor(), newest=newest)

    def _cursor(self) -> int:
        after = parse_qs(self.scope["query_string"].decode()).get("after", ["0"])[0]
        return int(after) if after.isdecimal() and len(after) < 19 else 0

    async def _seen_by(self, user: Any) -> tuple[int, int] | None:
        """The search's primary key and newest number."""
        found: tuple[int, int] | None = await database_sync_to_async(_visible)(
            user, self.scope["url_route"]["kwargs"]["uuid"]
        )
        return found


class BoardConsumer(LiveConsumer):
    """Sends each second what all who are signed in may know: the list, the workers, the jobs."""

    async def _watch(self) -> Watcher | None:
        name = await self._permitted()
        return None if name is None else tail.watch_board(name)

    async def _seen_by(self, user: Any) -> str | None:
        name: str = self.scope["url_route"]["kwargs"]["name"]
        return name if name in selectors.BOARDS and user.is_active else None


async def _user(scope: dict[str, Any]) -> Any:
    """The user of the session as it is stored now, not as it was at the handshake."""
    session = scope.get("session")
    if session is None or not session.session_key:
        return AnonymousUser()
    return await get_user({"session": session.__class__(session.session_key)})  # lazy: type() is not its class


def _visible(user: Any, uuid: str) -> tuple[int, int] | None:
    return selectors.visible_to(user).filter(uuid=uuid).values_list("pk", "seq").first()
