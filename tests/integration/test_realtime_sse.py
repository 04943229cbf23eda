"""`/sse` through a real Hypercorn: the messages of `/ws` as server-sent events."""

import asyncio
import shutil
import socket

import aiohttp
import pytest

from services.realtime.transports.sse import RETRY_S
from tests.integration.realtime_server import connected, reading, serving, settings, streaming
from tests.peers.waiting import eventually_async


async def test_a_stream_has_what_a_websocket_has() -> None:
    """Welcome, the answer, a snapshot, then every reading that the address asks for, with its cursor as id."""
    async with serving() as server:
        server.publish(reading("d1", 1, a=1.0, b=2.0))
        async with streaming(server, "?devices=d1,d2&metrics=a") as events:
            assert events.answer.headers["content-type"].startswith("text/event-stream")
            assert (await events.next())["type"] == "welcome"
            assert await events.next() == {"type": "subscribed", "id": 1, "devices": 1, "unknown": ["d2"]}
            assert [one["values"] for one in (await events.next())["readings"]] == [{"a": 1.0}]
            assert RETRY_S[0] * 1000 <= events.retry_ms <= RETRY_S[1] * 1000
            server.publish(reading("d2", 2, a=3.0, b=4.0), reading("d3", 2, a=5.0))
            message = await events.next()
            assert [(one["device_id"], one["values"]) for one in message["readings"]] == [("d2", {"a": 3.0})]
            assert events.last_id == message["cursor"]


async def test_without_parameters_everything_comes() -> None:
    """`curl -N localhost:5000/sse` is a good first look."""
    async with serving() as server, streaming(server) as events:
        await events.until("snapshot")
        server.publish(reading("anything", 1))
        assert (await events.next())["readings"][0]["device_id"] == "anything"


async def test_curl_reads_a_stream() -> None:
    """Plain curl shows each event as soon as it is there."""
    curl = shutil.which("curl")
    assert curl is not None
    async with serving() as server:
        process = await asyncio.create_subprocess_exec(
            curl, "-sN", f"{server.http}/sse?devices=d1", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readuntil(b'"snapshot"'), 10)
        server.publish(reading("d1", 1))
        await asyncio.wait_for(process.stdout.readuntil(b'"temperature":1.0'), 10)
        process.kill()
        await process.communicate()
        await server.emptied()


async def test_a_silent_stream_beats() -> None:
    """The heartbeat is a message like that of a WebSocket, and its cursor is the id to come back with."""
    async with serving(settings(heartbeat_s=0.2)) as server, streaming(server) as events:
        beat = await events.until("heartbeat")
        assert events.last_id == beat["cursor"]


async def test_a_page_that_comes_back_is_served() -> None:
    """A browser sends the id of the last event that it has; the stream begins whatever the server makes of it."""
    async with serving() as server:
        server.publish(reading("d1", 1))
        async with streaming(server, "?devices=d1") as events:
            await events.until("snapshot")
            server.publish(reading("d1", 2))
            await events.until("readings")
        headers = {"Last-Event-ID": events.last_id or ""}
        async with streaming(server, "?devices=d1", **headers) as again:
            assert again.answer.status == 200
            await again.until("subscribed")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?device=d1", "device: there is no such parameter"),
        ("?devices=d1&devices=d2", "devices: once is enough"),
        ("?devices=a%20b", "devices"),
        ("?devices=", "devices"),
        ("?metrics=1x", "metrics"),
        ("?rate_hz=often", "rate_hz"),
        ("?rate_hz=nan", "rate_hz"),
        ("?since=yesterday", "since"),
    ],
)
async def test_what_is_wrong_with_an_address_is_named(query: str, named: str) -> None:
    """400 in the shape of every error, with the parameter in its sentence."""
    async with serving() as server, aiohttp.ClientSession() as session:
        answer = await session.get(f"{server.http}/sse{query}")
        body = await answer.json()
        assert (answer.status, body["code"]) == (400, "bad_query")
        assert named in body["message"]


async def test_other_methods_and_websockets_are_told_where_to_go() -> None:
    """POST is 405, a WebSocket handshake 404."""
    async with serving() as server, aiohttp.ClientSession() as session:
        answer = await session.post(f"{server.http}/sse")
        assert (answer.status, answer.headers["allow"]) == (405, "GET")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{server.http}/sse")
        assert refused.value.status == 404


async def test_an_orderly_end_finishes_every_stream() -> None:
    """The last event says why, the response is complete, and a page that comes meanwhile is told to come later."""
    async with serving(settings(drain_s=1)) as server, streaming(server) as events:
        await events.until("snapshot")
        server.realtime.sessions.draining = True
        async with streaming(server) as late:
            assert (await late.next())["close"]["code"] == 1012
            assert late.retry_ms >= 1000
        stopping = asyncio.create_task(server.stop())
        assert await events.next() == {"close": {"code": 1012, "reason": "restart"}}
        assert await events.answer.content.read() == b""
        await stopping


async def test_a_client_that_leaves_leaves_nothing() -> None:
    """Its session is gone once the connection is."""
    async with serving() as server:
        async with streaming(server) as events:
            await events.until("snapshot")
            assert len(server.realtime.sessions) == 1
        await server.emptied()


async def test_a_stream_that_nobody_reads_is_bounded_and_cut_off() -> None:
    """Others get every reading, its mailbox stays within its bound, and an orderly end does not wait for it."""
    filler = "x" * 200
    async with serving(settings(mailbox_kib=64, coalesce_ms=5, drain_s=1)) as server, connected(server) as client:
        await client.subscribe()
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
        await asyncio.get_running_loop().sock_sendall(raw, b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sessions = server.realtime.sessions

        async def there() -> bool:
            return len(sessions) == 2

        await eventually_async(there)
        _, slow = sessions
        number = 0
        while not slow.mailbox.conflating:
            server.publish(*(reading(f"d{number % 50}", number + step, note=filler) for step in range(200)))
            number += 200
            assert len((await client.until("readings"))["readings"]) == 200
            assert slow.mailbox.bytes <= 2 * 64 * 1024
        closing = asyncio.create_task(client.closed())
        await server.stop()
        assert await closing == 1012
        raw.close()
