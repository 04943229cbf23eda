"""`telemetrio bench`: figures of this machine, measured from outside: CPU and memory by the operating system's account.

Each figure is of a process of its own; the generator is another, and its cost is not counted.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from telemetrio.load import Job, Result

_TICKS_S: Final = os.sysconf("SC_CLK_TCK")
_PACED_RATE: Final = 1_000
_SETTLE_S: Final = 3.0


class Figure(NamedTuple):
    """One line of the report; `goal` as the project set it for itself on two cores."""

    name: str
    value: str
    goal: str = ""


class Usage(NamedTuple):
    """Of one process, since its start: CPU in seconds, resident memory in MB (now, and at most)."""

    cpu_s: float
    resident_mb: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """Read /proc; raises FileNotFoundError where there is none (this measures on Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    resident, peak = (int(status[name].split()[0]) / 1000 for name in ("VmRSS", "VmHWM"))
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS_S, resident, peak)


class Running(NamedTuple):
    """A started `telemetrio up`."""

    process: Process
    http_port: int
    mqtt_port: int
    ready_s: float


async def bench_up(messages: int, connections: int, seconds: float, console: Console) -> Sequence[Figure]:
    """Start it on an empty directory and free ports, measure, stop it."""
    with tempfile.TemporaryDirectory(prefix="telemetrio-bench-") as directory:
        console.print("starting …")
        async with running_up(Path(directory)) as running:
            figures = [Figure("time to ready", f"{running.ready_s:.2f} s", "3 s")]
            await asyncio.sleep(_SETTLE_S)
            figures.append(Figure("idle memory", f"{usage(running.process.pid).resident_mb:.0f} MB", "120 MB"))
            console.print(f"{_PACED_RATE} messages a second for {seconds:.0f} s …")
            figures += await _paced(running, connections, seconds)
            console.print(f"{messages} messages as fast as they are acknowledged …")
            figures += await _full_speed(running, messages, connections)
            begun = time.monotonic()
        stop_s = time.monotonic() - begun
        return [*figures, Figure("time to stop", f"{stop_s:.2f} s, exit code {running.process.returncode}", "4 s")]


@asynccontextmanager
async def running_up(directory: Path) -> AsyncIterator[Running]:
    """A `telemetrio up` with its data in a new folder there, on free ports; stopped afterwards, and waited for."""
    begun = time.monotonic()
    command = ("-m", "telemetrio", "up", "--data-dir", str(directory / "data"), "--port", "0", "--mqtt-port", "0")
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE)
    assert process.stdout is not None  # noqa: S101 - asked for by PIPE
    line = (await process.stdout.readline()).decode()
    ready_s = time.monotonic() - begun
    if not line.startswith("ready "):
        raise RuntimeError(f"telemetrio up ended with {await process.wait()}")
    http_port, mqtt_port = (int(url.rpartition(":")[2]) for url in line.split()[1:3])
    try:
        yield Running(process, http_port, mqtt_port, ready_s)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def load(job: Job) -> Result:
    """Run a job in a process of its own; raises RuntimeError when it fails."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "telemetrio.load", stdin=PIPE, stdout=PIPE)
    answer, _ = await process.communicate(orjson.dumps(tuple(job)))
    if process.returncode:
        raise RuntimeError(f"the generator ended with {process.returncode}")
    return Result(*orjson.loads(answer))


async def _paced(running: Running, connections: int, seconds: float) -> list[Figure]:
    before = usage(running.process.pid)
    job = Job(running.mqtt_port, connections, int(_PACED_RATE * seconds), _PACED_RATE)
    result = await load(job)
    after = usage(running.process.pid)
    share = (after.cpu_s - before.cpu_s) / result.seconds * 100
    return [
        Figure("CPU at 1,000 msg/s", f"{share:.1f} % of a core", "25 %"),
        Figure("its latency to PUBACK", f"p50 {result.p50_ms:.1f} ms, p99 {result.p99_ms:.1f} ms"),
    ]


async def _full_speed(running: Running, messages: int, connections: int) -> list[Figure]:
    stored_before = await asyncio.to_thread(_stored, running.http_port)
    before = usage(running.process.pid)
    begun = time.monotonic()
    result = await load(Job(running.mqtt_port, connections, messages, 0))
    while await asyncio.to_thread(_stored, running.http_port) - stored_before < messages:
        await asyncio.sleep(0.2)
        if time.monotonic() - begun > 300:
            raise RuntimeError("the store did not take all within 300 s")
    drained_s = time.monotonic() - begun
    after = usage(running.process.pid)
    cpu_us = (after.cpu_s - before.cpu_s) / messages * 1e6
    return [
        Figure("most messages a second", f"{result.acknowledged / result.seconds:,.0f} from {connections} connections"),
        Figure("CPU per message, stored", f"{cpu_us:.0f} µs"),
        Figure("its latency to PUBACK", f"p50 {result.p50_ms:.0f} ms, p99 {result.p99_ms:.0f} ms"),
        Figure("all stored after", f"{drained_s:.1f} s ({messages:,} messages)"),
        Figure("memory at most", f"{after.peak_mb:.0f} MB"),
    ]


def _stored(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/ingest/books", timeout=10) as answer:
        books: Any = orjson.loads(answer.read())
    return int(books["total"]["stored"])


def show(figures: Sequence[Figure], console: Console) -> None:
    """The figures as a table."""
    table = Table("figure", "measured", "goal", box=None, padding=(0, 2))
    for figure in figures:
        table.add_row(figure.name, f"[bold]{figure.value}[/]", figure.goal)
    console.print(table)
