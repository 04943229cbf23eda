"""`/sse` as a plain ASGI endpoint: the messages of `/ws` as server-sent events, one subscription in the address."""

import asyncio
import random
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite, nan
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from services.realtime.admission import Guest, Offer
from services.realtime.entrance import Entrance, Visit
from services.realtime.errors import BadMessage, Crowded, Denied
from services.realtime.protocol import Subscribe, parse
from services.realtime.session import Session
from services.realtime.transport import Transport
from services.realtime.transports.refusal import refuse
from services.realtime.transports.severance import cut
from shared.gate import Header, Receive, Scope, Send

SUBSCRIPTION: Final = 1
RETRY_S: Final = (1.0, 4.0)
"""After what time a browser comes back: those who are sent away together come back apart."""
_LISTS: Final = ("devices", "metrics")
_PARAMETERS: Final = (*_LISTS, "since", "rate_hz", "ticket")
_CURSOR: Final = re.compile(r'\{"type":"(?:readings|heartbeat|caught_up)",(?:"id":\d+,)?"cursor":"([A-Za-z0-9_-]+)"')
_HEADERS: Final[list[Header]] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would gather what must leave at once
]


@lru_cache(maxsize=4)
def event(frame: str) -> bytes:
    """A message as an event. Its id is the cursor behind it: what a browser hands back as `Last-Event-ID`.

    Kept for a moment: equal subscriptions get the same frame one after another.
    """
    found = _CURSOR.match(frame)
    return (f"id: {found[1]}\ndata: {frame}\n\n" if found else f"data: {frame}\n\n").encode()


def question(query: bytes, headers: Mapping[bytes, bytes]) -> tuple[dict[str, Any], str | None]:
    """The `subscribe` that stands in an address, and the ticket if there is one; raises BadMessage."""
    given: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin1"), keep_blank_values=True):
        if name not in _PARAMETERS:
            raise BadMessage("unknown_field", f"{name}: there is no such parameter; there are {', '.join(_PARAMETERS)}")
        if name in given:
            raise BadMessage("bad_message", f"{name}: once is enough; lists are separated by commas")
        given[name] = value
    ticket = given.pop("ticket", None)
    asked: dict[str, Any] = {"type": "subscribe", "id": SUBSCRIPTION, "devices": "*", **given}
    for name in _LISTS:
        if name in given and given[name] != "*":
            asked[name] = given[name].split(",")
    if "rate_hz" in given:
        asked["rate_hz"] = _number(given["rate_hz"])
    last = headers.get(b"last-event-id")
    if last:
        asked["since"] = last.decode("latin1")  # wins: a browser comes back with the address that it had
    return asked, ticket


def _number(text: str) -> float:
    """Raises BadMessage, also for what JSON has no word for and would pass over as null."""
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not isfinite(number):
        raise BadMessage("bad_message", "rate_hz: a number like 2 or 0.5")
    return number


class EventStream:
    """The three methods over one response. A client asks once, by its address; then it can only leave."""

    def __init__(self, asked: str, receive: Receive, send: Send) -> None:
        self._asked: str | None = asked
        self._receive = receive
        self._send = send

    async def receive(self) -> str | None:
        if self._asked is not None:
            asked, self._asked = self._asked, None
            return asked
        while (await self._receive())["type"] != "http.disconnect":
            pass  # a body that nobody asked for
        return None

    async def send(self, frame: str) -> None:
        await self._put(event(frame))

    async def close(self, code: int, reason: str) -> None:
        """The last chunk: a browser comes back by itself, with the last id, after the time that it was told."""
        told = orjson.dumps({"code": int(code), "reason": reason}).decode()
        await self._put(f"event: close\ndata: {told}\n\n".encode(), more=False)

    async def begin(self, retry_s: float) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        await self._put(f"retry: {round(retry_s * 1000)}\n\n".encode())

    async def _put(self, body: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


class SseEndpoint:
    """The ASGI app of `/sse`. `since`: reads where a subscription wants to begin; raises BadMessage."""

    def __init__(
        self,
        entrance: Entrance,
        open_session: Callable[[Transport, Guest], Session],
        since: Callable[[Subscribe], object],
    ) -> None:
        self._entrance = entrance
        self._open = open_session
        self._since = since

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await receive()  # websocket.connect
            await refuse(scope, send, 404, "This address speaks HTTP only: WebSockets are at /ws")
        elif scope["method"] != "GET":
            await refuse(scope, send, 405, "A stream can only be read, with GET")
        else:
            try:
                with self._entrance.visit("sse") as visit:
                    await self._serve(visit, scope, receive, send)
            except asyncio.CancelledError:
                cut(scope)  # it takes nothing: see Sessions
                raise
            except Denied as denied:
                await refuse(scope, send, denied.status, str(denied))

    async def _serve(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        try:
            asked, ticket = question(scope["query_string"], headers)
            text = orjson.dumps(asked).decode()
            if isinstance(subscribe := parse(text), Subscribe):
                self._since(subscribe)
        except BadMessage as error:
            await refuse(scope, send, 400, str(error))
            return
        scope["query_string"] = b""  # it may hold a ticket: nothing behind this may write it down
        stream = EventStream(text, receive, send)
        try:
            await self._entrance.turn()
            guest = await visit.identify(_offer(ticket, headers))
        except Crowded as crowded:
            # an EventSource that is answered 503 gives up for ever; one whose stream ends comes back when it was told
            await stream.begin(crowded.retry_after_s)
            await stream.close(crowded.code, str(crowded))
            return
        await stream.begin(random.uniform(*RETRY_S))  # noqa: S311 - spreads clients, hides nothing
        await visit.serve(self._open(stream, guest))


def _offer(ticket: str | None, headers: Mapping[bytes, bytes]) -> Offer | None:
    if ticket is not None:
        return Offer("ticket", ticket, "sse")
    scheme, _, token = headers.get(b"authorization", b"").decode("latin1").partition(" ")
    return Offer("bearer", token.strip(), "sse") if scheme.lower() == "bearer" else None
