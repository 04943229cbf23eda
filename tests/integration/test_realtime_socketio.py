"""Socket.IO through a real Hypercorn, as the seeds' frontends use it: connect, and wait for `sensor_data`."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import socketio

from services.realtime.transports.ondemand import SocketIoOnDemand
from services.realtime.transports.socketio import SocketIoEndpoint, events
from tests.integration.realtime_server import DEADLINE_S, Server, reading, serving, settings
from tests.peers.waiting import eventually_async

BOTH = [["polling"], ["websocket"], ["polling", "websocket"]]


class SeedClient:
    """What the seeds' page does: no message to the server, one handler."""

    def __init__(self) -> None:
        self.client: Any = socketio.AsyncClient(reconnection=False)
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.client.on("sensor_data", self.events.put)
        self.client.on("disconnect", self._disconnected)

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.events.get(), DEADLINE_S)

    async def _disconnected(self, _reason: Any) -> None:
        self.gone.set()


@asynccontextmanager
async def seed(server: Server, transports: list[str]) -> AsyncIterator[SeedClient]:
    seen = SeedClient()
    await seen.client.connect(server.http, transports=transports)
    try:
        yield seen
    finally:
        await seen.client.disconnect()


def endpoint_of(server: Server) -> SocketIoEndpoint:
    """Once somebody came."""
    assert server.realtime.asgi_socketio.made is not None
    return server.realtime.asgi_socketio.made


async def test_a_start_is_spared_what_nobody_asks_for() -> None:
    """The libraries of Socket.IO are read for the first who comes; several who come at once get one server."""
    modules = "import sys, telemetrio.up; print({'socketio', 'engineio', 'aiohttp'} & sys.modules.keys())"
    command = [sys.executable, "-c", modules]
    started = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
    assert started.stdout == "set()\n"
    async with serving() as server:
        app = server.realtime.asgi_socketio
        assert isinstance(app, SocketIoOnDemand)
        assert app.made is None
        async with seed(server, ["polling"]) as one, seed(server, ["websocket"]) as other:
            server.publish(reading("d1", 1))
            assert (await one.next()) == (await other.next())


@pytest.mark.parametrize("transports", BOTH)
async def test_a_seed_page_receives_each_reading(transports: list[str]) -> None:
    """Over polling, WebSocket and the upgrade from one to the other: flat metrics, and none that was not sent."""
    async with serving() as server, seed(server, transports) as page:
        assert page.client.transport() == transports[-1]
        server.publish(reading("d1", 1, temperature=23.5, humidity=55.0, pressure=1013.25), reading("d2", 2, x=1.0))
        assert await page.next() == {
            "device_id": "d1",
            "temperature": 23.5,
            "humidity": 55.0,
            "pressure": 1013.25,
            "measurement": "sensor_data",
            "timestamp": "2026-01-01T12:00:01.000000000Z",
        }
        assert (await page.next()).keys() == {"device_id", "x", "measurement", "timestamp"}


async def test_a_page_above_its_rate_gets_the_newest_of_every_device() -> None:
    """What is above the rate is conflated per device: fewer events, each device's last value among them, none stale."""
    async with serving(settings(socketio_rate=200, coalesce_ms=1)) as server, seed(server, ["websocket"]) as page:
        sent = 4_000
        for begin in range(0, sent, 100):
            server.publish(*(reading(f"d{number % 20}", number) for number in range(begin, begin + 100)))
            await asyncio.sleep(0)
        newest: dict[str, float] = {}
        count = 0
        while len(newest) < 20 or min(newest.values()) < sent - 20:
            event = await page.next()
            newest[event["device_id"]] = event["temperature"]
            count += 1
        assert count < sent / 2


async def test_a_page_that_stops_polling_costs_nobody_anything() -> None:
    """A poller that never asks again holds no more than its mailbox; the others go on."""
    async with serving(settings(drain_s=1)) as server, aiohttp.ClientSession() as session:
        url = f"{server.http}/socket.io/?EIO=4&transport=polling"
        opened = await (await session.get(url)).text()
        assert opened.startswith('0{"sid":"')
        sid = opened.split('"')[3]
        assert await (await session.post(f"{url}&sid={sid}", data="40")).text() == "OK"
        async with seed(server, ["websocket"]) as page:
            for number in range(50):
                server.publish(reading("d1", number))
                assert (await page.next())["temperature"] == number
        await server.stop()  # which has a deadline of its own


async def test_a_page_that_vanishes_while_it_is_polling_takes_its_session_along() -> None:
    """Also with readings on their way to it: nothing waits for a poll that never comes."""
    async with serving() as server, aiohttp.ClientSession() as session:
        url = f"{server.http}/socket.io/?EIO=4&transport=polling"
        sid = (await (await session.get(url)).text()).split('"')[3]
        engine = endpoint_of(server)._server.eio
        await session.post(f"{url}&sid={sid}", data="40")

        async def waits_for_a_poll() -> bool:
            server.publish(reading("d1", 1))
            return any(each._sending for each in server.realtime.sessions)

        await eventually_async(waits_for_a_poll)
        await engine.sockets[sid].close(wait=False, abort=True)  # as the library does when a page answers no ping
        await server.emptied()


async def test_the_gate_alone_decides_about_origins() -> None:
    """An allowed page gets one CORS header (two would make a browser refuse both), a foreign one is refused."""
    async with serving() as server, aiohttp.ClientSession() as session:
        url = f"{server.http}/socket.io/?EIO=4&transport="
        allowed, foreign = {"origin": "http://localhost:5173"}, {"origin": "http://evil.example"}
        async with session.get(f"{url}polling", headers=allowed) as answer:
            assert answer.status == 200
            assert answer.headers.getall("access-control-allow-origin") == ["http://localhost:5173"]
        async with session.ws_connect(f"{url}websocket", headers=allowed) as opened:
            assert (await opened.receive_str()).startswith("0{")
        async with session.get(f"{url}polling", headers=foreign) as answer:
            assert answer.status == 403
        for path in (f"{url}websocket", f"{server.http}/ws"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(path, headers=foreign)
            assert refused.value.status == 403


@pytest.mark.parametrize("packet", ["", "garbage", "9", "4", "4{", '42["x"', "451-[]", "40/other,"])
async def test_garbage_over_socketio_ends_at_most_its_own_session(packet: str) -> None:
    """Whatever a client sends over polling or WebSocket, the next page still gets its readings."""
    async with serving(settings(drain_s=1)) as server, aiohttp.ClientSession() as session:
        url = f"{server.http}/socket.io/?EIO=4&transport="
        sid = (await (await session.get(f"{url}polling")).text()).split('"')[3]
        assert (await session.post(f"{url}polling&sid={sid}", data=packet)).status in {200, 400}
        async with session.ws_connect(f"{url}websocket") as raw:
            await raw.send_str(packet)
        async with seed(server, ["websocket"]) as page:
            server.publish(reading("d1", 1))
            assert (await page.next())["device_id"] == "d1"


@pytest.mark.parametrize("transports", BOTH)
async def test_an_orderly_end_disconnects_every_page(transports: list[str]) -> None:
    """Pages are told, requests that hang are ended, new ones get 503, and the server ends."""
    async with serving(settings(drain_s=1)) as server, seed(server, transports) as page:
        server.publish(reading("d1", 1))
        await page.next()
        server.realtime.sessions.draining = True
        async with aiohttp.ClientSession() as session:
            refused = await session.get(f"{server.http}/socket.io/?EIO=4&transport=polling")
            assert (refused.status, (await refused.json())["code"]) == (503, "restarting")
        await server.stop()
        await asyncio.wait_for(page.gone.wait(), DEADLINE_S)
        assert len(server.realtime.sessions) == 0


async def test_a_page_that_leaves_takes_its_session_along() -> None:
    """Nothing is left of a client that disconnected."""
    async with serving() as server:
        async with seed(server, ["websocket"]):
            assert len(server.realtime.sessions) == 1
        await server.emptied()
        assert endpoint_of(server)._transports == {}


def test_other_messages_are_nothing_to_a_seed_page() -> None:
    """Gaps, heartbeats and statuses become no event."""
    assert events('{"type":"heartbeat","cursor":"a"}') == []
