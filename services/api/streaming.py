"""Requests and answers of any size, in flat memory, for routes that look like all others.

Quart takes a body in as fast as it comes and keeps it; here a streamed one is read on only once what came was taken, so
that the sender's own socket holds it back. An answer that can't be finished is cut off, so that no client takes it for
the whole; and both end when the process does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import structlog
from quart import Quart, Request
from quart.asgi import ASGIHTTPConnection
from quart.wrappers.request import Body
from werkzeug.exceptions import RequestTimeout

from services.api.errors import Away

log = structlog.get_logger()

MAX_AT_ONCE: Final = 8  # each holds some megabytes
MAX_OF_ONE: Final = 4  # so that no user keeps the others out
_WAITING_BYTES: Final = 256 * 1024
_SILENCE_S: Final = 60.0
_MOMENT_S: Final = 1.0
_STREAMED: Final = "STREAMED_PATHS"


class CutShort(Exception):
    """The rest of this answer can't be had: the connection is closed without its last chunk."""


class Streams:
    """What streams just now, so that it can be ended."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], int] = {}
        self.ending = False

    def join(self, user_id: int) -> None:
        """The request of this task is one of them; raises Away for one too many, and when the process ends."""
        if self.ending:
            raise Away("The server is about to end: come back in a moment", "server_stopping")
        if len(self._tasks) >= MAX_AT_ONCE:
            raise Away(f"{MAX_AT_ONCE} imports and exports are under way: come back later", "too_many_transfers")
        if sum(user == user_id for user in self._tasks.values()) >= MAX_OF_ONE:
            raise Away(
                f"{MAX_OF_ONE} imports and exports of yours are under way: come back later", "too_many_transfers"
            )
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._tasks[task] = user_id
        task.add_done_callback(self._tasks.pop)

    async def drain(self) -> None:
        """Ask each to end, with a word to its client; a moment later cut off those that are stuck in a slow one."""
        self.ending = True
        for within_s in (_MOMENT_S, _MOMENT_S):
            if waiting := list(self._tasks):
                await asyncio.wait(waiting, timeout=within_s)
            for task in self._tasks:
                task.cancel()

    def __len__(self) -> int:
        return len(self._tasks)


class StreamedBody(Body):
    """A body without a limit, of which only so much waits."""

    def __init__(self) -> None:
        super().__init__(None, None)
        self._taken = asyncio.Event()

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout(_SILENCE_S):
                data = await super().__anext__()
        except TimeoutError as error:
            raise RequestTimeout from error
        self._taken.set()
        return data

    async def room(self) -> None:
        """Return when more may come."""
        while len(self._data) >= _WAITING_BYTES:
            self._taken.clear()
            await self._taken.wait()


class Connection(ASGIHTTPConnection):
    """Quart's own, for bodies that are not to be kept and answers that may break off."""

    def _create_request_from_scope(self, send: Callable[..., Awaitable[None]]) -> Request:
        request = super()._create_request_from_scope(send)
        if request.path.rstrip("/") in self.app.config[_STREAMED]:
            request.body = StreamedBody()
        return request

    async def handle_messages(self, request: Request, receive: Callable[[], Awaitable[Any]]) -> None:
        body = request.body
        if not isinstance(body, StreamedBody):
            await super().handle_messages(request, receive)
            return
        while (message := await receive())["type"] == "http.request":
            body.append(message.get("body", b""))
            if not message.get("more_body", False):
                body.set_complete()
            await body.room()

    async def handle_request(self, request: Request, send: Callable[..., Awaitable[None]]) -> None:
        try:
            await super().handle_request(request, send)
        except CutShort as error:
            log.warning("answer_cut_short", path=request.path, reason=str(error))


def stream_bodies(app: Quart, *paths: str) -> None:
    """Requests to these paths have a StreamedBody; all answers may end with CutShort."""
    app.config[_STREAMED] = frozenset(paths)
    app.asgi_http_class = Connection
