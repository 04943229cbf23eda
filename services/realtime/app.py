"""The service as its process sees it: two ASGI apps, a synchronous `publish`, a part that runs, and an orderly end."""

import asyncio
from math import inf
from typing import Final

from services.realtime.admission import Admission
from services.realtime.hub import Hub
from services.realtime.mailbox import Mailbox
from services.realtime.selection import UserIds
from services.realtime.session import Latest, Session, Stream, Transport
from services.realtime.sessions import Sessions
from services.realtime.settings import RealtimeSettings
from services.realtime.transports.socketio import SocketIoEndpoint
from services.realtime.transports.websocket import WebSocketEndpoint
from shared.readings import ReadingBatch

SOCKETIO_READING_BYTES: Final = 160
SOCKETIO_CONFLATED_BYTES: Final = 16 * 1024 * 1024


class Realtime:
    """Built inside a running loop; opens nothing. `latest`: see LatestTable. Without `secret`: that of the settings."""

    def __init__(self, settings: RealtimeSettings, latest: Latest, secret: str = "") -> None:
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._clock = loop.time
        self._hub = Hub(loop.call_later, loop.time, settings.coalesce_ms / 1000)
        self._stream = Stream(self._hub, latest, loop.time, settings.heartbeat_s)
        self.sessions: Final = Sessions()
        admission = Admission(None if settings.auth == "open" else secret or settings.secret)
        self.asgi_ws: Final = WebSocketEndpoint(self.sessions, admission, self._open_websocket)
        self.asgi_socketio: Final = SocketIoEndpoint(
            self.sessions, admission, self._open_socketio, settings.socketio_rate
        )

    def publish(self, batch: ReadingBatch) -> None:
        """Hand a committed batch to everybody who may see it. Never waits, and no client can make it fail."""
        self._hub.publish(batch)

    async def run(self) -> None:
        """Heartbeats, the end of stuck sessions, and forgetting, until cancelled."""
        while True:
            await asyncio.sleep(min(1.0, self._settings.heartbeat_s / 4))
            self.sessions.look_after(self._clock())
            self._hub.forget()

    async def drain(self) -> None:
        """Refuse new sessions and end every one, so that the server can end. Returns within `drain_s`."""
        within_s = min(self._settings.drain_s, 3.0)
        await self.sessions.drain(within_s * 0.8)
        await self.asgi_socketio.drain(within_s * 0.2)

    def _open_websocket(self, transport: Transport, user_ids: UserIds) -> Session:
        limit = self._settings.mailbox_kib * 1024
        return Session(self._stream, transport, Mailbox(limit, limit), user_ids)

    def _open_socketio(self, transport: Transport, user_ids: UserIds) -> Session:
        # about a second of what it may be sent, so that what it gets is fresh; every device is kept however many
        limit = self._settings.socketio_rate * SOCKETIO_READING_BYTES
        mailbox = Mailbox(limit, SOCKETIO_CONFLATED_BYTES)
        # its send takes as long as the rate demands, and the library itself ends clients that answer no ping
        return Session(self._stream, transport, mailbox, user_ids, stuck_s=inf)
