"""The service as its process sees it: two ASGI apps, a synchronous `publish`, a part that runs, and an orderly end."""

import asyncio
import time
from collections.abc import Callable
from math import inf
from typing import Final

from services.realtime.hub import Hub, Keeping
from services.realtime.mailbox import Mailbox
from services.realtime.past import Past
from services.realtime.replay import Archive, Replay
from services.realtime.session import Latest, Session, Stream, Transport
from services.realtime.sessions import Sessions
from services.realtime.settings import RealtimeSettings
from services.realtime.transports.socketio import SocketIoEndpoint
from services.realtime.transports.websocket import WebSocketEndpoint
from shared.readings import ReadingBatch

SOCKETIO_READING_BYTES: Final = 160
SOCKETIO_CONFLATED_BYTES: Final = 16 * 1024 * 1024


class Realtime:
    """Built inside a running loop; opens nothing. `latest`: see LatestTable; `archive`: for who comes back late."""

    def __init__(
        self,
        settings: RealtimeSettings,
        latest: Latest,
        archive: Archive | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._clock = loop.time
        keeping = Keeping(settings.ring_s, settings.ring_mib << 20, now_ns())
        most = settings.max_replay_points
        replay = Replay(archive, most, settings.replay_timeout_s) if archive else None
        self._hub = Hub(loop.call_later, loop.time, settings.coalesce_ms / 1000, keeping)
        past = Past(self._hub, replay, loop.time, now_ns, most)
        self._stream = Stream(self._hub, latest, past, loop.time, settings.heartbeat_s)
        self.sessions: Final = Sessions()
        self.asgi_ws: Final = WebSocketEndpoint(self.sessions, self._open_websocket)
        self.asgi_socketio: Final = SocketIoEndpoint(self.sessions, self._open_socketio, settings.socketio_rate)

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

    def _open_websocket(self, transport: Transport) -> Session:
        limit = self._settings.mailbox_kib * 1024
        # open mode: every caller is the local admin, who sees all devices
        return Session(self._stream, transport, Mailbox(limit, limit), user_ids=None)

    def _open_socketio(self, transport: Transport) -> Session:
        # about a second of what it may be sent, so that what it gets is fresh; every device is kept however many
        limit = self._settings.socketio_rate * SOCKETIO_READING_BYTES
        mailbox = Mailbox(limit, SOCKETIO_CONFLATED_BYTES)
        # its send takes as long as the rate demands, and the library itself ends clients that answer no ping
        return Session(self._stream, transport, mailbox, user_ids=None, stuck_s=inf)
