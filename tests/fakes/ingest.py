"""Deliveries and groups as ingest sees them, and an announcer that remembers: what tests of ingest are made of."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from services.ingest.acceptor import Acceptor
from services.ingest.delivery import Delivery
from services.ingest.group import Group
from services.ingest.outbox import Outbox
from services.ingest.registry import Registry
from services.ingest.settings import IngestSettings
from shared.health import Health
from shared.profiles import DEFAULT_PROFILE
from shared.readings import ReadingBatch

NOW = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z


def nothing() -> None:
    """An acknowledgement that nobody waits for."""


def delivery(
    device_id: str, content: Any, received_ns: int = NOW, ack: Callable[[], None] = nothing, kind: str = "data"
) -> Delivery:
    """One message of a device; bytes are sent as they are, other values as JSON. `ack` is called once."""
    payload = content if isinstance(content, bytes) else orjson.dumps(content)
    return Delivery([(f"iot/devices/{device_id}/{kind}", payload)], received_ns, lambda _: ack())


class Single(NamedTuple):
    """One message of a delivery; `ack()` acknowledges the oldest of its delivery that isn't yet."""

    topic: str
    payload: bytes
    received_ns: int
    repeated: bool
    ack: Callable[[], None]


def singles(deliveries: Iterable[Delivery]) -> list[Single]:
    """Message by message, in order."""
    return [
        Single(topic, payload, delivery.received_ns, position in delivery.repeated, partial(delivery.ack, 1))
        for delivery in deliveries
        for position, (topic, payload) in enumerate(delivery.messages)
    ]


def settings_in(directory: Path, **changes: Any) -> IngestSettings:
    given = {"data_dir": directory, "unknown_devices": "register", "min_free_disk_mib": 0, **changes}
    return IngestSettings(_env_file=None, **given)


def registering() -> Registry:
    """A registry that was read, and takes every device."""
    registry = Registry("register", DEFAULT_PROFILE)
    registry.replace([])
    return registry


class Bench:
    """A registry, an acceptor, a board and an outbox that belong together: messages in, rows out."""

    def __init__(self, directory: Path, **changes: Any) -> None:
        self.settings = settings_in(directory, **changes)
        self.registry = registering()
        self.acceptor = Acceptor(self.registry, self.settings)
        self.health = Health()
        self.outbox = Outbox(self.settings, self.health)
        self.board = self.outbox.board

    def group(self, deliveries: Iterable[Delivery]) -> Group:
        (group,) = self.acceptor.groups(deliveries)
        return group

    async def commit(self, *deliveries: Delivery) -> ReadingBatch | None:
        """As the pipeline does it."""
        group = self.group(deliveries)
        registered = [self.registry.row(device_id) for device_id in group.registered]
        batch = await self.outbox.commit(group, registered)
        self.registry.announce(group.registered)
        return batch

    async def samples(self, device_id: str, *values: float, ts_ns: int = NOW) -> ReadingBatch:
        """One message with a sample for each value, one nanosecond apart."""
        content = [{"ts": ts_ns + position, "a": value} for position, value in enumerate(values)]
        batch = await self.commit(delivery(device_id, content, received_ns=time.time_ns()))
        assert batch is not None
        return batch


class Announced:
    """Remembers every batch that it was told of."""

    def __init__(self) -> None:
        self.batches: list[ReadingBatch] = []

    def announce(self, batch: ReadingBatch) -> None:
        self.batches.append(batch)

    @property
    def seqs(self) -> Sequence[int]:
        return [batch.seq for batch in self.batches]


async def turns(count: int = 20) -> None:
    """Let the loop go round so many times: long enough for what needs no thread."""
    for _ in range(count):
        await asyncio.sleep(0)
