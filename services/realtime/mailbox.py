"""What waits for one session: bounded in bytes, in order; when it is full, readings are conflated and a gap says so."""

import asyncio
from collections import deque
from collections.abc import Callable

from services.realtime.conflation import Conflated
from services.realtime.frames import readings_frame
from services.realtime.group import Chunk
from shared.readings import DeviceStatus

_Notes = dict[str, str]
"""The newest status frame of each device, where several were waiting."""


Express = Callable[[str], bool]
"""Sends a frame at once, without waiting; False: it can't now, and has sent nothing."""


class Mailbox:
    """Filled by the hub without waiting, emptied by the session's writer.

    Above `limit_bytes` of waiting readings they are conflated; when even the conflated ones need more than
    `conflated_bytes`, the mailbox gives up: `overflowed` is set and it takes nothing more. While nothing waits readings
    go by `express`, where there is one: see Session.
    """

    def __init__(self, limit_bytes: int, conflated_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._conflated_bytes = conflated_bytes
        self._items: deque[Chunk | Conflated | str | _Notes] = deque()
        self._bytes = 0
        self._replies = 0
        self._filled = asyncio.Event()
        self._replied = asyncio.Event()
        self._replied.set()
        self.express: Express | None = None
        self.cursor = ""
        self.overflowed = False
        self.delivered = 0
        self.dropped = 0
        self.gaps = 0

    @property
    def bytes(self) -> int:
        """What waits and may be conflated, and what already was."""
        return self._bytes + sum(item.bytes for item in self._items if isinstance(item, Conflated))

    @property
    def conflating(self) -> bool:
        """The client did not keep up: something that waits for it was merged."""
        return any(isinstance(item, Conflated) for item in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def put(self, chunk: Chunk) -> None:
        """Readings, from the hub."""
        self._append(chunk, len(chunk.body))

    def tell(self, status: DeviceStatus, frame: str) -> None:
        """A device's status, from the hub."""
        self._append({status.device_id: frame}, len(frame))

    def reply(self, frame: str) -> None:
        """An answer to the client, who is not listened to until it is on its way: see `replied`."""
        self._items.append(frame)
        self._replies += 1
        self._replied.clear()
        self._filled.set()

    async def replied(self) -> None:
        """Wait until every reply has been taken: a client that reads no answers may ask no more questions."""
        await self._replied.wait()

    async def filled(self) -> None:
        """Wait until there is something to take, or the mailbox was woken."""
        await self._filled.wait()

    def wake(self) -> None:
        """Let the writer look up although there is nothing to take."""
        self._filled.set()

    def take(self) -> list[str]:
        """The frames to send next; chunks that wait one behind another become one frame. Empty: nothing waits."""
        if not self._items:
            self._filled.clear()
            return []
        item = self._items.popleft()
        if isinstance(item, Chunk):
            return [self._readings(item)]
        if isinstance(item, Conflated):
            self.cursor = item.cursor
            self.gaps += bool(item.dropped)
            self.dropped += item.dropped
            frames = item.frames()
            self.delivered += sum(frame.count('{"device_id":') for frame in frames)
            return frames
        if isinstance(item, str):
            self._replies -= 1
            if not self._replies:
                self._replied.set()
            return [item]
        self._bytes -= sum(map(len, item.values()))
        return list(item.values())

    def _readings(self, first: Chunk) -> str:
        self._bytes -= len(first.body)
        self.delivered += first.count
        self.cursor = first.cursor
        if not self._items or not isinstance(self._items[0], Chunk):
            return first.frame
        bodies = [first.body]
        while self._items and isinstance(chunk := self._items[0], Chunk):
            self._items.popleft()
            bodies.append(chunk.body)
            self._bytes -= len(chunk.body)
            self.delivered += chunk.count
            self.cursor = chunk.cursor
        return readings_frame(self.cursor, ",".join(bodies))

    def _append(self, item: Chunk | _Notes, size: int) -> None:
        if self.overflowed:
            return
        if self.express is not None and not self._items and isinstance(item, Chunk) and self.express(item.frame):
            self.cursor = item.cursor
            self.delivered += item.count
            return
        self._items.append(item)
        self._bytes += size
        if self._bytes > self._limit_bytes:
            self._conflate()
        self._filled.set()

    def _conflate(self) -> None:
        """Merge all waiting readings into one item at the end: behind the replies that were waiting among them."""
        conflated = next((item for item in self._items if isinstance(item, Conflated)), None) or Conflated(self.cursor)
        notes: _Notes = {}
        replies: deque[Chunk | Conflated | str | _Notes] = deque()
        for item in self._items:
            if isinstance(item, Chunk):
                conflated.add(item.rows, item.cursor)
            elif isinstance(item, str):
                replies.append(item)
            elif isinstance(item, dict):
                notes |= item
        self._items = replies
        self._items.append(conflated)
        if notes:
            self._items.append(notes)
        self._bytes = sum(map(len, notes.values()))
        if conflated.bytes > self._conflated_bytes or self._bytes > self._limit_bytes:
            self._items.clear()
            self._bytes = 0
            self._replies = 0
            self._replied.set()
            self.overflowed = True
