"""The clients of `telemetrio bench realtime`, in a process of their own so that their cost is not the server's.

They subscribe to everything, say on standard output how soon all were in, and count until a line comes on standard
input.
"""

import asyncio
import re
import sys
import time
from contextlib import suppress
from typing import Final, NamedTuple

import orjson

_MEASURED: Final = 20
"""One of so many looks at the time of each reading; the others only count, or they would be the bottleneck."""
_WITHIN_S: Final = 60.0
_AT_ONCE: Final = 500
_TIMESTAMP: Final = re.compile(rb'"timestamp":"\d{4}-\d\d-\d\dT(\d\d):(\d\d):(\d\d)\.(\d{9})Z"')
_DAY_NS: Final = 86_400 * 10**9
_SUBSCRIBE: Final = b'{"type":"subscribe","id":1,"devices":"*"}'


class Heard(NamedTuple):
    """Of all clients; `least`: readings that the client got who got least. Times from commit to client, in ms."""

    frames: int
    readings: int
    least: int
    bytes: int
    gaps: int
    closed: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


class Seat:
    """One client's counts; says `hello` when it is connected, then what `take` gives."""

    hello = _SUBSCRIBE

    def __init__(self, snapshot: "asyncio.Future[None]", *, measured: bool) -> None:
        self.snapshot = snapshot
        self.measured = measured
        self.closed = False
        self.clear()

    def clear(self) -> None:
        self.frames = self.readings = self.bytes = self.gaps = 0
        self.late_ns: list[int] = []

    def take(self, text: bytes) -> bytes | None:
        """Returns what to answer."""
        if text.startswith(b'{"type":"readings"'):
            self._hear(text)
        elif text.startswith(b'{"type":"gap"'):
            self.gaps += 1
        elif text.startswith(b'{"type":"snapshot"'):
            self._seated()
        return None

    def _hear(self, text: bytes) -> None:
        self.frames += 1
        self.bytes += len(text)
        self.readings += text.count(b'"device_id"')
        if self.measured:
            now_ns = time.time_ns() % _DAY_NS
            self.late_ns += [(now_ns - _of_day(*found)) % _DAY_NS for found in _TIMESTAMP.findall(text)]

    def _seated(self) -> None:
        if not self.snapshot.done():
            self.snapshot.set_result(None)


class CentrifugoSeat(Seat):
    """The same at a Centrifugo, in its JSON protocol; see telemetrio/centrifugo.py."""

    hello = b'{"id":1,"connect":{}}'

    def take(self, text: bytes) -> bytes | None:
        if b'"push"' in text:
            self._hear(text)
        elif b'"subscribe"' in text:
            self._seated()
        elif b'"connect"' in text:
            return b'{"id":2,"subscribe":{"channel":"bench"}}'
        elif text == b"{}":  # its ping
            return b"{}"
        return None


class SocketIoSeat(Seat):
    """The same by Socket.IO, as Engine.IO's packets over a WebSocket: each reading is an event of its own."""

    hello = b""

    def take(self, text: bytes) -> bytes | None:
        if text.startswith(b"42["):
            self._hear(text)
        elif text.startswith(b"40"):
            self._seated()
        elif text.startswith(b"0"):
            return b"40"
        elif text == b"2":  # its ping
            return b"3"
        return None


SEATS: Final = {"telemetrio": Seat, "centrifugo": CentrifugoSeat, "socketio": SocketIoSeat}


def _of_day(hours: bytes, minutes: bytes, seconds: bytes, fraction: bytes) -> int:
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 10**9 + int(fraction)


def summed(seats: list[Seat]) -> Heard:
    late_ns = sorted(late for seat in seats for late in seat.late_ns) or [0]
    p50, p99, worst = (late_ns[min(int(len(late_ns) * part), len(late_ns) - 1)] / 1e6 for part in (0.5, 0.99, 1))
    return Heard(
        sum(seat.frames for seat in seats),
        sum(seat.readings for seat in seats),
        min(seat.readings for seat in seats),
        sum(seat.bytes for seat in seats),
        sum(seat.gaps for seat in seats),
        sum(seat.closed for seat in seats),
        p50,
        p99,
        worst,
    )


async def connect(url: str, seat: Seat) -> object:
    """Connect by picows, subscribe, and wait for the snapshot; keep what it returns."""
    import picows  # noqa: PLC0415 - a development dependency: see bench_realtime

    class Listener(picows.WSListener):
        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            if seat.hello:
                transport.send(picows.WSMsgType.TEXT, seat.hello)

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            answer = seat.take(frame.get_payload_as_bytes())
            if answer is not None:
                transport.send(picows.WSMsgType.TEXT, answer)

        def on_ws_disconnected(self, _transport: picows.WSTransport) -> None:
            seat.closed = True

    kept = await picows.ws_connect(Listener, url, websocket_handshake_timeout=_WITHIN_S)
    await seat.snapshot
    return kept


async def run(url: str, clients: int, server: str = "telemetrio") -> None:
    loop = asyncio.get_running_loop()
    seats = [SEATS[server](loop.create_future(), measured=number % _MEASURED == 0) for number in range(clients)]
    begun = time.monotonic()
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(seat: Seat) -> object:
        async with room:
            return await connect(url, seat)

    async with asyncio.timeout(_WITHIN_S):
        kept = await asyncio.gather(*map(one, seats))
    _say({"seconds": time.monotonic() - begun, "clients": len(kept)})
    while await asyncio.to_thread(sys.stdin.readline):
        _say(summed(seats)._asdict())
        for seat in seats:
            seat.clear()


def _say(told: object) -> None:
    sys.stdout.write(orjson.dumps(told).decode() + "\n")
    sys.stdout.flush()


def main() -> None:
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415 - not every platform has it

        uvloop.install()
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))


if __name__ == "__main__":
    main()
