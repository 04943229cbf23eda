"""`telemetrio bench realtime --against centrifugo=PATH`: the same readings to as many clients, by Centrifugo.

Its clients connect without a token and subscribe to one channel; readings are published by its HTTP API, a hundred
batches a second. What it costs is what its process spends, publishing included; realtime is fed in its own process.
"""

import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from rich.console import Console

from telemetrio.against import Cost, in_turn
from telemetrio.audience import Heard
from telemetrio.bench import Figure, usage
from telemetrio.bench_ingest import accepts, free_port, start, until
from telemetrio.bench_realtime import Plan, measure_own
from telemetrio.conversation import conversation
from telemetrio.stage import BATCHES_PER_S, DEVICES, VALUES

CLIENTS: Final = 200
RATE: Final = 500
_KEY: Final = "of this run alone"
_WARM_S: Final = 1.0
_SETTLE_S: Final = 0.5


async def against_centrifugo(plan: Plan, program: Path, console: Console) -> list[Figure]:
    """Readings delivered by realtime and by Centrifugo: 200 clients at 500 readings a second."""

    async def ours() -> Cost:
        account, heard, peak_mb = await measure_own(plan, CLIENTS, RATE)
        return Cost(account.cpu_s / heard.readings * 1e6, heard.readings / account.seconds, peak_mb)

    runs = {"telemetrio": ours, "centrifugo": lambda: _centrifugo(plan, program)}
    return await in_turn(runs, console, "0.20")


async def _centrifugo(plan: Plan, program: Path) -> Cost:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telemetrio-bench-")))
        port = free_port()
        (folder / "config.json").write_text(json.dumps(_settings(port)))
        process = await start(stack, str(program), "--config", str(folder / "config.json"))
        await until(lambda: accepts(port))
        url = f"ws://127.0.0.1:{port}/connection/websocket"
        audience = await stack.enter_async_context(conversation("telemetrio.audience", url, str(CLIENTS), "centrifugo"))
        http = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
        await audience.answer()
        await _publish(http, _WARM_S)
        await audience.ask()
        before, begun = usage(process.pid), time.monotonic()
        published = await _publish(http, plan.seconds)
        seconds = time.monotonic() - begun
        await asyncio.sleep(_SETTLE_S)
        after, heard = usage(process.pid), Heard(**await audience.ask())
        if heard.least != published:
            raise RuntimeError(f"a client of Centrifugo got {heard.least} of {published} readings")
        return Cost((after.cpu_s - before.cpu_s) / heard.readings * 1e6, heard.readings / seconds, after.peak_mb)


def _settings(port: int) -> dict[str, Any]:
    return {
        "http_server": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
        "client": {"allow_anonymous_connect_without_token": True, "allowed_origins": ["*"]},
        "channel": {
            "without_namespace": {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True},
        },
        "http_api": {"key": _KEY},
    }


async def _publish(http: aiohttp.ClientSession, seconds: float) -> int:
    """RATE readings a second for so long; returns how many."""
    begun, published = time.monotonic(), 0
    while (passed_s := time.monotonic() - begun) < seconds:
        due = int(RATE * passed_s) - published
        if due:
            commands = [{"publish": {"channel": "bench", "data": reading_of(published + each)}} for each in range(due)]
            headers = {"X-API-Key": _KEY, "Content-Type": "application/json"}
            async with http.post("/api/batch", data=orjson.dumps({"commands": commands}), headers=headers) as answer:
                answer.raise_for_status()
            published += due
        await asyncio.sleep(1 / BATCHES_PER_S)
    return published


def reading_of(number: int) -> dict[str, Any]:
    """As realtime tells it."""
    second, fraction = divmod(time.time_ns(), 10**9)
    at = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"
    return {"device_id": f"device-{number % DEVICES}", "timestamp": at, "measurement": "sensor_data", "values": VALUES}
