"""Between ingest and a real InfluxDB: passes requests on, or does to them what networks, proxies and servers do."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from tests.peers.mosquitto import free_port

_PIECE: Final = 65_536


class Fault(NamedTuple):
    """What becomes of a request. `answer`: in the place of the server's.

    `above`: only of larger ones; `only`: of those with this in their path, so that a writer gets past its `/ping`.
    """

    forward: bool = True
    answer: bytes | None = None
    silent: bool = False
    cut: bool = False
    delay_s: float = 0.0
    above: int = 0
    only: str = ""

    def concerns(self, path: str, size: int) -> bool:
        return size >= self.above and self.only in path


PASS: Final = Fault()
RESET: Final = Fault(forward=False, cut=True)
BLACK_HOLE: Final = Fault(forward=False, silent=True)
ANSWER_LOST: Final = Fault(cut=True)
ANSWER_HELD: Final = Fault(silent=True, only="write")


def answering(
    status: int, body: bytes = b'{"error":"out of order"}', headers: Mapping[str, str] | None = None, above: int = 0
) -> Fault:
    """A fixed answer; the server never sees the request."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
    return Fault(forward=False, answer=head + body, above=above)


class Request(NamedTuple):
    """`first_ns` is the time of the first line of a write; `readings` counts its lines. `faulty`: it met a fault."""

    at_s: float
    path: str
    readings: int
    first_ns: int
    faulty: bool = False


class StoreProxy:
    """`fault` may be set from any thread, and holds for requests from then on. One connection carries one request."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._silenced: set[asyncio.StreamWriter] = set()
        self.fault = PASS
        self.requests: list[Request] = []
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def held(self) -> int:
        """How many requests wait for an answer that doesn't come."""
        return len(self._silenced)

    def writes(self, since: int = 0) -> list[Request]:
        """Writes of readings, in the order in which they came; `since`: without so many requests at the beginning."""
        return [request for request in self.requests[since:] if request.readings]

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=_PIECE)

    async def mend(self) -> None:
        """Pass everything on again; whoever still waits for an answer loses its connection."""
        self.fault = PASS
        for writer in self._silenced:
            writer.transport.abort()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self.mend()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                await self._treat(head, body, (reader, writer))
            finally:
                writer.close()

    async def _treat(
        self, head: bytes, body: bytes, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        reader, writer = streams
        request = _noted(head, body)
        fault = self.fault if self.fault.concerns(request.path, len(body)) else PASS
        self.requests.append(request._replace(faulty=fault is not PASS))
        if fault.delay_s and await _left(reader, fault.delay_s):
            return
        answer = await self._forwarded(head, body) if fault.forward else fault.answer
        if fault.silent:
            self._silenced.add(writer)
            try:
                await reader.read()  # until the other side, or mend(), ends it
            finally:
                self._silenced.discard(writer)
        elif fault.cut or answer is None:
            writer.transport.abort()
        else:
            writer.write(answer)
            await writer.drain()

    async def _forwarded(self, head: bytes, body: bytes) -> bytes | None:
        """The server's answer; None when it gives none."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            return None
        with suppress(ConnectionError):
            try:
                writer.write(head[:-2] + b"Connection: close\r\n\r\n" + body)
                return await reader.read() or None
            finally:
                writer.close()
        return None


async def _left(reader: asyncio.StreamReader, within_s: float) -> bool:
    """Whether the client leaves within the time that a slow server takes: that one would not write any more either."""
    try:
        async with asyncio.timeout(within_s):
            await reader.read(1)
    except TimeoutError:
        return False
    return True


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _noted(head: bytes, body: bytes) -> Request:
    path = head.split(b" ", 2)[1].decode()
    first = body.partition(b"\n")[0]
    readings = 0 if "write" not in path or first.startswith(b"telemetrio_") else body.count(b"\n") + 1
    time_ns = first.rpartition(b" ")[2]  # none where a string of the first reading has a newline in it
    first_ns = int(time_ns) if readings and time_ns.isdigit() else 0
    return Request(time.monotonic(), path, readings, first_ns)
