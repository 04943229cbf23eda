"""`telemetrio bench realtime`: what a reading costs on its way to many clients, and how long it takes.

The server is realtime under Hypercorn (or uvicorn) in a process of its own, fed directly; the clients are another.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

import orjson
from rich.console import Console

from shared.process import ExitCode, Refusal
from telemetrio.audience import Heard
from telemetrio.bench import Figure, usage
from telemetrio.conversation import Conversation, conversation
from telemetrio.stage import Account, Order

CASES: Final = ("idle", "many", "steady", "full", "memory", "connect", "deaf", "socketio")
SERVERS: Final = ("hypercorn", "plain", "uvicorn")
"""`hypercorn` as it is served, `plain` Hypercorn by ASGI alone (docs/decisions/0023), `uvicorn` for comparison."""
_NOWHERE_S: Final = 60.0
_LOOK: Final = Order(0, 0)


class Plan(NamedTuple):
    """`cases`: some of CASES; `seconds` of each measurement; `servers`: some of SERVERS, one after another."""

    cases: Sequence[str]
    seconds: float
    servers: Sequence[str]
    coalesce_ms: float


class Bench:
    """A server, and clients for each case."""

    def __init__(self, plan: Plan, stage: Conversation, port: int) -> None:
        self._plan = plan
        self._stage = stage
        self._port = port
        self.url = f"ws://127.0.0.1:{port}/ws"

    async def order(self, order: Order) -> Account:
        return Account(*await self._stage.ask(orjson.dumps(tuple(order))))

    async def play(self, clients: int, rate: float) -> tuple[Account, Heard]:
        """So many clients at so many readings a second; raises RuntimeError if one missed some without a gap."""
        async with conversation("telemetrio.audience", self.url, str(clients)) as audience:
            await audience.answer()
            await self.order(Order(rate, min(1.0, self._plan.seconds)))
            await audience.ask()
            account = await self.order(Order(rate, self._plan.seconds))
            await asyncio.sleep(0.2)
            heard = Heard(**await audience.ask())
        if heard.least != account.published and not heard.gaps:
            raise RuntimeError(f"a client got {heard.least} of {account.published} readings")
        return account, heard

    async def case(self, name: str) -> list[Figure]:
        """The figures of a case, by its name."""
        method: Any = getattr(self, f"_{name}")
        figures: list[Figure] = await method()
        return figures

    async def _idle(self) -> list[Figure]:
        _, heard = await self.play(10, 5)
        return [Figure("idle: commit to client", f"p50 {heard.p50_ms:.1f} ms, p99 {heard.p99_ms:.1f} ms", "p50 15 ms")]

    async def _many(self) -> list[Figure]:
        account, heard = await self.play(500, 50)
        return self._told("500 clients, 50 readings/s", account, heard, "10 µs, p99 100 ms")

    async def _steady(self) -> list[Figure]:
        told = []
        for rate in (500, 2_000):
            account, heard = await self.play(200, rate)
            told += self._told(f"200 clients, {rate:,} readings/s", account, heard)
        return told

    async def _full(self) -> list[Figure]:
        account, heard = await self.play(200, 0)
        return self._told("200 clients, flat out", account, heard, "1.4 µs")

    async def _memory(self) -> list[Figure]:
        before = usage(self._stage.process.pid).resident_mb
        async with conversation("telemetrio.audience", self.url, "2000") as audience:
            await audience.answer()
            await self.order(_LOOK)
            each = (usage(self._stage.process.pid).resident_mb - before) * 1000 / 2_000
        return [Figure("memory of an idle client", f"{each:.0f} KB, of 2,000", "40 KB")]

    async def _connect(self) -> list[Figure]:
        async with conversation("telemetrio.audience", self.url, "1000") as audience:
            seconds = (await audience.answer())["seconds"]
        return [Figure("1,000 clients in, subscribed", f"{seconds:.1f} s", "5 s")]

    async def _deaf(self) -> list[Figure]:
        _, alone = await self.play(200, 2_000)
        deaf = await asyncio.to_thread(self._reads_nothing)
        try:
            account, beside = await self.play(200, 2_000)
            begun = time.monotonic()
            while (await self.order(Order(0, 0.5))).sessions and time.monotonic() - begun < _NOWHERE_S:
                pass
            gone_s = self._plan.seconds + 1 + time.monotonic() - begun
        finally:
            deaf.close()
        return [
            Figure("one of 201 reads nothing: p99 of the others", f"{beside.p99_ms:.0f} ms ({alone.p99_ms:.0f} alone)"),
            Figure(
                "  at most in its mailbox, gone after",
                f"{account.mailbox_bytes / 1024:.0f} KiB, {gone_s:.0f} s",
                "40 s",
            ),
        ]

    async def _socketio(self) -> list[Figure]:
        """What frontends that speak Socket.IO cost those on /ws: an event for each reading, 250 a second at most."""
        _, alone = await self.play(20, 1_000)
        address = f"ws://127.0.0.1:{self._port}/socket.io/?EIO=4&transport=websocket"
        async with conversation("telemetrio.audience", address, "20", "socketio") as frontends:
            await frontends.answer()
            await self.order(Order(1_000, min(1.0, self._plan.seconds)))
            await frontends.ask()
            begun = time.monotonic()
            account, beside = await self.play(20, 1_000)
            each = Heard(**await frontends.ask()).readings / 20 / (time.monotonic() - begun)
        late = f"p50 {beside.p50_ms:.0f} ms, p99 {beside.p99_ms:.0f} ms"
        return [
            Figure(
                "20 clients beside 20 of Socket.IO, 1,000 readings/s: commit to client",
                f"{late} (alone {alone.p50_ms:.0f}, {alone.p99_ms:.0f})",
                "p99 150 ms",
            ),
            Figure(
                "  CPU of the server, readings to each of Socket.IO",
                f"{account.cpu_s / account.seconds * 100:.0f} % of a core, {each:.0f}/s",
            ),
        ]

    def _reads_nothing(self) -> socket.socket:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", self._port))
        raw.sendall(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        raw.recv(4096)
        text = b'{"type":"subscribe","id":1,"devices":"*"}'
        raw.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        return raw

    def _told(self, name: str, account: Account, heard: Heard, goal: str = "") -> list[Figure]:
        each_us = account.cpu_s / heard.readings * 1e6
        frame_us = account.cpu_s / heard.frames * 1e6
        return [
            Figure(f"{name}: CPU per reading delivered", f"{each_us:.2f} µs", goal.partition(",")[0]),
            Figure(
                "  commit to client",
                f"p50 {heard.p50_ms:.0f} ms, p99 {heard.p99_ms:.0f} ms, worst {heard.worst_ms:.0f} ms",
                goal.partition(", ")[2],
            ),
            Figure(
                "  frames",
                f"{heard.frames:,}, {heard.readings / heard.frames:.1f} readings each, {frame_us:.0f} µs each",
            ),
            Figure(
                "  delivered",
                f"{heard.readings / account.seconds:,.0f}/s, {account.cpu_s / account.seconds * 100:.0f} % of a core"
                + (f", {heard.gaps} gaps: clients too slow" if heard.gaps else ""),
            ),
        ]


async def bench_realtime(plan: Plan, console: Console) -> list[Figure]:
    """A fresh server for each case. Raises Refusal when the clients' library isn't installed."""
    for name in ("picows", *(["uvicorn"] if "uvicorn" in plan.servers else [])):
        if find_spec(name) is None:
            raise Refusal(f"{name} is not installed: it is in requirements-dev.lock", ExitCode.PREREQUISITE_MISSING)
    figures = []
    for name in plan.cases:
        for server in plan.servers:
            console.print(f"{name}, {server} …")
            async with conversation("telemetrio.stage", server, str(plan.coalesce_ms)) as stage:
                told = await Bench(plan, stage, int(await stage.answer())).case(name)
            figures += [Figure(f"[dim]{server}[/]", ""), *told] if len(plan.servers) > 1 else told
    return figures


async def measure_own(plan: Plan, clients: int, rate: float) -> tuple[Account, Heard, float]:
    """So many clients at so many readings a second, on a fresh server as it is served; its memory at most, in MB."""
    async with conversation("telemetrio.stage", SERVERS[0], str(plan.coalesce_ms)) as stage:
        account, heard = await Bench(plan, stage, int(await stage.answer())).play(clients, rate)
        return account, heard, usage(stage.process.pid).peak_mb
