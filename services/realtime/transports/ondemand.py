"""`/socket.io` for the first who asks: most servers are never asked, and its libraries are a sixth of their start."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from services.realtime.admission import Guest
from services.realtime.entrance import Entrance
from services.realtime.session import Session
from services.realtime.transport import Transport
from shared.gate import Receive, Scope, Send

if TYPE_CHECKING:
    from services.realtime.transports.socketio import SocketIoEndpoint


class SocketIoOnDemand:
    """The ASGI app in place of SocketIoEndpoint, with the same arguments. `made`: that one, once somebody came."""

    def __init__(self, entrance: Entrance, open_session: Callable[[Transport, Guest], Session], rate: int) -> None:
        self._given = entrance, open_session, rate
        self._making = asyncio.Lock()
        self.made: SocketIoEndpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._making:
            if self.made is None:
                # its modules are read beside the loop, where others' readings go on
                self.made = (await asyncio.to_thread(_endpoint))(*self._given)
        await self.made(scope, receive, send)

    async def drain(self, within_s: float) -> None:
        if self.made is not None:
            await self.made.drain(within_s)


def _endpoint() -> "type[SocketIoEndpoint]":
    from services.realtime.transports.socketio import SocketIoEndpoint  # noqa: PLC0415 - what all this is for

    return SocketIoEndpoint
