"""The live announcer against a real Mosquitto: every batch in order, a sign of life each second, never in the way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from services.ingest import live as live_module
from services.ingest.live import MAX_WAITING_BATCHES, MAX_WAITING_READINGS, LiveAnnouncer
from shared.broker import Backoff, BrokerSettings, publish
from shared.health import Health
from shared.readings import DeviceStatus, Reading, ReadingBatch, decode_announcement, encode_readings
from shared.topics import live_topic
from tests.fakes.ingest import NOW
from tests.peers.mosquitto import Mosquitto
from tests.peers.waiting import eventually_async

pytestmark = pytest.mark.peer("mosquitto")
EMPTY = ReadingBatch("ingest-1", "epoch", 7, 7, 5, NOW)


def batch(seq: int, readings: int = 1) -> ReadingBatch:
    values = [Reading("d1", 1, "sensor_data", NOW + number, {"a": 1.5}) for number in range(readings)]
    status = [DeviceStatus("d1", 1, "online", NOW)]
    return replace(EMPTY, seq=seq, prev=seq - 1, readings=values, status=status, body=encode_readings(values))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "Backoff", lambda: Backoff(0.05, 0.2))


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as started:
        yield started


class Live:
    """An announcer, and how far ingest has come."""

    def __init__(self, url: str) -> None:
        self.health = Health()
        self.state = EMPTY
        self.announcer = LiveAnnouncer(BrokerSettings(_env_file=None, mqtt_url=url), "ingest-1", self.health)

    async def run(self) -> None:
        await self.announcer.run(lambda: self.state)

    async def is_(self, state: str) -> None:
        async def look() -> bool:
            seen = self.health.snapshot().get("live")
            return seen is not None and seen.state == state

        await eventually_async(look)


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Live]:
    live = Live(url)
    task = asyncio.create_task(live.run())
    try:
        yield live
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[AsyncIterator[ReadingBatch]]:
    """What realtime would hear."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(live_topic("ingest-1"))

        async def heard() -> AsyncIterator[ReadingBatch]:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                yield decode_announcement(message.payload)

        async with asyncio.timeout(10):
            yield heard()


async def test_batches_arrive_whole_and_in_order(mosquitto: Mosquitto) -> None:
    """What realtime decodes is what was announced: identity, readings, status."""
    async with listening(mosquitto.port) as heard, running(mosquitto.url) as live:
        sent = [batch(seq, seq) for seq in range(8, 30)]
        for each in sent:
            live.announcer.announce(each)
        arrived = [seen async for seen in _some(heard, len(sent))]
        assert arrived == sent


async def test_silence_says_so_every_second(mosquitto: Mosquitto) -> None:
    """A heartbeat names the last seq as its own predecessor, so that whoever missed it notices; and what is stored."""
    async with listening(mosquitto.port) as heard, running(mosquitto.url) as live:
        first = await anext(heard)
        live.announcer.announce(batch(8))
        live.state = replace(EMPTY, seq=8, stored_seq=8)
        assert await anext(heard) == batch(8)
        second = await anext(heard)
    assert (first.seq, first.prev, first.stored_seq, first.readings, first.status) == (7, 7, 5, [], [])
    assert (second.seq, second.prev, second.stored_seq, second.readings, second.status) == (8, 8, 8, [], [])


async def test_rows_announced_again_don_t_turn_the_heartbeat_back(mosquitto: Mosquitto) -> None:
    """After a restart old rows come again; what was last stays last."""
    async with listening(mosquitto.port) as heard, running(mosquitto.url) as live:
        live.announcer.announce(batch(3))
        assert (await anext(heard)).seq == 3
        assert (await anext(heard)).seq == 7


async def test_without_a_broker_announcing_costs_a_bound(tmp_path: Path) -> None:
    """Nothing waits, the newest are kept up to a bound, the rest is counted; they go out once there is a broker."""
    mosquitto = Mosquitto(tmp_path)
    async with running(mosquitto.url) as live:
        await live.is_("down")
        assert live.health.ready  # telemetry goes on without live
        for seq in range(8, 1_008):
            live.announcer.announce(batch(seq))
        assert live.announcer.dropped == 1_000 - MAX_WAITING_BATCHES
        with mosquitto:
            await live.is_("ok")

            async def sent() -> bool:
                return live.announcer.sent >= MAX_WAITING_BATCHES

            await eventually_async(sent)


async def test_large_batches_are_bounded_by_their_readings() -> None:
    """Few batches can be many readings: those are counted, and one batch is always kept."""
    live = Live("mqtt://127.0.0.1:1")
    for seq in range(1, 31):
        live.announcer.announce(batch(seq, 2_000))
    assert live.announcer.dropped == 30 - MAX_WAITING_READINGS // 2_000
    live.announcer.announce(batch(31, MAX_WAITING_READINGS + 1))
    assert live.announcer.dropped == 30


async def test_a_broker_that_restarts_hears_again(mosquitto: Mosquitto) -> None:
    """The announcer connects again by itself."""
    async with running(mosquitto.url) as live:
        await live.is_("ok")
        mosquitto.kill()
        await live.is_("down")
        mosquitto.start()
        await live.is_("ok")
        async with listening(mosquitto.port) as heard:
            assert (await anext(heard)).seq == 7


async def test_what_a_broken_line_costs_is_counted(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that was under way is dropped like one that found no room: sent and dropped are all there were."""
    lines = iter([TimeoutError("a broken line")])

    async def breaks_once(*given: Any) -> None:
        for broken in lines:
            raise broken
        await publish(*given)

    monkeypatch.setattr(live_module, "publish", breaks_once)
    live = Live(mosquitto.url)
    for seq in (8, 9, 10):
        live.announcer.announce(batch(seq))
    task = asyncio.create_task(live.run())

    async def sent() -> bool:
        return live.announcer.sent >= 2

    await eventually_async(sent)
    task.cancel()
    await asyncio.wait([task])
    assert live.announcer.dropped == 1


async def _some(heard: AsyncIterator[ReadingBatch], count: int) -> AsyncIterator[ReadingBatch]:
    for _ in range(count):
        yield await anext(heard)


async def test_a_stop_in_the_middle_of_announcing_is_heeded(mosquitto: Mosquitto) -> None:
    """Cancelled at the moment in which a batch has gone out it ends, and does not go on for ever."""
    for cancelled_after in range(20):
        live = Live(mosquitto.url)
        for seq in range(8, 108):
            live.announcer.announce(batch(seq))
        task = asyncio.create_task(live.run())

        async def begun(live: Live = live, number: int = cancelled_after) -> bool:
            return live.announcer.sent > number

        await eventually_async(begun)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        assert done == {task}
