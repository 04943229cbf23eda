"""The two ends of a client's socket as amqtt wants them: whole packets in, bounded and gathered writes out."""

import asyncio
from collections.abc import Iterator  # noqa: TC003 - as everywhere else, whether or not it is asked for at run time
from typing import Final

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.errors import NoDataError

from telemetrio.embedded.frames import Frame, Frames

READ_BYTES: Final = 64 * 1024
MAX_UNSENT_BYTES: Final = 1024 * 1024  # above it nothing is sent that may be left out
CLOSE_WITHIN_S: Final = 1.0


class Inlet(StreamReaderAdapter):
    """Packets of one client, as many as one read brings. `ready` holds those not taken yet."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self._frames = Frames()
        self.ready: Iterator[Frame] = iter(())

    async def more(self) -> bool:
        """Wait for more packets in `ready`; False at the end of the stream."""
        data = await self._reader.read(READ_BYTES)
        self.ready = self._frames.split(data)
        return bool(data)

    async def first(self) -> Frame:
        while True:
            for frame in self.ready:
                return frame
            if not await self.more():
                raise NoDataError("closed before CONNECT")


class Outlet(StreamWriterAdapter):
    """Writes to one client. All that is written in one turn of the loop leaves in one send: a group's PUBACKs, too.

    Nothing ever waits for a slow client: who writes asks `full` first, and whoever takes too little is cut off.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer)
        self._transport = writer.transport
        self._loop = asyncio.get_running_loop()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0

    def unsent_bytes(self) -> int:
        return self._gathered_bytes + self._transport.get_write_buffer_size()

    @property
    def full(self) -> bool:
        return self.unsent_bytes() > MAX_UNSENT_BYTES

    def write(self, data: bytes) -> None:
        if self.is_closed:
            return
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(data)
        self._gathered_bytes += len(data)

    def _flush(self) -> None:
        data, self._gathered, self._gathered_bytes = b"".join(self._gathered), [], 0
        if data and not self._transport.is_closing():
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > 4 * MAX_UNSENT_BYTES:
                self.abort()  # it sends and sends, and never reads an answer

    async def drain(self) -> None:
        """Nothing: amqtt would wait here for a client that reads nothing, with its write lock held."""

    def abort(self) -> None:
        self.is_closed = True
        self._transport.abort()

    async def close(self) -> None:
        """Send what is written, then close; a peer that takes nothing is cut off (amqtt waits for it for ever)."""
        if not self.is_closed:
            self.is_closed = True
            self._flush()
            self._transport.close()
            self._loop.call_later(CLOSE_WITHIN_S, self._transport.abort)
