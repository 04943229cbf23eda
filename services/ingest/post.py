"""Messages that ingest sends besides what it announces: answers to commands, complaints to devices. QoS 0, bounded.

`put` never waits: while there is no broker, or too slow a one, what is over the bound is left out and counted.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiomqtt import Client, MqttError

from shared.broker import Backoff, BrokerSettings, aiomqtt_arguments, publish

log = structlog.get_logger()

MAX_WAITING: Final = 1_000
_SEND_S: Final = 5.0

Send = Callable[[str, bytes], Awaitable[None]]


class Post:
    """A queue; one part of the process takes from it."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._arrived = asyncio.Event()
        self.sent = 0
        self.dropped = 0

    def put(self, topic: str, payload: bytes) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append((topic, payload))
        self._arrived.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def deliver(self, send: Send) -> None:
        """Until cancelled, or until `send` raises: what it was sending stays."""
        while True:
            while self._waiting:
                await send(*self._waiting[0])
                self._waiting.popleft()
                self.sent += 1
            self._arrived.clear()
            await self._arrived.wait()


async def deliver_over_network(post: Post, broker: BrokerSettings, source: str) -> None:
    """Connect for ever. That there is no broker is said by those who need it."""
    backoff = Backoff()
    arguments = aiomqtt_arguments(broker, source, "post")
    while True:
        try:
            async with Client(**arguments, timeout=_SEND_S) as client:
                backoff.reset()

                async def send(topic: str, payload: bytes, client: Client = client) -> None:
                    await publish(client, topic, payload, 0, _SEND_S)

                await post.deliver(send)
        except (MqttError, OSError) as error:
            log.info("post_waits", broker=str(broker.address), reason=str(error))
        await asyncio.sleep(backoff.next_s())
