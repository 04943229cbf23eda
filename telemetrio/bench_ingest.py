"""`telemetrio bench ingest`: CPU per message of a worker between a real Mosquitto and a store, each its own process.

Messages are sent by a generator with so many connections; the broker's and the generator's cost are not counted.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from rich.console import Console

from shared.process import ExitCode, Refusal
from telemetrio.bench import Figure, Usage, load, usage
from telemetrio.load import Job

_MOSQUITTO: Final = "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n"
_INFLUX: Final = """reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[monitor]
store-enabled = false
[logging]
level = "error"
"""
_DATABASE: Final = "telemetrio"
_WITHIN_S: Final = 300.0


class Plan(NamedTuple):
    """`store`: `influxdb` (influxd 1.x on PATH) or `sqlite`."""

    messages: int
    devices: int
    connections: int
    store: str


async def bench_ingest(plan: Plan, console: Console) -> Sequence[Figure]:
    """Raises Refusal when Mosquitto or InfluxDB isn't installed."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telemetrio-bench-")))
        broker_port = await _start_mosquitto(stack, folder)
        environment = {
            "TELEMETRIO_MQTT_URL": f"mqtt://127.0.0.1:{broker_port}",
            "TELEMETRIO_UNKNOWN_DEVICES": "register",
        }
        if plan.store == "influxdb":
            environment["TELEMETRIO_INFLUXDB_URL"] = f"http://127.0.0.1:{await _start_influxd(stack, folder)}"
        health_port = _free_port()
        environment["TELEMETRIO_HEALTH_PORT"] = str(health_port)
        worker = await _start(
            stack, sys.executable, "-m", "telemetrio", "ingest", "--data-dir", str(folder / "data"), **environment
        )
        await _until(lambda: _ask(health_port, "/readyz").get("ready"))
        console.print("warming up …")
        await _run(plan._replace(messages=max(2_000, plan.devices)), broker_port, health_port)
        console.print(f"{plan.messages} messages of {plan.devices} devices …")
        before, begun = usage(worker.pid), time.monotonic()
        await _run(plan, broker_port, health_port)
        seconds = time.monotonic() - begun
        return _figures(plan, seconds, before, usage(worker.pid))


def _figures(plan: Plan, seconds: float, before: Usage, after: Usage) -> list[Figure]:
    cpu_us = (after.cpu_s - before.cpu_s) / plan.messages * 1e6
    return [
        Figure("ingest CPU per message", f"{cpu_us:.1f} µs", "9.6 µs"),
        Figure("messages a second, stored", f"{plan.messages / seconds:,.0f}"),
        Figure("memory now, at most", f"{after.resident_mb:.0f} MB, {after.peak_mb:.0f} MB", "150 MB"),
        Figure("store", plan.store),
    ]


async def _run(plan: Plan, broker_port: int, health_port: int) -> None:
    """Send all, and wait until all is stored."""
    goal = _ask(health_port, "/books").get("stored", 0) + plan.messages
    await load(Job(broker_port, plan.connections, plan.messages, rate=0, devices=plan.devices))
    await _until(lambda: _ask(health_port, "/books").get("stored", 0) >= goal)


async def _start_mosquitto(stack: AsyncExitStack, folder: Path) -> int:
    port = _free_port()
    (folder / "mosquitto.conf").write_text(_MOSQUITTO.format(port=port))
    await _start(stack, _program("mosquitto"), "-c", str(folder / "mosquitto.conf"))
    await _until(lambda: _accepts(port))
    return port


async def _start_influxd(stack: AsyncExitStack, folder: Path) -> int:
    port = _free_port()
    (folder / "influxdb.conf").write_text(_INFLUX.format(folder=folder, port=port))
    await _start(stack, _program("influxd"), "run", "-config", str(folder / "influxdb.conf"))
    await _until(lambda: _accepts(port))
    await asyncio.to_thread(_create_database, port)
    return port


def _create_database(port: int) -> None:
    form = f"q=CREATE+DATABASE+{_DATABASE}".encode()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/query", form, timeout=10).close()


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        raise Refusal(f"{name} is not installed: scripts/peers installs it on Debian", ExitCode.PREREQUISITE_MISSING)
    return found


async def _start(stack: AsyncExitStack, *command: str, **environment: str) -> Process:
    """A process that ends with `stack`, by its pid."""
    given = {**os.environ, **environment}
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL, stdin=DEVNULL, env=given)

    async def end() -> None:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()

    stack.push_async_callback(end)
    return process


async def _until(holds: Any) -> None:
    """Wait for a condition that is asked for on a thread; raises RuntimeError when it never holds."""
    deadline = time.monotonic() + _WITHIN_S
    while not await asyncio.to_thread(holds):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {_WITHIN_S:.0f} s")
        await asyncio.sleep(0.1)


def _ask(port: int, path: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            told: dict[str, Any] = orjson.loads(answer.read())
    except urllib.error.URLError:
        return {}
    return told


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return int(holder.getsockname()[1])
