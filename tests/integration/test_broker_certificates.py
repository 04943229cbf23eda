"""A certificate that is renewed while Mosquitto runs, as docs/operations.md says."""

import asyncio
import ssl
from pathlib import Path

import pytest

from tests.peers.certificates import Authority, authority
from tests.peers.mosquitto import OPEN, Mosquitto
from tests.peers.mqtt import connect
from tests.peers.waiting import eventually_async

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("openssl")]
ACCEPTED, PING, PONG = b"\x20\x02\x00\x00", b"\xc0\x00", b"\xd0\x00"
WITHIN_S = 10.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def device(port: int, trusts: Authority, device_id: str) -> Streams:
    """Connected, or SSLError."""
    tls = ssl.create_default_context(cafile=str(trusts.certificate))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(connect(device_id))
    assert await asyncio.wait_for(reader.readexactly(len(ACCEPTED)), WITHIN_S) == ACCEPTED
    return reader, writer


async def test_a_renewed_certificate_disconnects_no_device(tmp_path: Path) -> None:
    """After SIGHUP who comes is shown the new one, and who was there before goes on."""
    old, new = authority(tmp_path, "old"), authority(tmp_path, "new")
    old.server(tmp_path)
    config = f"{OPEN}certfile {tmp_path / 'server.pem'}\nkeyfile {tmp_path / 'server.key'}\n"
    with Mosquitto(tmp_path, config) as broker:
        reader, writer = await device(broker.port, old, "d1")
        new.server(tmp_path)
        with pytest.raises(ssl.SSLError):
            await device(broker.port, new, "d2")
        broker.reread()

        async def shown() -> bool:
            try:
                _, late = await device(broker.port, new, "d2")
            except ssl.SSLError:
                return False
            late.transport.abort()
            return True

        await eventually_async(shown, WITHIN_S)
        writer.write(PING)
        assert await asyncio.wait_for(reader.readexactly(len(PONG)), WITHIN_S) == PONG
        writer.transport.abort()
