"""`/ws` as a plain ASGI endpoint: no framework between a frame and the server."""

import asyncio
from collections.abc import Callable

from services.realtime.admission import Admission, ticket_of
from services.realtime.selection import UserIds
from services.realtime.session import CloseCode, Session, Transport
from services.realtime.sessions import Sessions
from services.realtime.transports.refusal import refuse
from services.realtime.transports.severance import sever
from shared.gate import Receive, Scope, Send
from shared.tickets import BadTicket


class WebSocket:
    """The three methods over ASGI's receive and send."""

    __slots__ = ("_receive", "_send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

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
        self, sessions: Sessions, admission: Admission, open_session: Callable[[Transport, UserIds], Session]
    ) -> None:
        self._sessions = sessions
        self._admission = admission
        self._open = open_session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await refuse(scope, send, 426, "This address speaks WebSocket only")
            return
        await receive()  # websocket.connect
        if self._sessions.draining:
            await refuse(scope, send, 503, "Restarting, come back in a moment")
            return
        await send({"type": "websocket.accept"})  # a browser is told no close code without it
        try:
            user_ids = self._admission.admit(ticket_of(scope))
        except BadTicket as error:
            await send({"type": "websocket.close", "code": int(CloseCode.NO_TICKET), "reason": str(error)})
            return
        try:
            await self._sessions.serve(self._open(WebSocket(receive, send), user_ids))
        except asyncio.CancelledError:
            sever(scope.get("client"))  # it takes nothing: see Sessions
            raise
