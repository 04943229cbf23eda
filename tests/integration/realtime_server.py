"""Realtime behind the gate and a real Hypercorn on a free port, dispatched by path as in `up`, and clients for it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from hypercorn.asyncio import serve
from hypercorn.config import Config

from services.realtime.admission import Gatekeeper
from services.realtime.app import Realtime
from services.realtime.paths import Paths
from services.realtime.protocol import server_messages
from services.realtime.recent import Known
from services.realtime.replay import Archive
from services.realtime.selection import UserIds
from services.realtime.settings import RealtimeSettings
from shared import connection
from shared.gate import Gate
from shared.listeners import DEAD_AFTER_S, listening_sockets
from shared.readings import DeviceStatus, Reading, ReadingBatch
from tests.peers.waiting import eventually_async

DEADLINE_S = 10.0
SECOND = 1_000_000_000
NOON = 1_767_268_800 * SECOND


async def no_table(_user_ids: UserIds, _devices: frozenset[str] | None) -> Sequence[Known]:
    """A table of latest values with nothing in it."""
    return ()


def settings(**given: Any) -> RealtimeSettings:
    return RealtimeSettings(_env_file=None, **given)


def reading(device_id: str, number: int, *, owner: int = 1, **values: float | str | bool) -> Reading:
    """The `number`-th second after noon of a fixed day."""
    return Reading(device_id, owner, "sensor_data", NOON + number * SECOND, values or {"temperature": float(number)})


class Server:
    """What a test holds of a running server."""

    def __init__(self, realtime: Realtime, port: int) -> None:
        self.realtime = realtime
        self.port = port
        self.http = f"http://127.0.0.1:{port}"
        self.stopping = asyncio.Event()
        self.ended: asyncio.Task[None] | None = None
        self._seq = 0

    def publish(self, *readings: Reading, status: Sequence[DeviceStatus] = ()) -> None:
        self._seq += 1
        self.realtime.publish(
            ReadingBatch("ingest-1", "e1", self._seq, self._seq - 1, 0, NOON + self._seq, readings, status)
        )

    async def emptied(self) -> None:
        """Wait until no session is left."""

        async def no_session() -> bool:
            return not len(self.realtime.sessions)

        await eventually_async(no_session)

    async def stop(self) -> None:
        self.stopping.set()
        assert self.ended is not None
        await asyncio.wait_for(asyncio.shield(self.ended), DEADLINE_S)


@asynccontextmanager
async def serving(
    given: RealtimeSettings | None = None,
    latest: Callable[..., Awaitable[Sequence[Known]]] = no_table,
    keeper: Gatekeeper | None = None,
    dead_after_s: int = DEAD_AFTER_S,
    archive: Archive | None = None,
) -> AsyncIterator[Server]:
    """Start, and stop by draining."""
    (listener,) = listening_sockets(["127.0.0.1"], 0, dead_after_s)
    realtime = Realtime(given or settings(), latest, keeper, archive)
    server = Server(realtime, listener.getsockname()[1])

    async def drained() -> None:
        await server.stopping.wait()
        await realtime.drain()

    connection.install()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = logging.getLogger("hypercorn.error")
    chosen = realtime._settings
    app: Any = Gate(Paths(realtime, _no_pages), allowed_hosts=chosen.allowed_hosts, cors_origins=chosen.cors_origins)
    server.ended = asyncio.create_task(serve(app, config, shutdown_trigger=drained))
    looked_after = asyncio.create_task(realtime.run())
    try:
        yield server
        await server.stop()
    finally:
        looked_after.cancel()
        server.ended.cancel()
        await asyncio.wait([looked_after, server.ended])


async def _no_pages(_scope: Any, receive: Any, send: Any) -> None:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


class Client:
    """A WebSocket client that checks every message it gets against the protocol's models."""

    def __init__(self, raw: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = raw

    async def send(self, **message: Any) -> None:
        await self.raw.send_str(orjson.dumps(message).decode())

    async def next(self) -> dict[str, Any]:
        frame = await self.raw.receive(DEADLINE_S)
        assert frame.type is aiohttp.WSMsgType.TEXT, frame
        server_messages.validate_json(frame.data)
        message: dict[str, Any] = orjson.loads(frame.data)
        return message

    async def until(self, kind: str) -> dict[str, Any]:
        """The next message of this type, whatever comes before it."""
        while (message := await self.next())["type"] != kind:
            pass
        return message

    async def closed(self) -> int:
        """The code with which the server closes, whatever it sends before."""
        while (frame := await self.raw.receive(DEADLINE_S)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert frame.type is aiohttp.WSMsgType.CLOSE, frame
        return int(frame.data)  # not raw.close_code: 1006 where the answer to it found nobody any more

    async def subscribe(self, devices: list[str] | str = "*", number: int = 1, **more: Any) -> dict[str, Any]:
        """Subscribe and return the snapshot."""
        await self.send(type="subscribe", id=number, devices=devices, **more)
        return await self.until("snapshot")


class Events:
    """Server-sent events as they arrive, each message checked against the protocol's models."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.last_id: str | None = None
        self.retry_ms = 0

    async def next(self) -> dict[str, Any]:
        """The next event's data; a `close` has a key of that name around it."""
        kind, data = "message", ""
        while line := (await asyncio.wait_for(self.answer.content.readline(), DEADLINE_S)).decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "retry":
                self.retry_ms = int(value)
            elif name == "event":
                kind = value
            elif name == "data":
                data += value
            elif not name and data:
                break
        if kind == "message":
            server_messages.validate_json(data)
        message: dict[str, Any] = orjson.loads(data)
        return message if kind == "message" else {kind: message}

    async def until(self, kind: str) -> dict[str, Any]:
        while (message := await self.next()).get("type") != kind:
            pass
        return message


@asynccontextmanager
async def streaming(server: Server, query: str = "", **headers: str) -> AsyncIterator[Events]:
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{server.http}/sse{query}", headers=headers) as answer,
    ):
        yield Events(answer)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{server.http}/ws") as raw:
        client = Client(raw)
        assert (await client.next())["type"] == "welcome"
        yield client
