"""Tells realtime, through the broker, what was committed: bounded, droppable, never in the way of ingest.

What a slow or absent broker costs is live only: realtime sees by `prev` that something is missing, and asks the store.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from aiomqtt import Client, MqttError

from services.ingest.stages import counted, in_steps
from shared.broker import Backoff, BrokerSettings, aiomqtt_arguments, publish
from shared.health import Health
from shared.readings import ReadingBatch, encode_announcement
from shared.topics import live_topic

MAX_WAITING_READINGS: Final = 20_000
MAX_WAITING_BATCHES: Final = 200
_HEARTBEAT_S: Final = 0.9  # at least one a second
_SEND_S: Final = 5.0


class LiveAnnouncer:
    """`announce` only puts a batch in a bounded queue; `run` is a part of the process that sends it."""

    def __init__(self, broker: BrokerSettings, source: str, health: Health) -> None:
        self._broker = broker
        self._source = source
        self._health = health
        self._waiting: deque[ReadingBatch] = deque()
        self._readings = 0
        self._arrived = asyncio.Event()
        self._last: ReadingBatch | None = None
        self.sent = 0
        self.dropped = 0

    @counted("announce")
    def announce(self, batch: ReadingBatch) -> None:
        """Never waits. When too much waits, the oldest go: what is live is what is new."""
        self._waiting.append(batch)
        self._readings += len(batch.readings)
        while len(self._waiting) > 1 and (
            self._readings > MAX_WAITING_READINGS or len(self._waiting) > MAX_WAITING_BATCHES
        ):
            self._readings -= len(self._waiting.popleft().readings)
            self.dropped += 1
        self._arrived.set()

    async def run(self, now: Callable[[], ReadingBatch]) -> None:
        """Connect for ever. `now`: an empty batch that says how far ingest has come: epoch, last seq, stored seq."""
        backoff = Backoff()
        self._last = now()
        arguments = aiomqtt_arguments(self._broker, self._source, "live")
        while True:
            try:
                async with Client(**arguments, timeout=_SEND_S) as client:
                    self._health.report("live", "ok", needed=False)
                    backoff.reset()
                    await self._send(client, now)
            except (MqttError, OSError) as error:
                detail = f"{self._broker.address}: {error}"
                self._health.report("live", "down", detail, needed=False)
            await asyncio.sleep(backoff.next_s())

    async def _send(self, client: Client, now: Callable[[], ReadingBatch]) -> None:
        """Send what waits, in order; and when nothing came for a while, that nothing came."""
        while True:
            batch = self._next() or await self._silence(now)
            if batch is not None:
                try:
                    await in_steps("announce", self._publish(client, batch))
                except (MqttError, OSError):
                    self.dropped += 1  # perhaps it has arrived; sent again, it would be late in either case
                    raise
                self.sent += 1

    async def _publish(self, client: Client, batch: ReadingBatch) -> None:
        await publish(client, live_topic(self._source), encode_announcement(batch), 0, _SEND_S)

    def _next(self) -> ReadingBatch | None:
        self._arrived.clear()
        if not self._waiting:
            return None
        batch = self._waiting.popleft()
        self._readings -= len(batch.readings)
        # rows of an earlier run are announced again, with older numbers
        if self._last is None or batch.epoch != self._last.epoch or batch.seq > self._last.seq:
            self._last = batch
        return batch

    async def _silence(self, now: Callable[[], ReadingBatch]) -> ReadingBatch | None:
        """Wait for a batch; after a second without one, a heartbeat: the last seq again, as its own predecessor."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARTBEAT_S):
                await self._arrived.wait()
                return None
        standing = now()
        seq = standing.seq if self._last is None else self._last.seq
        epoch = standing.epoch if self._last is None else self._last.epoch
        # with the time of now: so far it has been heard, although nothing was committed
        return replace(standing, epoch=epoch, seq=seq, prev=seq)
