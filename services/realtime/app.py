"""The service as its process sees it: ASGI apps, a synchronous `publish`, a part that runs, and an orderly end."""

import asyncio
import time
from collections.abc import Callable
from math import inf
from typing import Final

import structlog

from services.realtime.admission import Gatekeeper, Guest, OpenDoor, Turnstile
from services.realtime.entrance import Entrance
from services.realtime.errors import ReviewUnavailable
from services.realtime.hub import Hub, Keeping
from services.realtime.mailbox import Mailbox
from services.realtime.past import Past
from services.realtime.replay import Archive, Replay
from services.realtime.session import Latest, Session, Stream
from services.realtime.sessions import Sessions
from services.realtime.settings import RealtimeSettings
from services.realtime.transport import Transport
from services.realtime.transports.ondemand import SocketIoOnDemand
from services.realtime.transports.sse import SseEndpoint
from services.realtime.transports.websocket import WebSocket, WebSocketEndpoint
from shared.readings import ReadingBatch

log = structlog.get_logger()

SOCKETIO_READING_BYTES: Final = 160
SOCKETIO_CONFLATED_BYTES: Final = 16 * 1024 * 1024
REVIEW_S: Final = 30.0


class Realtime:
    """Built inside a running loop; opens nothing.

    `latest`: see LatestTable; `keeper`: who vouches for clients; `archive`: for who comes back late.
    """

    def __init__(
        self,
        settings: RealtimeSettings,
        latest: Latest,
        keeper: Gatekeeper | None = None,
        archive: Archive | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if settings.auth == "required" and (keeper is None or not keeper.asks):
            raise ValueError("who must log in needs somebody who asks")
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._clock = loop.time
        keeping = Keeping(settings.ring_s, settings.ring_mib << 20, now_ns())
        most = settings.max_replay_points
        replay = Replay(archive, most, settings.replay_timeout_s) if archive else None
        self._hub = Hub(loop.call_later, loop.time, settings.coalesce_ms / 1000, keeping)
        past = Past(self._hub, replay, loop.time, now_ns, most)
        self._stream = Stream(self._hub, latest, past, loop.time, settings.heartbeat_s, settings.subscribes_per_min)
        self._changed = asyncio.Event()
        self.published = 0
        self.sessions: Final = Sessions()
        turnstile = Turnstile(settings.newcomers_per_s)
        self.entrance: Final = Entrance(self.sessions, keeper or OpenDoor(), turnstile, settings.connections_per_user)
        self.asgi_ws: Final = WebSocketEndpoint(self.entrance, self._open_websocket)
        self.asgi_sse: Final = SseEndpoint(self.entrance, self._open_sse, past.read)
        self.asgi_socketio: Final = SocketIoOnDemand(self.entrance, self._open_socketio, settings.socketio_rate)

    def publish(self, batch: ReadingBatch) -> None:
        """Hand a committed batch to everybody who may see it. Never waits, and no client can make it fail."""
        self.published += len(batch.readings)
        self._hub.publish(batch)

    def review_soon(self) -> None:
        """A user, key or owner has changed: look again at who may see what, now and not at the next turn."""
        self._changed.set()

    async def run(self) -> None:
        """Heartbeats, the end of stuck sessions, and forgetting, until cancelled; and who may still see what."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_after(), name="look_after")
            if self.entrance.asks:
                group.create_task(self._review(), name="review")

    async def drain(self) -> None:
        """Refuse new sessions and end every one, so that the server can end. Returns within `drain_s`."""
        within_s = min(self._settings.drain_s, 3.0)
        await self.sessions.drain(within_s * 0.8)
        await self.asgi_socketio.drain(within_s * 0.2)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._settings.heartbeat_s / 4))
            self.sessions.look_after(self._clock())
            self._hub.forget()

    async def _review(self) -> None:
        """Every REVIEW_S, so that a lost notice heals."""
        while True:
            try:
                async with asyncio.timeout(REVIEW_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                self.sessions.change(await self.entrance.keeper.review(self.sessions.guests))
            except ReviewUnavailable as error:
                log.warning("review_unavailable", reason=str(error))

    def _open_websocket(self, transport: WebSocket, guest: Guest) -> Session:
        session = Session(self._stream, transport, self._mailbox(), guest.user_ids)
        session.express = transport.express
        return session

    def _open_sse(self, transport: Transport, guest: Guest) -> Session:
        return Session(self._stream, transport, self._mailbox(), guest.user_ids)

    def _mailbox(self) -> Mailbox:
        limit = self._settings.mailbox_kib * 1024
        return Mailbox(limit, limit)

    def _open_socketio(self, transport: Transport, guest: Guest) -> Session:
        # about a second of what it may be sent, so that what it gets is fresh; every device is kept however many
        limit = self._settings.socketio_rate * SOCKETIO_READING_BYTES
        mailbox = Mailbox(limit, SOCKETIO_CONFLATED_BYTES)
        # its send takes as long as the rate demands, and the library itself ends clients that answer no ping
        return Session(self._stream, transport, mailbox, guest.user_ids, stuck_s=inf)
