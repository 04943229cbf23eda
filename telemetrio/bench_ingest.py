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
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from rich.console import Console

from shared.process import ExitCode, Refusal
from telemetrio.account import STAGES, Account, read_account
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
DATABASE: Final = "telemetrio"
_WITHIN_S: Final = 300.0
_CURVE: Final = (100, 1_000, 10_000, 100_000)
_GOALS: Final = {1_000: "9.6 µs", 100_000: "25 µs"}


class Plan(NamedTuple):
    """`store`: `influxdb` (influxd 1.x on PATH) or `sqlite`."""

    messages: int
    devices: int
    connections: int
    store: str


async def bench_ingest(plan: Plan, console: Console) -> "Measured":
    """Raises Refusal when Mosquitto or InfluxDB isn't installed."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telemetrio-bench-")))
        broker_port = await start_mosquitto(stack, folder)
        environment = {
            "TELEMETRIO_MQTT_URL": f"mqtt://127.0.0.1:{broker_port}",
            "TELEMETRIO_UNKNOWN_DEVICES": "register",
        }
        if plan.store == "influxdb":
            environment["TELEMETRIO_INFLUXDB_URL"] = f"http://127.0.0.1:{await start_influxd(stack, folder)}"
        health_port = free_port()
        environment["TELEMETRIO_HEALTH_PORT"] = str(health_port)
        worker = await start(
            stack, sys.executable, "-m", "telemetrio", "ingest", "--data-dir", str(folder / "data"), **environment
        )
        await until(lambda: _ask(health_port, "/readyz").get("ready"))
        console.print("warming up …")
        await _run(plan._replace(messages=max(2_000, plan.devices)), broker_port, health_port)
        console.print(f"{plan.messages} messages of {plan.devices} devices …")
        url = f"http://127.0.0.1:{health_port}"
        account, before, begun = read_account(url), usage(worker.pid), time.monotonic()
        await _run(plan, broker_port, health_port)
        seconds, after = time.monotonic() - begun, usage(worker.pid)
        return Measured(plan, seconds, after.cpu_s - before.cpu_s, after, read_account(url).since(account))


class Measured(NamedTuple):
    """What one run has cost the worker: wall and CPU in seconds, its memory then, and its own account."""

    plan: Plan
    seconds: float
    cpu_s: float
    usage: Usage
    account: Account

    @property
    def figures(self) -> list[Figure]:
        """The report: all of it for each message, then by stage."""
        account, each = self.account, 1e6 / self.plan.messages
        rest_s = self.cpu_s - sum(account.cpu_s.values())
        stages = [*((stage, account.cpu_s.get(stage, 0.0)) for stage in STAGES), ("everything else", rest_s)]
        return [
            Figure("ingest CPU per message", f"{self.cpu_s * each:.1f} µs", "9.6 µs"),
            Figure("messages a second, stored", f"{self.plan.messages / self.seconds:,.0f}"),
            Figure("memory now, at most", f"{self.usage.resident_mb:.0f} MB, {self.usage.peak_mb:.0f} MB", "150 MB"),
            *(Figure(f"  of the CPU: {stage}", f"{spent_s * each:.1f} µs") for stage, spent_s in stages),
            Figure("commits, fsyncs", f"{account.commits:,.0f}, {account.transactions:,.0f}"),
            Figure("writes to the store", f"{account.writes:,.0f}"),
            Figure("store", self.plan.store),
        ]


async def bench_curve(plan: Plan, console: Console) -> list[Figure]:
    """How the cost of a message grows with the number of devices: the same run for each, on empty servers."""
    figures = []
    for devices in _CURVE:
        measured = await bench_ingest(plan._replace(devices=devices), console)
        cpu_us = measured.cpu_s / plan.messages * 1e6
        told = f"{cpu_us:.1f} µs, {plan.messages / measured.seconds:,.0f}/s, {measured.usage.peak_mb:.0f} MB"
        figures.append(Figure(f"{devices:,} devices", told, _GOALS.get(devices, "")))
    return figures


async def _run(plan: Plan, broker_port: int, health_port: int) -> None:
    """Send all, and wait until all is stored."""
    goal = _ask(health_port, "/books").get("stored", 0) + plan.messages
    await load(Job(broker_port, plan.connections, plan.messages, rate=0, devices=plan.devices))
    await until(lambda: _ask(health_port, "/books").get("stored", 0) >= goal)


async def start_mosquitto(stack: AsyncExitStack, folder: Path) -> int:
    """Its port; it ends with `stack`. Raises Refusal when it isn't installed."""
    port = free_port()
    (folder / "mosquitto.conf").write_text(_MOSQUITTO.format(port=port))
    await start(stack, _program("mosquitto"), "-c", str(folder / "mosquitto.conf"))
    await until(lambda: accepts(port))
    return port


async def start_influxd(stack: AsyncExitStack, folder: Path) -> int:
    """The same, with an empty database."""
    port = free_port()
    (folder / "influxdb.conf").write_text(_INFLUX.format(folder=folder, port=port))
    await start(stack, _program("influxd"), "run", "-config", str(folder / "influxdb.conf"))
    await until(lambda: accepts(port))
    await asyncio.to_thread(_create_database, port)
    return port


def _create_database(port: int) -> None:
    form = f"q=CREATE+DATABASE+{DATABASE}".encode()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/query", form, timeout=10).close()


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        raise Refusal(f"{name} is not installed: scripts/peers installs it on Debian", ExitCode.PREREQUISITE_MISSING)
    return found


async def start(stack: AsyncExitStack, *command: str, **environment: str) -> Process:
    """A process that ends with `stack`, by its pid."""
    given = {**os.environ, **environment}
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL, stdin=DEVNULL, env=given)

    async def end() -> None:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()

    stack.push_async_callback(end)
    return process


async def until(holds: Any) -> None:
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


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """One that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return int(holder.getsockname()[1])
