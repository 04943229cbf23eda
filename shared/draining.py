"""An ASGI layer that knows which requests are under way, so that a server ends them before it ends."""

import asyncio
from functools import partial
from typing import Final
from uuid import uuid4

import orjson

from shared.gate import ASGI3, Header, Message, Receive, Scope, Send

RETRY_AFTER_S: Final = 5
_CUT_S: Final = 1.0
_SAID: Final = "This server is being restarted: come back in a moment"


class Draining:
    """What comes after `drain` was called is told to come back; what is under way may end, up to a limit.

    Hypercorn would wait for ever for an open download, or cut off a request in the middle.
    """

    def __init__(self, app: ASGI3) -> None:
        self._app = app
        self._under_way = 0
        self._stopping = False
        self._idle = asyncio.Event()
        self._cut = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._stopping:
            await _refuse(scope, send)
        else:
            self._under_way += 1
            try:
                await self._app(scope, partial(self._receive, receive), send)
            finally:
                self._under_way -= 1
                if not self._under_way:
                    self._idle.set()

    async def _receive(self, receive: Receive) -> Message:
        """The client's next message; when time is over, that it has gone: that is what an app ends its work upon."""
        heard = asyncio.ensure_future(receive())
        cut = asyncio.ensure_future(self._cut.wait())
        try:
            await asyncio.wait({heard, cut}, return_when=asyncio.FIRST_COMPLETED)
            return heard.result() if heard.done() else {"type": "http.disconnect"}
        finally:
            heard.cancel()
            cut.cancel()

    async def drain(self, within_s: float) -> None:
        """Return when no request is under way; those that take longer are cut off."""
        self._stopping = True
        if not await self._ended(within_s):
            self._cut.set()
            await self._ended(_CUT_S)

    async def _ended(self, within_s: float) -> bool:
        if self._under_way:
            self._idle.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._idle.wait()
            except TimeoutError:
                return False
        return True


async def _refuse(scope: Scope, send: Send) -> None:
    named = uuid4().hex
    told = {"error": _SAID, "message": _SAID, "status": 503, "code": "restarting", "details": []}
    body = orjson.dumps({**told, "request_id": named})
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"retry-after", str(RETRY_AFTER_S).encode()),
        (b"x-request-id", named.encode()),
    ]
    if scope["http_version"].startswith("1"):  # HTTP/2 knows no such header
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
