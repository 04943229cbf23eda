"""`--against`: the same work by a program that others use, in the same run, one after the other and again.

The program is the reader's own; nothing of it comes with telemetrio. Only the ratio of one run says something: the same
machine costs a quarter more from one hour to the next.
"""

import asyncio
import json
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from rich.console import Console

from shared.process import ExitCode, Refusal
from telemetrio.bench import Figure, load, usage
from telemetrio.bench_ingest import DATABASE, Plan, bench_ingest, start, start_influxd, start_mosquitto, until
from telemetrio.load import Job

ROUNDS: Final = 2
_WARM: Final = 5_000
_WAKE_S: Final = 3.0
_TELEGRAF: Final = """[agent]
  flush_interval = "200ms"
  metric_batch_size = 5000
  metric_buffer_limit = 200000
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{broker}"]
  topics = ["iot/devices/+/data"]
  qos = 1
  client_id = "bench"
  persistent_session = true
  max_undelivered_messages = 20000
  data_format = "json"
[[outputs.influxdb]]
  urls = ["http://127.0.0.1:{store}"]
  database = "{database}"
  skip_database_creation = true
  content_encoding = "identity"
"""


class Cost(NamedTuple):
    """Of one run: CPU a message (or reading delivered) in µs, how many a second, memory at most in MB."""

    cpu_us: float
    per_s: float
    peak_mb: float


Runs = dict[str, Callable[[], Coroutine[Any, Any, Cost]]]


def peer(given: str, name: str) -> Path:
    """The program in `name=PATH`. Raises Refusal where there is none."""
    said, _, path = given.partition("=")
    if said != name or not Path(path).is_file():
        raise Refusal(f"--against {given}: give {name}=PATH of a program that is there", ExitCode.WRONG_SETTINGS)
    return Path(path)


async def against_telegraf(plan: Plan, program: Path, console: Console) -> list[Figure]:
    """Messages taken by ingest and by Telegraf, each stored by an InfluxDB of its own."""

    async def ours() -> Cost:
        measured = await bench_ingest(plan, console)
        cpu_us = measured.cpu_s / plan.messages * 1e6
        return Cost(cpu_us, plan.messages / measured.seconds, measured.usage.peak_mb)

    return await in_turn({"telemetrio": ours, "telegraf": lambda: _telegraf(plan, program, console)}, console, "0.50")


async def in_turn(runs: Runs, console: Console, goal: str) -> list[Figure]:
    """A B A B: each run ROUNDS times, and what the first costs in parts of the second, by their medians."""
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            console.print(f"{name} …")
            costs[name].append(await run())
    ours, theirs = (median(cost.cpu_us for cost in each) for each in costs.values())
    return [
        *(_told(name, each) for name, each in costs.items()),
        Figure("ratio of CPU", f"{ours / theirs:.2f}", goal),
    ]


def _told(name: str, costs: Sequence[Cost]) -> Figure:
    cpu = " and ".join(f"{cost.cpu_us:.1f}" for cost in costs)
    rates = " and ".join(f"{cost.per_s:,.0f}" for cost in costs)
    return Figure(name, f"{cpu} µs each, {rates} a second, {max(cost.peak_mb for cost in costs):.0f} MB")


async def _telegraf(plan: Plan, program: Path, console: Console) -> Cost:
    """Between a Mosquitto and an InfluxDB of its own: no file of its own, no books, no announcements."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telemetrio-bench-")))
        broker, store = await start_mosquitto(stack, folder), await start_influxd(stack, folder)
        settings = folder / "telegraf.conf"
        settings.write_text(_TELEGRAF.format(broker=broker, store=store, database=DATABASE))
        process = await start(stack, str(program), "--config", str(settings))
        await asyncio.sleep(_WAKE_S)  # it says nowhere that it has subscribed

        async def run(messages: int) -> None:
            goal = await asyncio.to_thread(_stored, store) + messages
            await load(Job(broker, plan.connections, messages, rate=0, devices=plan.devices))
            await until(lambda: _stored(store) >= goal)

        await run(_WARM)
        console.print(f"{plan.messages} messages of {plan.devices} devices …")
        before, begun = usage(process.pid), time.monotonic()
        await run(plan.messages)
        after = usage(process.pid)
        cpu_us = (after.cpu_s - before.cpu_s) / plan.messages * 1e6
        return Cost(cpu_us, plan.messages / (time.monotonic() - begun), after.peak_mb)


def _stored(port: int) -> int:
    asked = urllib.parse.urlencode({"db": DATABASE, "q": "SELECT count(temperature) FROM mqtt_consumer"})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/query?{asked}", timeout=30) as answer:
        (result,) = json.load(answer)["results"]
    return int(result["series"][0]["values"][0][1]) if "series" in result else 0
