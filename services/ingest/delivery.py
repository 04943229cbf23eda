"""Delivery: messages as ingest sees them, whichever broker brought them, and the place where they wait."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
MAX_WAITING: Final = 4_000

# More than this at once is a broker at full speed: waiting a moment for its next ones makes groups large, and what a
# commit costs is shared by more messages. A quiet system never waits.
_BUSY: Final = 500
_LINGER_S: Final = 0.005
_ENOUGH: Final = 2_000


class Message(NamedTuple):
    """One message by itself."""

    topic: str
    payload: bytes
    received_ns: int


class Delivery(NamedTuple):
    """What one read of a connection brought: (topic, payload) of each message, untouched, in order of receipt.

    `ack(n)` says on the loop that the next n of them are on disk, never before; its calls add up to all of them.
    `received_ns` is the wall clock of this host. `repeated`: positions of messages that were handed over on the
    connection before, of which only the acknowledgement was lost.
    """

    messages: Sequence[tuple[str, bytes]]
    received_ns: int
    ack: Callable[[int], None]
    repeated: Collection[int] = ()

    def part(self, begin: int, end: int) -> "Delivery":
        """The messages from `begin` to before `end`; parts are acknowledged in order, like the whole."""
        repeated = {position - begin for position in self.repeated if begin <= position < end}
        return Delivery(self.messages[begin:end], self.received_ns, self.ack, repeated)

    @property
    def one(self) -> Message:
        """Its only message."""
        ((topic, payload),) = self.messages
        return Message(topic, payload, self.received_ns)


class Intake:
    """Deliveries between a broker and the pipeline; a broker awaits `room()` before it reads on (backpressure)."""

    def __init__(self) -> None:
        self._waiting: deque[Delivery] = deque()
        self._messages = 0
        self._bytes = 0
        self._busy = False
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def offer(self, delivery: Delivery, size: int | None = None) -> None:
        """Never blocks and never refuses: whoever reads from a socket asks for `room()` before it reads.

        `size`: about how many bytes it holds, where that is known.
        """
        self._waiting.append(delivery)
        self._messages += len(delivery.messages)
        self._bytes += sum(len(payload) for _, payload in delivery.messages) if size is None else size
        self._arrived.set()
        if self._messages >= _ENOUGH:
            self._enough.set()
        if self._bytes >= MAX_WAITING_BYTES or self._messages >= MAX_WAITING:
            self._room.clear()

    async def room(self) -> None:
        """Return at once while there is room; otherwise when the pipeline has taken what waits."""
        await self._room.wait()

    async def take(self) -> list[Delivery]:
        """All that waits, in order of arrival; waits for the first, and at full speed a moment for more."""
        await self._arrived.wait()
        if self._busy and self._messages < _ENOUGH:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_S):
                    await self._enough.wait()
        taken = list(self._waiting)
        self._busy = self._messages >= _BUSY
        self._waiting.clear()
        self._messages = self._bytes = 0
        self._arrived.clear()
        self._enough.clear()
        self._room.set()
        return taken

    def __len__(self) -> int:
        """Messages that wait."""
        return self._messages
