"""Delivery: one message as ingest sees it, whichever broker brought it, and the place where deliveries wait."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
MAX_WAITING: Final = 4_000


class Delivery(NamedTuple):
    """One message of a device. `ack` is called once, on the loop, after the message is on disk (never before).

    `received_ns` is the wall clock of this host; `payload` is what the device sent, untouched.
    `repeated`: it was handed over on the connection before, and only its acknowledgement was lost.
    """

    topic: str
    payload: bytes
    qos: int
    received_ns: int
    ack: Callable[[], None]
    repeated: bool = False


class Intake:
    """Deliveries between a broker and the pipeline; a broker awaits `room()` before it reads on (backpressure)."""

    def __init__(self) -> None:
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def offer(self, delivery: Delivery) -> None:
        """Never blocks and never refuses: whoever reads from a socket asks for `room()` before it reads."""
        self._waiting.append(delivery)
        self._bytes += len(delivery.payload)
        self._arrived.set()
        if self._bytes >= MAX_WAITING_BYTES or len(self._waiting) >= MAX_WAITING:
            self._room.clear()

    async def room(self) -> None:
        """Return at once while there is room; otherwise when the pipeline has taken what waits."""
        await self._room.wait()

    async def take(self) -> list[Delivery]:
        """All that waits, in order of arrival; waits for the first."""
        await self._arrived.wait()
        taken = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._arrived.clear()
        self._room.set()
        return taken

    def __len__(self) -> int:
        return len(self._waiting)
