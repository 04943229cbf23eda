"""`telemetrio bench api`: what the HTTP API costs, in a process of its own, over a real InfluxDB and a file of devices.

Readings are written past ingest, straight into the store. Every figure is of requests one after another on one
connection; a ratio is of two that took turns, so that a machine that others share slows down both.
"""

import asyncio
import http.client
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlencode

import orjson
from rich.console import Console

from shared.times import iso_ns
from shared.timeseries.influx import InfluxStore
from shared.timeseries.influxhttp import Target
from telemetrio.bench import Figure, usage
from telemetrio.bench_ingest import DATABASE, free_port, start, start_influxd, until
from telemetrio.past import BEGIN_NS, DAY_NS, MEASUREMENT, Fleet, device_id, lay_down, register

_RANGE: Final = 900
_POINTS: Final = 500
_DAY_DEVICES: Final = 100
_CHUNK: Final = 1 << 16
_FEW_EACH: Final = 10
_IDLE_S: Final = 10.0


class Plan(NamedTuple):
    """`devices` with `readings` behind them in all; `requests` of each kind."""

    devices: int
    readings: int
    requests: int


class Timed(NamedTuple):
    """How long each request took, and the server's CPU for all of them."""

    seconds: list[float]
    cpu_s: float

    @property
    def told(self) -> str:
        ordered = sorted(self.seconds)
        p50, p95 = (ordered[round((len(ordered) - 1) * share)] * 1e3 for share in (0.5, 0.95))
        return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, CPU {self.cpu_s / len(ordered) * 1e3:.1f} ms"


class Line:
    """One connection to a server that is kept open; its process pays for what is asked on it."""

    def __init__(self, port: int, pid: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._asked_s = 0.0
        self.pid = pid

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        if time.monotonic() - self._asked_s > _IDLE_S:  # the server has closed it, or is about to
            self._connection.close()
        self._asked_s = time.monotonic()
        self._connection.request(method, path, body or None, {"Content-Type": kind} if body else {})
        answer = self._connection.getresponse()
        read = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {read[:300]!r}")
        return read

    def swallow(self, path: str) -> int:
        """Read an answer of any size without keeping it; its bytes."""
        self._connection.close()
        self._connection.request("GET", path)
        answer, size = self._connection.getresponse(), 0
        while part := answer.read(_CHUNK):
            size += len(part)
        return size

    def close(self) -> None:
        self._connection.close()

    def timed(self, ask: Callable[[], bytes], number: int) -> Timed:
        """After one that is not counted."""
        ask()
        cpu_s, seconds = usage(self.pid).cpu_s, []
        for _ in range(number):
            begun = time.perf_counter()
            ask()
            seconds.append(time.perf_counter() - begun)
        return Timed(seconds, usage(self.pid).cpu_s - cpu_s)


async def bench_api(plan: Plan, console: Console) -> list[Figure]:
    """Raises Refusal when InfluxDB isn't installed."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telemetrio-bench-")))
        (folder / "data").mkdir()
        influx_port = await start_influxd(stack, folder)
        store = InfluxStore(Target(f"http://127.0.0.1:{influx_port}", "", "", DATABASE))
        stack.push_async_callback(store.close)
        few = Fleet(plan.devices, _FEW_EACH)
        await register(few, folder / "data")
        api = await _start_api(stack, folder, influx_port)
        influx = Line(influx_port, api.pid)
        for line in (api, influx):
            stack.callback(line.close)
        figures = []
        for fleet in (few, Fleet(plan.devices, max(_FEW_EACH, plan.readings // plan.devices))):
            console.print(f"{fleet.devices * fleet.each:,} readings of {fleet.devices:,} devices …")
            await lay_down(fleet, store)
            figures.append(await asyncio.to_thread(_devices, api, fleet, plan.requests))
        console.print("a range, a day, an export …")
        figures += await asyncio.to_thread(_range, api, influx, fleet, plan.requests)
        figures.append(await asyncio.to_thread(_day, api, fleet))
        return [*figures, *await asyncio.to_thread(_export, api, fleet), _machine()]


async def _start_api(stack: AsyncExitStack, folder: Path, influx_port: int) -> Line:
    port = free_port()
    environment = {
        "TELEMETRIO_INFLUXDB_URL": f"http://127.0.0.1:{influx_port}",
        "TELEMETRIO_MQTT_URL": f"mqtt://127.0.0.1:{free_port()}",
        "TELEMETRIO_METRICS_PORT": str(free_port()),
        "TELEMETRIO_PORT": str(port),
    }
    command = (sys.executable, "-m", "telemetrio", "api", "--data-dir", str(folder / "data"))
    process = await start(stack, *command, **environment)
    await until(lambda: process.returncode is not None or _answers(port))
    return Line(port, process.pid)


def _answers(port: int) -> bool:
    line = Line(port, 0)
    try:
        line.ask("GET", "/api/devices")
    except (OSError, RuntimeError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        line.close()


def _devices(api: Line, fleet: Fleet, number: int) -> Figure:
    def ask() -> bytes:
        return api.ask("GET", "/api/devices")

    if len(orjson.loads(ask())) != fleet.devices:
        raise RuntimeError("GET /api/devices doesn't list every device")
    api.timed(ask, min(number, 20))
    behind = f"{fleet.devices * fleet.each:,} readings behind them"
    return Figure(f"GET /api/devices, {fleet.devices:,} of them, {behind}", api.timed(ask, number).told, "p95 15 ms")


def _range(api: Line, influx: Line, fleet: Fleet, number: int) -> list[Figure]:
    """The same points by the API and from InfluxDB itself, by turns: A B A B."""
    points = min(_RANGE, fleet.each)
    end_ns = BEGIN_NS + points * fleet.step_ns
    path = f"/api/v1/devices/{device_id(0)}/readings?limit={points}&end={iso_ns(end_ns)}&start={iso_ns(BEGIN_NS)}"
    where = f"\"device_id\"::tag = '{device_id(0)}' AND time >= {BEGIN_NS} AND time < {end_ns}"
    query = f'SELECT *::field FROM "{MEASUREMENT}" WHERE {where} GROUP BY "user_id" LIMIT {points + 2}'  # noqa: S608 - ours
    form = urlencode({"db": DATABASE, "epoch": "ns", "q": query}).encode()

    def ours() -> bytes:
        return api.ask("GET", path)

    def theirs() -> bytes:
        return influx.ask("POST", "/query", form, "application/x-www-form-urlencoded")

    here = len(orjson.loads(ours())["data"])
    there = len(orjson.loads(theirs())["results"][0]["series"][0]["values"])
    if not here == there == points:
        raise RuntimeError(f"{here} points by the API and {there} from InfluxDB, of {points}")
    turns = [(api.timed(ours, number), influx.timed(theirs, number)) for _ in range(2)]
    mine, direct = ([one for turn in turns for one in turn[side].seconds] for side in (0, 1))
    ratio = statistics.median(mine) / statistics.median(direct)
    cpu_s = sum(turn[0].cpu_s for turn in turns)
    return [
        Figure(f"a raw range of {points} points by the API", Timed(mine, cpu_s).told),
        Figure("  the same InfluxQL, asked directly", f"p50 {statistics.median(direct) * 1e3:.1f} ms"),
        Figure("  ratio of the medians", f"{ratio:.2f}", "1.3"),
    ]


def _day(api: Line, fleet: Fleet) -> Figure:
    """All pages of one question."""
    names = [device_id(number) for number in range(min(_DAY_DEVICES, fleet.devices))]
    asked: dict[str, object] = {"devices": names, "metrics": ["temperature"], "max_points": _POINTS}
    asked |= {"start": iso_ns(BEGIN_NS), "end": iso_ns(BEGIN_NS + DAY_NS)}
    begun, cpu_s, pages, points = time.perf_counter(), usage(api.pid).cpu_s, 0, 0
    while True:
        told = orjson.loads(api.ask("POST", "/api/v1/readings/query", orjson.dumps(asked)))
        pages += 1
        points += sum(len(series["rows"]) for series in told["series"])
        if told["cursor"] is None:
            break
        asked["cursor"] = told["cursor"]
    seconds, spent_s = time.perf_counter() - begun, usage(api.pid).cpu_s - cpu_s
    name = f"a day of {len(names)} devices, {fleet.each:,} readings each, to {_POINTS} points"
    return Figure(name, f"{seconds:.1f} s, CPU {spent_s:.1f} s, {points:,} points in {pages} answers")


def _export(api: Line, fleet: Fleet) -> list[Figure]:
    readings = fleet.devices * fleet.each
    begun, before = time.perf_counter(), usage(api.pid)
    size = api.swallow("/api/v1/readings/export?devices=*&format=ndjson")
    seconds, after = time.perf_counter() - begun, usage(api.pid)
    each_us = (after.cpu_s - before.cpu_s) / readings * 1e6
    rate = f"{readings / seconds:,.0f} readings/s, {each_us:.1f} µs of CPU each, {size / 1e6:.0f} MB"
    return [
        Figure(f"export of {readings:,} readings, NDJSON", rate),
        Figure("  memory before, at most", f"{before.resident_mb:.0f} MB, {after.peak_mb:.0f} MB"),
    ]


def _machine() -> Figure:
    load, *_ = os.getloadavg()
    return Figure("on", f"{os.cpu_count()} cores, load {load:.1f}, Python {sys.version.split()[0]}, InfluxDB 1.x")
