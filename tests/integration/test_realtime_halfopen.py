"""Clients whose machine or line is gone without a word: nothing says so, and yet they are ended."""

import asyncio
import ctypes
import socket
import struct

import pytest

from tests.integration.realtime_server import reading, serving, settings
from tests.peers.waiting import eventually_async

SO_ATTACH_FILTER = 26
_DROP = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
DROP_ALL = struct.pack("HL", 1, ctypes.addressof(_DROP))
"""A socket filter of one instruction, `return 0`: the system drops whatever comes in, before it acknowledges."""

GET = {
    "/ws": (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ),
    "/sse": b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


async def vanished(port: int, request: bytes) -> socket.socket:
    """A client that was welcomed, and whose line then went dead in both directions as far as a server can tell."""
    loop = asyncio.get_running_loop()
    raw = socket.socket()
    raw.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    await loop.sock_connect(raw, ("127.0.0.1", port))
    await loop.sock_sendall(raw, request)
    seen = b""
    while b"welcome" not in seen:
        seen += await loop.sock_recv(raw, 4096)
    raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, DROP_ALL)
    return raw


async def test_clients_whose_line_is_dead_are_reaped(caplog: pytest.LogCaptureFixture) -> None:
    """Silent ones by TCP's own questions, those with a heartbeat on its way by its not being acknowledged."""
    for heartbeat_s in (60.0, 0.2):
        async with serving(settings(heartbeat_s=heartbeat_s), dead_after_s=2) as server:
            gone = [await vanished(server.port, GET[path]) for path in ("/ws", "/sse") for _ in range(5)]
            assert len(server.realtime.sessions) == 10

            async def reaped() -> bool:
                return len(server.realtime.sessions) == 0

            await eventually_async(reaped, within_s=15)
            for raw in gone:
                raw.close()
    assert [record.getMessage() for record in caplog.records if "Unhandled" in record.getMessage()] == []


async def test_a_send_that_waits_for_a_dead_line_ends_quietly(caplog: pytest.LogCaptureFixture) -> None:
    """More than the system's buffers take is on its way: the session ends all the same, and that is no error."""
    async with serving(settings(mailbox_kib=64 * 1024, coalesce_ms=0), dead_after_s=2) as server:
        raw = await vanished(server.port, GET["/sse"])
        (session,) = server.realtime.sessions
        number = 0
        while session.mailbox.bytes < 1 << 20:
            number += 1
            server.publish(*(reading(f"d{device}", number, note="x" * 1_000) for device in range(200)))
            await asyncio.sleep(0)

        async def reaped() -> bool:
            return len(server.realtime.sessions) == 0

        await eventually_async(reaped, within_s=15)
        raw.close()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
