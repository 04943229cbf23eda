"""A fleet of simulated devices: what they say, how it is sent, and the account that is kept of it."""

import asyncio
import itertools
import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import aiomqtt

from shared.keptjson import kept_json
from shared.topics import data_topic

_IN_FLIGHT: Final = 20
_BAD: Final = (b"not json", b"", b'{"temperature": "warm"}', b'{"temperature": 1e999}', b"\xff\xfe", b'{"ts": 1}')


class Fleet(NamedTuple):
    """How many devices, how many messages a second in all, for how long, and which share of them is bad."""

    devices: int
    rate: float
    seconds: float
    bad: float


class Sample(NamedTuple):
    """One message to be; `ts_ns` is None for a bad one, which is looked for among the dead letters."""

    device_id: str
    ts_ns: int | None
    payload: bytes


@dataclass(slots=True)
class Report:
    """What became of it. `lost` = acknowledged and not found; `doubled` = found more than once."""

    sent: int = 0
    resent: int = 0
    acknowledged: dict[str, set[int]] = field(default_factory=dict)
    bad_acknowledged: int = 0
    latencies_s: list[float] = field(default_factory=list)
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    dead_letters: int = 0
    seconds: float = 0.0

    @property
    def good_acknowledged(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    @property
    def clean(self) -> bool:
        return self.lost == 0 and self.doubled == 0


def samples(fleet: Fleet, seed: int) -> Iterator[Sample]:
    """Endless, round the fleet; times strictly increase."""
    noise = random.Random(seed)  # noqa: S311 - weather, not secrets
    last_ns = 0
    for number in itertools.count():
        device_id = f"sim-{number % fleet.devices:05}"
        if noise.random() < fleet.bad:
            yield Sample(device_id, None, noise.choice(_BAD))
            continue
        last_ns = max(time.time_ns(), last_ns + 1)
        values = {
            "temperature": round(20 + noise.gauss(0, 2), 2),
            "humidity": round(50 + noise.gauss(0, 5), 1),
            "pressure": round(1013.25 + noise.gauss(0, 1), 2),
            "timestamp": last_ns,
        }
        yield Sample(device_id, last_ns, kept_json(values))


class Sender:
    """One connection to the broker and the samples that wait for it."""

    def __init__(self, name: str, port: int, report: Report) -> None:
        self._name = name
        self._port = port
        self._report = report
        self._waiting: deque[Sample] = deque()
        self._arrived = asyncio.Event()
        self.unacknowledged = 0

    def offer(self, sample: Sample) -> None:
        self._waiting.append(sample)
        self.unacknowledged += 1
        self._arrived.set()

    async def run(self) -> None:
        """Send until cancelled; reconnect for ever."""
        while True:
            try:
                async with (
                    aiomqtt.Client("127.0.0.1", self._port, identifier=self._name) as client,
                    asyncio.TaskGroup() as group,
                ):
                    client.pending_calls_threshold = _IN_FLIGHT  # it would warn of what is meant to be
                    for _ in range(_IN_FLIGHT):
                        group.create_task(self._send_waiting(client))
            except* (aiomqtt.MqttError, OSError):
                self._report.resent += 1
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - only to spread reconnects

    async def _send_waiting(self, client: aiomqtt.Client) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            sample = self._waiting.popleft()
            begun = time.perf_counter()
            try:
                await client.publish(data_topic(sample.device_id), sample.payload, qos=1)
            except BaseException:
                self._waiting.appendleft(sample)  # no acknowledgement: it is sent again, with the same time
                raise
            self._take_acknowledgement(sample, time.perf_counter() - begun)

    def _take_acknowledgement(self, sample: Sample, seconds: float) -> None:
        self.unacknowledged -= 1
        self._report.latencies_s.append(seconds)
        if sample.ts_ns is None:
            self._report.bad_acknowledged += 1
        else:
            self._report.acknowledged.setdefault(sample.device_id, set()).add(sample.ts_ns)
