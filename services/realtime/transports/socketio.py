"""Socket.IO for the seeds' frontends: every reading is an event `sensor_data`. The one file that knows python-socketio.

The library has no types; what it hands over is Any here and nowhere else.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import parse_qs

import orjson
import socketio
import structlog

from services.realtime.admission import Guest, Offer
from services.realtime.entrance import Entrance
from services.realtime.errors import Crowded, Denied
from services.realtime.protocol import MAX_MESSAGE_BYTES, Subscribe
from services.realtime.session import Session
from services.realtime.transport import Transport
from services.realtime.transports.refusal import refuse
from services.realtime.transports.severance import cut
from shared.gate import Receive, Scope, Send

log = structlog.get_logger()

EVERYTHING: Final = Subscribe(type="subscribe", id=0, devices="*")
_BURSTS_PER_S: Final = 10


def events(frame: str) -> list[str]:
    """A `readings` message as Socket.IO packets (`2["sensor_data",{…}]`); any other message is nothing to the seeds."""
    if not frame.startswith('{"type":"readings"'):
        return []
    return [
        "2"
        + orjson.dumps(
            (
                "sensor_data",
                {
                    "measurement": row["measurement"],
                    **row["values"],
                    "device_id": row["device_id"],
                    "timestamp": row["timestamp"],
                },
            )
        ).decode()
        for row in orjson.loads(frame)["readings"]
    ]


class SocketIoTransport:
    """The three methods over one client, who is sent `rate` readings a second, and those only when it took the last."""

    def __init__(self, server: Any, sid: str, rate: int) -> None:
        self._server = server
        self._sid = sid
        self._engine_sid = server.manager.eio_sid_from_sid(sid, "/")
        self._rate = rate
        self._gone = asyncio.Event()

    def gone(self) -> None:
        """The client left: end its session, and the poll that the library would leave hanging."""
        self._gone.set()
        engine = self._server.eio.sockets.get(self._engine_sid)
        if engine is not None:
            engine.queue.put_nowait(None)

    async def receive(self) -> None:
        """Seed clients have nothing to say: wait until the client is gone."""
        await self._gone.wait()

    async def send(self, frame: str) -> None:
        packets = events(frame)
        burst = max(1, self._rate // _BURSTS_PER_S)
        for begin in range(0, len(packets), burst):
            await self._emit(packets[begin : begin + burst])

    async def close(self, _code: int, _reason: str, /) -> None:
        await self._server.disconnect(self._sid)

    async def _emit(self, packets: list[str]) -> None:
        engine = self._server.eio.sockets.get(self._engine_sid)
        if engine is None or not await self._taken(engine.queue):
            return
        for packet in packets:
            # the engine's own send: the server's emit would encode for each client and make a task for each packet
            await self._server.eio.send(self._engine_sid, packet)
        await asyncio.sleep(len(packets) / self._rate)

    async def _taken(self, queue: asyncio.Queue[Any]) -> bool:
        """Wait until the client has taken what was sent before; False: it left, and never will."""
        taken, gone = (asyncio.ensure_future(waits) for waits in (queue.join(), self._gone.wait()))
        try:
            await asyncio.wait([taken, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            taken.cancel()
            gone.cancel()
        return not self._gone.is_set()


class SocketIoEndpoint:
    """The ASGI app of `/socket.io`. Origins are the gate's business: the library's own check is off."""

    def __init__(self, entrance: Entrance, open_session: Callable[[Transport, Guest], Session], rate: int) -> None:
        quiet = logging.getLogger("socketio")  # a logger of its own would bring a handler along
        self._entrance = entrance
        self._open = open_session
        self._rate = rate
        self._server: Any = socketio.AsyncServer(
            async_mode="asgi",
            cors_allowed_origins=[],
            always_connect=True,  # the connect handler starts the stream: CONNECT must be out before it
            http_compression=False,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            logger=quiet,
            engineio_logger=quiet,
        )
        self._app: Any = socketio.ASGIApp(self._server)
        self._transports: dict[str, SocketIoTransport] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._requests: set[asyncio.Task[Any]] = set()
        self._server.on("connect", self._connect)
        self._server.on("disconnect", self._disconnect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        newcomer = b"sid" not in parse_qs(scope["query_string"])
        if newcomer and (refused := await self._refused()):
            if scope["type"] == "websocket":
                await receive()  # a server takes no answer before it
            await refuse(scope, send, 503, refused)
            return
        request = cast("asyncio.Task[object]", asyncio.current_task())
        self._requests.add(request)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            cut(scope)  # it hung when everything else had ended
            raise
        finally:
            self._requests.discard(request)

    async def _refused(self) -> str | None:
        """Why a newcomer must come back later: the library's own clients do so, as long as they are not connected."""
        if self._entrance.sessions.draining:
            return "Restarting, come back in a moment"
        try:
            await self._entrance.turn()
        except Crowded as crowded:
            return str(crowded)
        return None

    async def drain(self, within_s: float) -> None:
        """Once the sessions are ended: close the engine's connections, and cancel the requests that still hang."""
        for engine in list(self._server.eio.sockets.values()):
            await engine.close(wait=False)
            engine.queue.put_nowait(None)  # ends its writer, which would wait for the next packet
        if self._requests:
            _, left = await asyncio.wait(set(self._requests), timeout=within_s)
            for request in left:
                request.cancel()
        await self._server.shutdown()

    async def _connect(self, sid: str, _environ: Any, auth: Any) -> None:
        transport = SocketIoTransport(self._server, sid, self._rate)
        self._transports[sid] = transport
        shown = auth.get("ticket") if isinstance(auth, dict) else None
        task = asyncio.create_task(self._serve(sid, transport, str(shown or "")), name=f"socketio_{sid}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _serve(self, sid: str, transport: SocketIoTransport, ticket: str) -> None:
        try:
            with self._entrance.visit("socketio") as visit:
                session = self._open(transport, await visit.identify(Offer("ticket", ticket, "ws")))
                session.subscribe(EVERYTHING)
                await visit.serve(session)
        except (Denied, Crowded) as refused:
            await self._server.emit("error", {"code": refused.code, "message": str(refused)}, to=sid)
            await self._server.disconnect(sid)

    async def _disconnect(self, sid: str, _reason: Any = None) -> None:
        transport = self._transports.pop(sid, None)
        if transport is not None:
            transport.gone()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("socketio_session_failed", task=task.get_name(), error=repr(error))
