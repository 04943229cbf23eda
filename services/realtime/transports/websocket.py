"""`/ws` as a plain ASGI endpoint: no framework between a frame and the server."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import parse_qs

from services.realtime.admission import Guest, Offer
from services.realtime.entrance import LOGIN_WITHIN_S, Entrance, Visit
from services.realtime.errors import BadMessage, Crowded, Denied
from services.realtime.protocol import MAX_MESSAGE_BYTES, Auth, parse
from services.realtime.session import Session
from services.realtime.transport import CloseCode
from services.realtime.transports.express import express_of
from services.realtime.transports.refusal import refuse
from services.realtime.transports.severance import cut
from shared.gate import Receive, Scope, Send


class WebSocket:
    """The three methods over ASGI's receive and send; `express`: a quicker way than send, where the server has one."""

    __slots__ = ("_receive", "_send", "express")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.express = express_of(scope)

    async def receive(self) -> str | bytes | None:
        event = await self._receive()
        if event["type"] != "websocket.receive":
            return None
        text = event.get("text")
        if isinstance(text, str):
            return text
        return bytes(event["bytes"])

    async def send(self, frame: str) -> None:
        await self._send({"type": "websocket.send", "text": frame})

    async def close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": int(code), "reason": reason})


class WebSocketEndpoint:
    """The ASGI app of `/ws`."""

    def __init__(
        self,
        entrance: Entrance,
        open_session: Callable[[WebSocket, Guest], Session],
        login_within_s: float = LOGIN_WITHIN_S,
    ) -> None:
        self._entrance = entrance
        self._open = open_session
        self._login_within_s = login_within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await refuse(scope, send, 426, "This address speaks WebSocket only")
            return
        await receive()  # websocket.connect
        if self._entrance.sessions.draining:
            await refuse(scope, send, 503, "Restarting, come back in a moment")
            return
        try:
            with self._entrance.visit("websocket") as visit:
                await self._serve(visit, _ticket(scope), WebSocket(scope, receive, send), send)
        except asyncio.CancelledError:
            cut(scope)  # it takes nothing: see Sessions
            raise
        except (Denied, Crowded) as refused:
            await send({"type": "websocket.close", "code": refused.code, "reason": str(refused)})

    async def _serve(self, visit: Visit, ticket: str | None, transport: WebSocket, send: Send) -> None:
        crowded: Crowded | None = None
        try:
            await self._entrance.turn()
        except Crowded as error:
            crowded = error
        # pages see no answer to a handshake that was refused, but a close code and its reason they do
        await send({"type": "websocket.accept"})
        if crowded is not None:
            await transport.close(crowded.code, str(crowded))
            return
        if self._entrance.asks and ticket is None:
            ticket = await self._asked_for(transport)
        if ticket is not None or not self._entrance.asks:
            guest = await visit.identify(Offer("ticket", ticket or "", "ws"))
            await visit.serve(self._open(transport, guest))

    async def _asked_for(self, transport: WebSocket) -> str | None:
        """The ticket in the first message; None: the client left. Raises Denied."""
        try:
            async with asyncio.timeout(self._login_within_s):
                message = await transport.receive()
        except TimeoutError as error:
            raise Denied(CloseCode.NO_LOGIN, f"no login within {self._login_within_s:.0f} s") from error
        if message is None:
            return None
        if isinstance(message, str) and len(message) <= MAX_MESSAGE_BYTES:
            with suppress(BadMessage):
                asked = parse(message)
                if isinstance(asked, Auth):
                    return asked.ticket
        raise Denied(CloseCode.UNKNOWN, "log in first: ?ticket=… or a first message of type auth")


def _ticket(scope: Scope) -> str | None:
    """The ticket in the address, which is taken out of it: nothing behind this may write it down. Two are none."""
    given = parse_qs(scope["query_string"].decode("latin1"), keep_blank_values=True).get("ticket")
    scope["query_string"] = b""
    if given is None:
        return None
    return given[0] if len(given) == 1 else ""
