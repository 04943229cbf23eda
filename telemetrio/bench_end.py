"""`telemetrio bench end`: how long a reading takes from a device to a browser, on the way through `telemetrio up`.

A device puts the time into each message as it sends it; a browser's place is taken by a WebSocket client that looks at
its clock when the reading arrives. In between: the broker, the judge, an fsync, the live feed, and the store beside it.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from telemetrio.audience import Heard
from telemetrio.bench import Figure, Running, load, running_up, usage
from telemetrio.conversation import conversation
from telemetrio.load import Job

RATES: Final = (5, 100, 1_000, 5_000)
_CONNECTIONS: Final = 50
_GOALS: Final = {5: "p50 15 ms", 5_000: "p99 100 ms"}
_WARM: Final = 200
_SETTLE_S: Final = 1.0


async def bench_end(rates: Sequence[int], seconds: float, console: Console) -> list[Figure]:
    """p50, p99 and the slowest of each rate, in messages a second; raises RuntimeError if a reading was missed."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="telemetrio-bench-") as directory:
        async with running_up(Path(directory)) as up:
            await load(Job(up.mqtt_port, _CONNECTIONS, _WARM, 0))  # every device is known before time counts
            await asyncio.sleep(_SETTLE_S)
            for rate in rates:
                console.print(f"{rate} messages a second for {seconds:.0f} s …")
                figures.append(await _at(up, rate, seconds))
    return figures


async def _at(up: Running, rate: int, seconds: float) -> Figure:
    job = Job(up.mqtt_port, min(rate, _CONNECTIONS), int(rate * seconds), rate, stamped=True)
    async with conversation("telemetrio.audience", f"ws://127.0.0.1:{up.http_port}/ws", "1") as browser:
        await browser.answer()
        await browser.ask()  # counts begin anew
        before = usage(up.process.pid)
        result = await load(job)
        cpu_s = usage(up.process.pid).cpu_s - before.cpu_s
        await asyncio.sleep(_SETTLE_S)
        heard = Heard(**await browser.ask())
    if heard.least != job.messages and not heard.gaps:
        raise RuntimeError(f"the browser got {heard.least} of {job.messages} readings")
    told = f"p50 {heard.p50_ms:.1f} ms, p99 {heard.p99_ms:.1f} ms, worst {heard.worst_ms:.0f} ms"
    busy = f", {cpu_s / result.seconds * 100:.0f} % of a core"
    return Figure(f"{rate:,} messages a second: device to browser", told + busy, _GOALS.get(rate, ""))
