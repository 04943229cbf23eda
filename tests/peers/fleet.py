"""Devices of one test: each message has a time of its own, and what the broker acknowledged is written down."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator

from telemetrio.publisher import Message, Publisher
from tests.peers.waiting import eventually_async

_TICK_S = 0.02
_BROKER_BACK_WITHIN_S = 60.0

Payload = Callable[[int, int], bytes]


def temperature(number: int, ts_ns: int) -> bytes:
    return b'{"temperature": %d.5, "timestamp": %d}' % (number, ts_ns)


class Fleet:
    """Devices `{name}-0` … `{name}-9`. `payload(number, ts_ns)` makes a message; times only ever increase.

    The first one was `ago_s` ago.
    """

    def __init__(
        self, port: int, name: str, payload: Payload = temperature, devices: int = 10, ago_s: int = 3_600
    ) -> None:
        self.name = name
        self._port = port
        self._payload = payload
        self._devices = devices
        self._numbers = itertools.count()
        self._times = itertools.count(time.time_ns() - ago_s * 10**9, 1_000_003)
        self.acknowledged: set[int] = set()
        self.sent_again: set[int] = set()
        self.first_ns = next(self._times)

    async def publish(self, count: int, rate: float = 0.0, in_flight: int = 200) -> None:
        """Return when all are acknowledged, over as many connections as that takes. `rate` 0: at full speed."""
        supply = Supply((next(self) for _ in range(count)), count, rate)
        while supply:
            publisher = await eventually_async(lambda: self._connected(supply, in_flight), _BROKER_BACK_WITHIN_S)
            await self._send(publisher, supply)

    async def _connected(self, supply: "Supply", in_flight: int) -> Publisher | None:
        """None while there is no broker."""
        try:
            _, publisher = await asyncio.get_running_loop().create_connection(
                lambda: Publisher(self.name, supply, self._took, in_flight), "127.0.0.1", self._port
            )
        except OSError:
            return None
        return publisher

    def __next__(self) -> Message:
        number, ts_ns = next(self._numbers), next(self._times)
        topic = b"iot/devices/%b-%d/data" % (self.name.encode(), number % self._devices)
        return Message(topic, self._payload(number, ts_ns), ts_ns)

    def _took(self, message: Message, _seconds: float) -> None:
        assert isinstance(message.key, int)
        self.acknowledged.add(message.key)

    async def _send(self, publisher: Publisher, supply: "Supply") -> None:
        """Until all is acknowledged, or the connection is lost: what has no PUBACK then is due again."""
        try:
            while supply or publisher.unacknowledged:
                await asyncio.wait({publisher.done}, timeout=_TICK_S)
                if publisher.done.done():
                    if publisher.done.exception():
                        return
                    publisher.done = asyncio.get_running_loop().create_future()
                publisher.more()
        finally:
            left = [message for message, _ in publisher.unacknowledged.values()]
            supply.again += left
            self.sent_again.update(message.key for message in left if isinstance(message.key, int))
            publisher.close()
            publisher.done.cancel()


class Supply(Iterator[Message]):
    """As many messages as are due; what a lost connection left without PUBACK comes first."""

    def __init__(self, messages: Iterator[Message], count: int, rate: float) -> None:
        self._messages = messages
        self._count = count
        self._rate = rate
        self._begun = time.monotonic()
        self._given = 0
        self.again: list[Message] = []

    def __bool__(self) -> bool:
        return bool(self.again) or self._given < self._count

    def __next__(self) -> Message:
        if self.again:
            return self.again.pop()
        due = (time.monotonic() - self._begun) * self._rate if self._rate else self._count
        if self._given >= min(due, self._count):
            raise StopIteration
        self._given += 1
        return next(self._messages)
