"""A subscriber as a process would run it, its filters in memory, and devices that publish to a real broker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from services.ingest import subscriber as subscriber_module
from services.ingest.delivery import Intake
from services.ingest.session import SessionSettings
from services.ingest.subscriber import Subscriber
from shared.broker import Backoff, BrokerSettings
from shared.health import Health
from tests.fakes.ingest import Single, singles
from tests.peers.mqtt import PUBACK, Client, publish
from tests.peers.waiting import eventually_async


class MemoryFilters:
    """In the place of the outbox's table."""

    def __init__(self, *filters: str) -> None:
        self.filters: list[str] = list(filters)

    async def load(self) -> Sequence[str]:
        return list(self.filters)

    async def save(self, filters: Sequence[str]) -> None:
        self.filters = list(filters)


class Rig:
    """`start()` and `stop()` as a process does; `stop` is orderly, and takes 2 s when something is unacknowledged."""

    def __init__(self, url: str, filters: MemoryFilters | None = None, **session: Any) -> None:
        self.intake = Intake()
        self.health = Health()
        self.filters = filters or MemoryFilters()
        mqtt = {name: session.pop(name) for name in list(session) if name.startswith("mqtt_")}
        self.settings = SessionSettings("ingest-1", **session)
        self.broker = BrokerSettings(_env_file=None, mqtt_url=url, **mqtt)
        self.subscriber = Subscriber(self.intake, self.broker, self.settings, self.health, self.filters)
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when it is connected."""
        self.begin()
        await self.state("ok")

    def begin(self) -> None:
        self.task = asyncio.create_task(self.subscriber.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])

    async def died(self, within_s: float = 10.0) -> BaseException | None:
        """What ended it, which it must within the deadline."""
        assert self.task is not None
        done, _ = await asyncio.wait([self.task], timeout=within_s)
        assert done
        return self.task.exception()

    async def state(self, state: str, word: str = "", within_s: float = 5.0) -> str:
        """Wait until the health page says so, and gives this reason; returns the detail."""

        async def look() -> bool:
            if self.task is not None and self.task.done():
                self.task.result()
            seen = self.health.snapshot().get("broker")
            return seen is not None and seen.state == state and word in seen.detail

        await eventually_async(look, within_s)
        return self.health["broker"].detail

    async def connected(self, times: int) -> None:
        """Wait until it has become ready so many times."""

        async def look() -> bool:
            return self.subscriber.stats().connections >= times

        await eventually_async(look)

    async def down(self, word: str, within_s: float = 5.0) -> str:
        """Wait until the health page gives this reason."""
        return await self.state("down", word, within_s)

    async def take(self, count: int, within_s: float = 5.0) -> list[Single]:
        """So many deliveries, in order."""
        taken: list[Single] = []
        async with asyncio.timeout(within_s):
            while len(taken) < count:
                taken += singles(await self.intake.take())
        return taken


@asynccontextmanager
async def running(url: str, filters: MemoryFilters | None = None, **session: Any) -> AsyncIterator[Rig]:
    """A rig that is connected, and stopped at the end."""
    rig = Rig(url, filters, **session)
    try:
        await rig.start()
        yield rig
    finally:
        await rig.stop()


async def published(port: int, *payloads: bytes, topic: str = "iot/devices/d1/data", retain: bool = False) -> None:
    """One device publishes with QoS 1; returns when the broker has acknowledged all."""
    device = await Client.connected(port, f"device-{id(payloads)}")
    for number, payload in enumerate(payloads, 1):
        device.send(publish(topic, payload, 1, number, retain=retain))
    for _ in payloads:
        assert (await device.receive()).kind == PUBACK
    device.cut()


def contents(deliveries: Sequence[Single]) -> list[bytes]:
    return [delivery.payload for delivery in deliveries]


def numbers(begin: int, end: int) -> list[bytes]:
    return [b'{"a": %d}' % number for number in range(begin, end)]


def acknowledged(log: str, client: str = "telemetrio/ingest-1") -> list[int]:
    """Packet ids in the order in which Mosquitto saw them acknowledged."""
    marks = [line for line in log.splitlines() if f"Received PUBACK from {client} " in line]
    return [int(line.partition("Mid: ")[2].partition(",")[0]) for line in marks]


def backoff_of_tests(monkeypatch: Any) -> None:
    """Connecting again takes the tests a moment, not a second."""
    monkeypatch.setattr(subscriber_module, "Backoff", partial(Backoff, 0.05, 0.2))
