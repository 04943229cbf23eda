"""The publisher that measures: what it sends is MQTT, and what it counts is true. Against the real embedded broker."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from services.ingest.delivery import Intake
from telemetrio.embedded import EmbeddedBroker
from telemetrio.load import Job, Pace, run
from telemetrio.publisher import Message, Publisher
from tests.fakes.ingest import singles


async def acknowledge_all(intake: Intake, seen: list[tuple[str, bytes]]) -> None:
    while True:
        for delivery in singles(await intake.take()):
            seen.append((delivery.topic, delivery.payload))
            delivery.ack()


@pytest.fixture
async def broker() -> AsyncIterator[tuple[int, list[tuple[str, bytes]]]]:
    intake = Intake()
    seen: list[tuple[str, bytes]] = []
    running = EmbeddedBroker(intake, hosts=["127.0.0.1"], port=0)
    await running.start()
    ingest = asyncio.create_task(acknowledge_all(intake, seen))
    yield running.ports[0], seen
    await running.stop()
    ingest.cancel()


async def test_every_message_is_delivered_once_and_acknowledged(broker: tuple[int, list[tuple[str, bytes]]]) -> None:
    """1,000 messages, more than the window: all arrive in order, and each is reported once."""
    port, seen = broker
    messages = [Message(b"iot/devices/p/data", b"%d" % number, number) for number in range(1_000)]
    acknowledged: list[object] = []
    _, publisher = await asyncio.get_running_loop().create_connection(
        lambda: Publisher("p", iter(messages), lambda message, _: acknowledged.append(message.key), 100),
        "127.0.0.1",
        port,
    )
    await asyncio.wait_for(publisher.done, 10)
    publisher.close()
    assert acknowledged == list(range(1_000))
    assert [payload for _, payload in seen] == [message.payload for message in messages]


async def test_a_lost_connection_is_an_error_and_tells_what_to_send_again() -> None:
    """A broker that goes away after 3 acknowledgements: `done` raises, the rest is in `unacknowledged`."""

    async def three_then_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        writer.write(b"\x20\x02\x00\x00")
        await reader.readuntil(b"x")
        writer.write(b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in (1, 2, 3)))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(three_then_gone, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endless = (Message(b"t", b"x", number) for number in itertools.count(1))
    acknowledged: list[object] = []
    _, publisher = await asyncio.get_running_loop().create_connection(
        lambda: Publisher("p", endless, lambda message, _: acknowledged.append(message.key), 10), "127.0.0.1", port
    )
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(publisher.done, 10)
    server.close()
    assert acknowledged == [1, 2, 3]
    assert 4 in {message.key for message, _ in publisher.unacknowledged.values()}


async def test_load_is_bounded_by_its_job(broker: tuple[int, list[tuple[str, bytes]]]) -> None:
    """A job of 500 messages from 5 connections sends 500, and says how long each took."""
    port, seen = broker
    result = await run(Job(port, 5, 500, rate=0))
    assert result.acknowledged == len(seen) == 500
    assert 0 < result.p50_ms <= result.p99_ms


def test_a_pace_gives_no_more_than_the_job() -> None:
    """Unpaced, exactly `messages` come out, spread over 100 devices."""
    pace = Pace(Job(1, 1, 250, rate=0))
    assert list(pace) == []  # not before it has begun
    pace.begin()
    given = list(pace)
    assert len(given) == 250
    assert len({message.topic for message in given}) == 100
