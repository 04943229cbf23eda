"""Ten thousand spoiled payloads, MQTT packets, WebSocket messages: nothing breaks, leaks, or gets out of the books."""

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from telemetrio.bench import usage
from telemetrio.publisher import Message, Publisher
from tests.faults.fuzz import Noise
from tests.faults.test_kill import assert_recount_agrees, books
from tests.peers import mqtt
from tests.peers.system import System
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.long]

MANY: Final = 10_000
AT_ONCE: Final = 20
MAX_GROWTH_MB: Final = 40
# connections to its databases, two files each, that may have been opened meanwhile and are kept
POOL: Final = 20
PAYLOADS: Final = Path(__file__).parents[1] / "payloads"
PACKETS: Final = (
    mqtt.connect("fuzz", username="u", password="p"),  # noqa: S106 - nobody's
    mqtt.connect("fuzz", will=mqtt.Will("iot/devices/w/data", b"{}", 1, retain=True)),
    mqtt.connect("fuzz", clean=False, keepalive=1),
    mqtt.publish("iot/devices/f1/data", b'{"temperature": 1}', 1, 7),
    mqtt.publish("iot/devices/f1/data", b'{"temperature": 1}', 2, 8),
    mqtt.publish("iot/devices/f1/status", b'{"status": "offline"}', 0, retain=True),
    mqtt.packet(0x82, b"\x00\x01" + mqtt.text("iot/devices/+/data") + b"\x01"),
    mqtt.packet(0xA2, b"\x00\x02" + mqtt.text("iot/devices/+/data")),
    mqtt.packet(mqtt.PUBACK, b"\x00\x07"),
    mqtt.packet(mqtt.PUBREL | 2, b"\x00\x08"),
    b"\xc0\x00",
    b"\xe0\x00",
)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """One that is stopped after the test, with books that must agree with its rows."""
    running = System(tmp_path / "data")
    running.start()
    yield running
    assert running.stop() == 0
    assert_recount_agrees(running)
    assert "Traceback" not in running.log


@pytest.fixture
def noise() -> Noise:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to play a failure again
    return Noise(seed)


def golden(pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(PAYLOADS.glob(pattern))]


def held(system: System) -> int:
    """How many files and sockets it has open."""
    return len(list(Path(f"/proc/{system.pid}/fd").iterdir()))


async def assert_well(system: System, before: tuple[float, int]) -> None:
    """What comes next is stored and shown; no more memory than a bound, and no file or socket left open."""
    await asyncio.to_thread(system.publish, "iot/devices/good/data", '{"temperature": 23.5}')
    await asyncio.to_thread(system.eventually_device, "good", 10)
    resident_mb, files = before
    assert usage(system.pid).resident_mb < resident_mb + MAX_GROWTH_MB
    await asyncio.to_thread(eventually, lambda: held(system) <= files + POOL, 20)


def now(system: System) -> tuple[float, int]:
    return usage(system.pid).resident_mb, held(system)


async def test_ten_thousand_spoiled_payloads(system: System, noise: Noise) -> None:
    """Each is acknowledged, and in the books: its samples stored, or refused with a reason."""
    before = now(system)
    acknowledged: list[Message] = []
    messages = (
        Message(b"iot/devices/f%d/data" % (number % 50), data, number)
        for number, data in enumerate(noise.spoiled(golden("device-*.json"), MANY))
    )
    loop = asyncio.get_running_loop()
    _, publisher = await loop.create_connection(
        lambda: Publisher("fuzz", messages, lambda message, _seconds: acknowledged.append(message)),
        "127.0.0.1",
        system.mqtt_port,
    )
    async with asyncio.timeout(120):
        await publisher.done
    publisher.close()
    assert len(acknowledged) == MANY
    after = await asyncio.to_thread(eventually, lambda: settled(books(system)), 60)
    assert after["received"] == after["stored"] + after["dead_lettered"]
    assert after["received"] >= MANY
    await assert_well(system, before)


def settled(total: dict[str, int]) -> dict[str, int] | None:
    return total if total["spooled"] == 0 and total["messages"] >= MANY else None


async def test_ten_thousand_spoiled_mqtt_packets(system: System, noise: Noise) -> None:
    """After a login, or instead of one: an answer, or the end of that connection, and of none but that."""
    watcher = await mqtt.Client.connected(system.mqtt_port, "watcher")
    before = now(system)
    packets = noise.spoiled(PACKETS, MANY)
    await asyncio.gather(*(stranger(system.mqtt_port, f"fuzz-{number}", packets) for number in range(AT_ONCE)))
    await watcher.ping()
    await mqtt.Client.cut_all()
    await assert_well(system, before)


async def stranger(port: int, name: str, packets: Iterator[bytes]) -> None:
    """Says one after the other, on a new connection whenever it was hung up on."""
    logged_in = False
    for data in packets:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        logged_in = not logged_in
        with suppress(ConnectionError):
            writer.write(mqtt.connect(name) if logged_in else b"")
            writer.write(data)
            writer.write_eof()
            async with asyncio.timeout(10):
                await reader.read()
        writer.close()


async def test_ten_thousand_spoiled_websocket_messages(system: System, noise: Noise) -> None:
    """Each is answered, if only with an error that names what is wrong, or ends its connection with a code."""
    before = now(system)
    messages = noise.spoiled(golden("ws-client-*.json"), MANY)
    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(visitor(http, f"{system.http}/ws", messages) for _ in range(AT_ONCE)))
    await assert_well(system, before)


async def visitor(http: aiohttp.ClientSession, url: str, messages: Iterator[bytes]) -> None:
    """Sends each as text or, where it is none, as bytes; asks for a sign of life every now and then."""
    ws = await http.ws_connect(url)
    for number, data in enumerate(messages):
        if ws.closed:
            assert (ws.close_code or 0) >= 1000
            ws = await http.ws_connect(url)
        with suppress(ConnectionError, aiohttp.ClientError):
            await (ws.send_str(data.decode()) if is_text(data) else ws.send_bytes(data))
        if number % 10 == 0:
            await answered(ws)
    await ws.close()


async def answered(ws: aiohttp.ClientWebSocketResponse) -> None:
    """A ping is answered with a pong, after whatever else there was to say; or the connection has ended."""
    with suppress(ConnectionError, aiohttp.ClientError):
        await ws.send_str('{"type": "ping"}')
    async with asyncio.timeout(20):
        async for message in ws:
            if json.loads(message.data)["type"] == "pong":
                return


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
