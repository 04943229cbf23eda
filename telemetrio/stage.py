"""The server of `telemetrio bench realtime`: realtime behind the gate, fed directly, in a process of its own.

It is told what to do by lines on standard input and answers each by a line: see `Order` and `Account`.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from services.realtime.app import Realtime
from services.realtime.recent import Known
from services.realtime.selection import UserIds
from services.realtime.settings import RealtimeSettings
from shared.gate import ASGI3, Gate, Receive, Scope, Send
from shared.listeners import listening_sockets
from shared.process import spare_the_collector
from shared.readings import Reading, ReadingBatch, Value
from shared.serving import serve_web

DEVICES: Final = 100
BATCHES_PER_S: Final = 100
_FLAT_OUT_BATCH: Final = 100
# between looks whether all clients have the last ones: without it looking itself would be what is measured
_LOOK_S: Final = 0.002
_DRAINED_S: Final = 30.0


class Order(NamedTuple):
    """Publish `rate` readings a second (0: as fast as all clients get them) for `seconds`. Neither: only look."""

    rate: float
    seconds: float


class Account(NamedTuple):
    """What an order cost this process: CPU until everything was sent, what waited at most for one client, how many."""

    published: int
    cpu_s: float
    seconds: float
    sessions: int
    mailbox_bytes: int


class Stage:
    """Publishes readings of `DEVICES` devices, with the time of now as their own."""

    def __init__(self, realtime: Realtime) -> None:
        self._realtime = realtime
        self._seq = 0
        self._device = 0

    async def obey(self, order: Order) -> Account:
        begun, cpu_s = time.monotonic(), time.process_time()
        published = most = 0
        while (passed_s := time.monotonic() - begun) < order.seconds:
            if order.rate:
                due = int(order.rate * passed_s) - published
                wait_s = 1 / min(order.rate, BATCHES_PER_S)
            else:
                due, wait_s = (_FLAT_OUT_BATCH if self._sent else 0), _LOOK_S
            if due > 0:
                self._publish(due)
                published += due
            await asyncio.sleep(wait_s)
            most = max(most, self._most)
        await self._drained()
        spent_s = time.process_time() - cpu_s
        return Account(published, spent_s, time.monotonic() - begun, len(self._realtime.sessions), most)

    @property
    def _most(self) -> int:
        return max((session.mailbox.bytes for session in self._realtime.sessions), default=0)

    @property
    def _sent(self) -> bool:
        """Nothing waits: neither for a client nor for the next frame of a group."""
        return all(session.idle for session in self._realtime.sessions)

    async def _drained(self) -> None:
        with suppress(TimeoutError):  # one who reads nothing never gets it all
            async with asyncio.timeout(1.0 if self._most else _DRAINED_S):
                while not self._sent:  # noqa: ASYNC110 - what is measured must not pay for telling
                    await asyncio.sleep(0.005)

    def _publish(self, count: int) -> None:
        now_ns, self._seq = time.time_ns(), self._seq + 1
        self._device += count
        readings = [
            Reading(f"device-{(self._device + number) % DEVICES}", 1, "sensor_data", now_ns + number, VALUES)
            for number in range(count)
        ]
        self._realtime.publish(ReadingBatch("bench", "e1", self._seq, self._seq - 1, 0, now_ns, readings, ()))


VALUES: Final[dict[str, Value]] = {"temperature": 23.5, "humidity": 55.0, "pressure": 1013.25}


async def no_table(_user_ids: UserIds, _devices: frozenset[str] | None) -> Sequence[Known]:
    return ()


async def run(server: str, coalesce_ms: float) -> None:
    settings = RealtimeSettings(_env_file=None, auth="open", coalesce_ms=coalesce_ms, newcomers_per_s=1_000_000)
    realtime = Realtime(settings, no_table)
    app = Gate(_alone(realtime, plain=server == "plain"), allowed_hosts=settings.allowed_hosts, cors_origins=())
    looking_after = asyncio.create_task(realtime.run())
    async with _serving(server, app, realtime) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        spare_the_collector()
        stage = Stage(realtime)
        orders = await _standard_input()
        while line := await orders.readline():
            account = await stage.obey(Order(*orjson.loads(line)))
            sys.stdout.write(orjson.dumps(tuple(account)).decode() + "\n")
            sys.stdout.flush()
    looking_after.cancel()


@asynccontextmanager
async def _serving(server: str, app: ASGI3, realtime: Realtime) -> AsyncIterator[int]:
    (listener,) = listening_sockets(["127.0.0.1"], 0)
    stop = asyncio.Event()

    async def drained() -> None:
        await stop.wait()
        await realtime.drain()

    serving: Any
    if server == "uvicorn":
        import uvicorn  # noqa: PLC0415 - for comparison only: a development dependency

        config = uvicorn.Config(app, log_level="warning", ws="websockets-sansio", ws_per_message_deflate=False)
        run_uvicorn = uvicorn.Server(config)
        serving = asyncio.create_task(run_uvicorn.serve([listener]))
    else:
        serving = asyncio.create_task(serve_web(app, [listener], drained))
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        if server == "uvicorn":
            await realtime.drain()
            run_uvicorn.should_exit = True
        await serving
        listener.close()


def _alone(realtime: Realtime, *, plain: bool) -> ASGI3:
    """WebSocket and Socket.IO with a lifespan; `plain`: without what Hypercorn was given beside ASGI."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            app = realtime.asgi_socketio if scope["path"].startswith("/socket.io") else realtime.asgi_ws
            await app({**scope, "state": {}} if plain else scope, receive, send)
            return
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})

    return dispatch


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), sys.stdin)
    return reader


def main() -> None:
    server, coalesce_ms = sys.argv[1], float(sys.argv[2])
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415 - not every platform has it

        uvloop.install()
    asyncio.run(run(server, coalesce_ms))


if __name__ == "__main__":
    main()
