"""Faults 1 and 18: the process is killed at any moment, or asked to end under load; nothing acknowledged is lost."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ingest.outboxfile import OutboxFile
from telemetrio.publisher import Message, Publisher
from tests.peers.system import System
from tests.peers.waiting import eventually

DEVICES = [f"kill-{number}" for number in range(10)]
RATE = 500
KILLS, KILLS_IN_SHORT = 10, 3


class Ledger:
    """What was sent and what was acknowledged, by (device, ts_ns)."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._clock = itertools.count(time.time_ns() - 3_600 * 10**9, 1_000_003)
        self.acknowledged: set[tuple[str, int]] = set()
        self.again: list[Message] = []

    def take(self, message: Message, _seconds: float) -> None:
        assert isinstance(message.key, tuple)
        self.acknowledged.add(message.key)

    def fresh(self) -> Message:
        device, ts_ns = self._random.choice(DEVICES), next(self._clock)
        payload = b'{"temperature": %.3f, "timestamp": %d}' % (self._random.uniform(-40, 60), ts_ns)
        return Message(f"iot/devices/{device}/data".encode(), payload, (device, ts_ns))


class Tap:
    """An iterator of messages that gives as many as the pace allows, what was not acknowledged first."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.allowed = 0

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        if self._ledger.again:
            return self._ledger.again.pop()
        if not self.allowed:
            raise StopIteration
        self.allowed -= 1
        return self._ledger.fresh()


async def publish_for(system: System, ledger: Ledger, seconds: float) -> None:
    """Publish at RATE for so long, or until the connection is lost; what has no PUBACK then is for the next time."""
    tap = Tap(ledger)
    loop = asyncio.get_running_loop()
    _, publisher = await loop.create_connection(
        lambda: Publisher("kill-test", tap, ledger.take), "127.0.0.1", system.mqtt_port
    )
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline or publisher.unacknowledged:
            if time.monotonic() < deadline:
                tap.allowed += RATE // 50
                publisher.more()
            await asyncio.wait({publisher.done}, timeout=0.02)
            if publisher.done.done() and publisher.done.exception():
                return
            if publisher.done.done():
                publisher.done = loop.create_future()
    finally:
        ledger.again += [message for message, _ in publisher.unacknowledged.values()]
        publisher.close()
        publisher.done.cancel()


def stored(system: System, device: str) -> list[int]:
    """Every timestamp of the device that the API gives, page by page."""
    found: list[int] = []
    cursor = ""
    while True:
        page = system.get(f"/api/v1/devices/{device}/readings?start=-2h&end=now&epoch=ns&limit=10000{cursor}")
        found += [reading["timestamp"] for reading in page["data"]]
        if page["cursor"] is None:
            return found
        cursor = f"&cursor={page['cursor']}"


def books(system: System) -> dict[str, int]:
    total: dict[str, int] = system.get("/api/v1/ingest/books")["total"]
    return total


@pytest.mark.faults
async def test_kill_9_loses_no_acknowledged_message_and_doubles_none(tmp_path: Path, *, faults_long: bool) -> None:
    """Killed at random moments under 500 msg/s: every acknowledged message is found once, and the books balance."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to play a failure again
    moments = random.Random(seed)
    system = System(tmp_path / "data")
    ledger = Ledger(seed)
    kills = KILLS if faults_long else KILLS_IN_SHORT
    for _ in range(kills):
        system.start()
        publishing = asyncio.create_task(publish_for(system, ledger, 30))
        await asyncio.wait({publishing}, timeout=moments.uniform(0.2, 1.2))
        system.kill()
        await publishing
    system.start()
    try:
        await publish_for(system, ledger, 0.5)
        assert not ledger.again
        eventually(lambda: books(system)["spooled"] == 0 and books(system)["received"] >= len(ledger.acknowledged), 20)
        found = [(device, ts_ns) for device in DEVICES for ts_ns in stored(system, device)]
        assert len(ledger.acknowledged) > kills * 50
        assert ledger.acknowledged - set(found) == set()
        assert len(found) == len(set(found))
    finally:
        assert system.stop() == 0
    assert_recount_agrees(system)


def assert_recount_agrees(system: System) -> None:
    """The books of a stopped system balance, and agree with the rows themselves."""
    outbox = OutboxFile(system.data_dir / "ingest.outbox")
    outbox.open()
    recount = outbox.recount()
    outbox.close()
    assert recount.agrees, recount


@pytest.mark.faults
async def test_sigterm_under_load_ends_in_time_with_nothing_lost(tmp_path: Path) -> None:
    """SIGTERM twice while 500 msg/s arrive: exit 0, and every acknowledged message is there after the next start."""
    system = System(tmp_path / "data")
    ledger = Ledger(7)
    system.start()
    publishing = asyncio.create_task(publish_for(system, ledger, 30))
    await asyncio.wait({publishing}, timeout=1.0)
    assert await asyncio.to_thread(system.stop, 6) == 0
    await publishing
    system.start()
    try:
        eventually(lambda: books(system)["spooled"] == 0, 10)
        found = {(device, ts_ns) for device in DEVICES for ts_ns in stored(system, device)}
        assert len(ledger.acknowledged) > 100
        assert ledger.acknowledged - found == set()
    finally:
        system.stop()
    assert_recount_agrees(system)
