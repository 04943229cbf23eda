"""Hypercorn's connections, made to be written to without waiting: what ASGI has no word for.

A frame for each of hundreds of clients costs, by way of ASGI, a task switch, eight coroutines and the framing of bytes
that are the same for all. A connection is therefore put into the scope's state, where an endpoint that knows it finds
it; one that does not is served as ever, and under another server there is none (docs/decisions/0023).
"""

from contextlib import suppress
from typing import Any, Final

from hypercorn.asyncio import run
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, Event
from hypercorn.protocol import ws_stream

from shared.gate import Scope

_KEY: Final = "telemetrio.connection"


class Connection(TCPServer):
    """As Hypercorn's own, and `offer` and `sever` beside it."""

    def __init__(self, app: Any, loop: Any, config: Any, context: Any, state: Any, reader: Any, writer: Any) -> None:  # noqa: PLR0913, PLR0917 - Hypercorn's signature
        super().__init__(app, loop, config, context, {**state, _KEY: self}, reader, writer)

    def offer(self, data: bytes) -> bool:
        """Write at once what is whole in itself (a WebSocket frame). False: something is still on its way, or it ended.

        Then it must go the usual way, which waits for a client that does not read.
        """
        transport = self.writer.transport
        if self.send_lock.locked() or transport.is_closing() or transport.get_write_buffer_size():
            return False
        transport.write(data)
        return True

    def sever(self) -> None:
        """End it, whatever its peer does: Hypercorn itself would wait until all is sent."""
        self.writer.transport.abort()

    # a peer that is gone is no news: Hypercorn expects every error of it but a timeout

    async def protocol_send(self, event: Event) -> None:
        try:
            await super().protocol_send(event)
        except TimeoutError:
            await self.protocol.handle(Closed())

    async def _close(self) -> None:
        with suppress(TimeoutError):
            await super()._close()


def connection_of(scope: Scope) -> Connection | None:
    """The connection of a request or WebSocket; None under another server."""
    found = (scope.get("state") or {}).get(_KEY)
    return found if isinstance(found, Connection) else None


def _no_extensions(_asked: object, _offered: object) -> None:
    """No permessage-deflate: Hypercorn grants it to whoever asks, as browsers do, and it can't be told not to.

    It takes 95 KB of each client's memory, and compresses the same readings anew for each of them.
    """


def install() -> None:
    """Let Hypercorn use these. Its version is pinned, and tests/contracts says so when it changes under us."""
    vars(run)["TCPServer"] = Connection
    vars(ws_stream)["server_extensions_handshake"] = _no_extensions
