"""What waits for one session: bounded in bytes, in order; when it is full, readings are conflated and a gap says so."""

import asyncio
from collections import deque
from collections.abc import Callable

from services.realtime.conflation import Conflated
from services.realtime.frames import Gap, Interruption, gap_frame, readings_frame
from services.realtime.group import Chunk
from services.realtime.received import Received
from shared.readings import DeviceStatus

_Notes = dict[str, str]
"""The newest status frame of each device, where several were waiting."""
_Item = Chunk | Conflated | Interruption | str | _Notes


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
        self.items: deque[_Item] = deque()
        self._held: Mailbox | None = None
        self._known: Received | None = None
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
        conflated = sum(item.bytes for item in self.items if isinstance(item, Conflated))
        return self._bytes + conflated + (0 if self._held is None else self._held.bytes)

    @property
    def conflating(self) -> bool:
        """The client did not keep up: something that waits for it was merged."""
        return any(isinstance(item, Conflated) for item in self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def _behind(self) -> "Mailbox":
        """Where the hub's words go. An empty mailbox is false, so `or` would not do."""
        return self if self._held is None else self._held

    @property
    def holding(self) -> bool:
        return self._held is not None

    def hold(self, cursor: str) -> None:
        """From this place on what the hub says waits, bounded like everything, until `release`."""
        self._held = Mailbox(self._limit_bytes, self._conflated_bytes)
        self._held.cursor = cursor

    def release(self, known: Received | None = None) -> None:
        """Let it follow what was replied meanwhile; readings that the client has got that way are left out."""
        held, self._held = self._held, None
        if held is None:
            return
        if known and self._known:
            known.take_over(self._known)
        self._known = known or self._known
        if all(isinstance(item, str) for item in self.items):
            self.cursor = held.cursor  # the last reply says so itself
        self.overflowed = self.overflowed or held.overflowed
        for item in held.items:
            if isinstance(item, Chunk):
                self.put(item)
            else:
                self.append(item, sum(map(len, item.values())) if isinstance(item, dict) else 0)

    def put(self, chunk: Chunk) -> None:
        """Readings, from the hub."""
        if self._held is not None:
            self._held.put(chunk)
            return
        if self._known is not None:
            chunk = self._known.without(chunk)
            if not chunk.body:
                return
        self.append(chunk, len(chunk.body))

    def tell(self, status: DeviceStatus, frame: str) -> None:
        """A device's status, from the hub."""
        self._behind.append({status.device_id: frame}, len(frame))

    def interrupt(self, interruption: Interruption) -> None:
        """The feed had a hole, from the hub."""
        self._behind.append(interruption, 0)

    def reply(self, frame: str) -> None:
        """An answer to the client, who is not listened to until it is on its way: see `replied`."""
        self.items.append(frame)
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
        if not self.items:
            self._filled.clear()
            return []
        item = self.items.popleft()
        if isinstance(item, Chunk):
            return [self._readings(item)]
        if isinstance(item, Conflated):
            self.cursor = item.cursor
            self.gaps += item.gap
            self.dropped += item.dropped
            frames = item.frames()
            self.delivered += sum(frame.count('{"device_id":') for frame in frames)
            return frames
        if isinstance(item, Interruption):
            self.gaps += 1
            return [gap_frame(Gap("*", item, "feed"))]
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
        if not self.items or not isinstance(self.items[0], Chunk):
            return first.frame
        bodies = [first.body]
        while self.items and isinstance(chunk := self.items[0], Chunk):
            self.items.popleft()
            bodies.append(chunk.body)
            self._bytes -= len(chunk.body)
            self.delivered += chunk.count
            self.cursor = chunk.cursor
        return readings_frame(self.cursor, ",".join(bodies))

    def append(self, item: _Item, size: int) -> None:
        if self.overflowed:
            return
        if self.express is not None and not self.items and isinstance(item, Chunk) and self.express(item.frame):
            self.cursor = item.cursor
            self.delivered += item.count
            return
        self.items.append(item)
        self._bytes += size
        if self._bytes > self._limit_bytes:
            self._conflate()
        self._filled.set()

    def _conflate(self) -> None:
        """Merge all waiting readings into one item at the end: behind the replies that were waiting among them."""
        conflated = Conflated(self.cursor)
        notes: _Notes = {}
        replies: deque[_Item] = deque()
        for item in self.items:
            if isinstance(item, Chunk):
                conflated.add(item.rows, item.cursor)
            elif isinstance(item, Conflated):
                conflated = item if conflated.empty else conflated.absorb(item)
            elif isinstance(item, Interruption):
                conflated.interrupt(item)
            elif isinstance(item, str):
                replies.append(item)
            elif isinstance(item, dict):
                notes |= item
        self.items = replies
        self.items.append(conflated)
        if notes:
            self.items.append(notes)
        self._bytes = sum(map(len, notes.values()))
        if conflated.bytes > self._conflated_bytes or self._bytes > self._limit_bytes:
            self.items.clear()
            self._bytes = 0
            self._replies = 0
            self._replied.set()
            self.overflowed = True
