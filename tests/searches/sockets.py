"""A browser's WebSocket for tests, on asgiref alone: channels.testing would need daphne."""

import json
from typing import Any
from urllib.parse import urlsplit

from asgiref.testing import ApplicationCommunicator

SECONDS = 5.0


class Browser(ApplicationCommunicator):
    """One WebSocket to an ASGI application; `receive` waits at most SECONDS."""

    def __init__(self, application: Any, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        parts = urlsplit(path)
        scope = {
            "type": "websocket",
            "path": parts.path,
            "query_string": parts.query.encode(),
            "headers": headers,
            "subprotocols": [],
        }
        super().__init__(application, scope)

    async def connect(self) -> bool:
        """Whether the server accepted."""
        await self.send_input({"type": "websocket.connect"})
        message: dict[str, Any] = await self.receive_output(SECONDS)
        return bool(message["type"] == "websocket.accept")

    async def frame(self) -> dict[str, Any]:
        """The next frame."""
        message = await self.receive_output(SECONDS)
        assert message["type"] == "websocket.send", message
        found: dict[str, Any] = json.loads(message["text"])
        return found

    async def events(self, n: int) -> list[dict[str, Any]]:
        """The next n frames that have a number."""
        found: list[dict[str, Any]] = []
        while len(found) < n:
            frame = await self.frame()
            if "seq" in frame:
                found.append(frame)
        return found

    async def closed_with(self) -> int:
        """The code that the server closes with, whatever it says before."""
        while (message := await self.receive_output(SECONDS))["type"] != "websocket.close":
            assert message["type"] in ("websocket.accept", "websocket.send"), message
        return int(message.get("code", 1000))

    async def say(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(SECONDS)
