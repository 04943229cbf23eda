"""What one connection delivered and what of it is acknowledged: in order, many in one write; and what is a repeat.

A broker delivers again what it saw no PUBACK for. Of that, what this process already has is told by packet id and
content, in memory only; after a crash a message without a time of its own may be stored twice.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from struct import pack
from typing import Final

from mqtt5 import PublishPacket

_PUBACK: Final = 0x4002_0000  # success, without properties: type, length, then the packet id

# More than Receive Maximum: after connecting again Mosquitto 2.0.11 counts what it repeats as nothing, and goes on to
# send as many again. Not all packet ids: a broker uses them in turn, and an old one must not pass for a new one.
REMEMBERED: Final = 32_768

# packet id → what was delivered under it
Remembered = dict[int, int]


class Acknowledgements:
    """`write` sends on the connection that delivered, or nowhere. `known`: what the connections before delivered."""

    def __init__(self, write: Callable[[bytes], None], known: Remembered) -> None:
        self._write = write
        self._known = known
        self._recent: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._open: deque[int] = deque()
        self._settled = asyncio.Event()
        self._over = False
        self.delivered = 0

    def expect(
        self, ids: Sequence[int], messages: Sequence[tuple[str, bytes]], packets: Sequence[PublishPacket]
    ) -> Collection[int]:
        """These will be acknowledged, in this order; returns the positions of those that were delivered before.

        `ids` are packet ids, 0 for QoS 0.
        """
        marks = list(map(hash, messages))
        self._recent.extend(zip(ids, marks, strict=True))
        self._open.extend(ids)
        self.delivered += len(ids)
        if not self._known:
            return ()
        known = self._known.get
        return {
            position
            for position, (packet_id, mark) in enumerate(zip(ids, marks, strict=True))
            if packet_id and known(packet_id) == mark and packets[position].duplicate
        }

    def acknowledge(self, count: int) -> None:
        """The next so many are on disk: one write for all of them. Those of QoS 0 are only counted."""
        oldest = self._open.popleft
        ids = [oldest() for _ in range(count)]
        due = [_PUBACK | packet_id for packet_id in ids if packet_id]
        if due:
            self._write(pack(f">{len(due)}I", *due))
        if not self._open:
            self._settled.set()

    async def settled(self) -> bool:
        """Wait until all that was delivered is acknowledged; False when the connection ended first."""
        while self._open and not self._over:
            self._settled.clear()
            await self._settled.wait()
        return not self._open

    def end(self) -> None:
        """The connection is gone: what is acknowledged from now on was committed, and nobody hears of it."""
        self._over = True
        self._settled.set()

    def remembered(self, *, handed_over: bool) -> Remembered:
        """What the broker may deliver again, because an acknowledgement may not have reached it.

        `handed_over`: whether what this connection delivered went to the intake, from where nothing gets lost.
        """
        recent = dict(self._recent) if handed_over else {}
        recent.pop(0, None)
        # by the last delivery, not the first: a broker repeats before it goes on, so what is cut off was acknowledged
        older = [each for each in self._known.items() if each[0] not in recent]
        return dict([*older, *recent.items()][-REMEMBERED:])

    def forget(self) -> None:
        """The broker lost the session: nothing is delivered again."""
        self._known.clear()
