"""Hypercorn as shared/connection.py needs it: what it is told beside ASGI arrives, and nothing is compressed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from shared.connection import Connection, connection_of
from shared.listeners import listening_sockets
from shared.serving import serve_web

Talk = Callable[[Connection, Any, Any], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[str]:
    """A server whose WebSockets are accepted and then handed to `talk`."""
    (listener,) = listening_sockets(["127.0.0.1"], 0)
    stop = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        connection = connection_of(scope)
        assert connection is not None
        await talk(connection, receive, send)

    server = asyncio.create_task(serve_web(app, [listener], stop.wait))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        await asyncio.wait_for(server, 10)
        listener.close()


async def test_what_is_offered_arrives_in_order() -> None:
    """A frame written at once lies between those that were sent before and after it."""

    async def talk(connection: Connection, receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "text": "one"})
        while not connection.offer(b"\x81\x03two"):  # noqa: ASYNC110 - nothing tells when it is free
            await asyncio.sleep(0)
        await send({"type": "websocket.send", "text": "three"})
        await receive()

    async with serving(talk) as url, aiohttp.ClientSession() as session, session.ws_connect(url) as client:
        assert [(await client.receive(10)).data for _ in range(3)] == ["one", "two", "three"]


async def test_nothing_is_written_to_who_does_not_read() -> None:
    """Once the system takes no more, an offer is declined, and the connection can be severed all the same."""
    declined = asyncio.Event()

    async def talk(connection: Connection, receive: Any, send: Any) -> None:
        frame = b"\x81\x7f" + (1 << 20).to_bytes(8, "big") + b"x" * (1 << 20)
        for _ in range(100):
            if not connection.offer(frame):
                declined.set()
                connection.sever()
                await receive()
                return

    async with serving(talk) as url, aiohttp.ClientSession() as session, session.ws_connect(url):
        await asyncio.wait_for(declined.wait(), 10)


async def test_an_ended_connection_takes_nothing() -> None:
    """After the client's close an offer is declined."""
    answers: asyncio.Queue[bool] = asyncio.Queue()

    async def talk(connection: Connection, receive: Any, _send: Any) -> None:
        while (await receive())["type"] != "websocket.disconnect":
            pass
        answers.put_nowait(connection.offer(b"\x81\x01x"))

    async with serving(talk) as url, aiohttp.ClientSession() as session:
        client = await session.ws_connect(url)
        await client.close()
        assert await asyncio.wait_for(answers.get(), 10) is False


async def test_compression_is_declined() -> None:
    """A client that asks for permessage-deflate, as browsers do, is served without."""

    async def talk(_connection: Connection, receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "text": "plain"})
        await receive()

    async with (
        serving(talk) as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(url, compress=15) as client,
    ):
        assert client.compress == 0
        assert (await client.receive(10)).data == "plain"


@pytest.mark.parametrize("scope", [{}, {"state": None}, {"state": {"telemetrio.connection": "x"}}])
def test_another_server_has_none(scope: dict[str, Any]) -> None:
    """What is not there is not found."""
    assert connection_of(scope) is None
