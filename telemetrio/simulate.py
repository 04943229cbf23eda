"""`telemetrio simulate`: a fleet that speaks real MQTT, and a report of what became of every message.

Each message carries its own time, so that each can be looked for afterwards: what was acknowledged must be in the
store, once. A connection that is lost is made again, and what had no acknowledgement is sent again.
"""

import asyncio
import itertools
import time
from typing import Any, Final, NamedTuple

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from shared.process import ExitCode, Refusal
from telemetrio.fleet import Fleet, Report, Sender, samples

_MAX_CONNECTIONS: Final = 50
_TICK_S: Final = 0.02
_PAGE: Final = 10_000
_SETTLE_S: Final = 60.0


class Target(NamedTuple):
    """Where it is sent, and where it is looked for. Loopback alone: this makes load."""

    mqtt_port: int
    http_port: int


async def simulate(fleet: Fleet, target: Target, console: Console) -> Report:
    """Send, wait until the books have settled, then look for every message.

    Raises Refusal when nobody answers, or somebody who does not let it look.
    """
    report = Report()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{target.http_port}") as http:
        letters_before = await _ask(http, "/api/v1/dead-letters?page=1&per_page=1")
        with _progress(console) as progress:
            await _send(fleet, target, report, progress)
            await _settle(http, progress)
            await _look(http, fleet, report, progress)
        letters_after = await _ask(http, "/api/v1/dead-letters?page=1&per_page=1")
    report.dead_letters = letters_after["total"] - letters_before["total"]
    return report


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


async def _send(fleet: Fleet, target: Target, report: Report, progress: Progress) -> None:
    total = int(fleet.rate * fleet.seconds)
    bar = progress.add_task("sending", total=total)
    senders = [
        Sender(f"simulate-{number}", target.mqtt_port, report) for number in range(min(fleet.devices, _MAX_CONNECTIONS))
    ]
    source = samples(fleet, seed=time.time_ns())
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sender.run()) for sender in senders]
        while report.sent < total:
            due = min(total, int((time.monotonic() - begun) * fleet.rate) + 1)
            for sample in itertools.islice(source, due - report.sent):
                senders[hash(sample.device_id) % len(senders)].offer(sample)
                report.sent += 1
            progress.update(bar, completed=len(report.latencies_s))
            await asyncio.sleep(_TICK_S)
        deadline = time.monotonic() + _SETTLE_S
        while any(sender.unacknowledged for sender in senders) and time.monotonic() < deadline:
            progress.update(bar, completed=len(report.latencies_s))
            await asyncio.sleep(_TICK_S)
        report.seconds = time.monotonic() - begun
        progress.update(bar, completed=len(report.latencies_s))
        for task in tasks:
            task.cancel()


async def _settle(http: aiohttp.ClientSession, progress: Progress) -> None:
    """Wait until nothing is spooled any more, for a while at most."""
    bar = progress.add_task("storing", total=None)
    deadline = time.monotonic() + _SETTLE_S
    await asyncio.sleep(1.5)  # books are shown once a second
    while time.monotonic() < deadline:
        spooled = (await _ask(http, "/api/v1/ingest/books"))["total"]["spooled"]
        progress.update(bar, description=f"{spooled} spooled")
        if spooled == 0:
            break
        await asyncio.sleep(0.5)
    progress.update(bar, total=1, completed=1)


async def _look(http: aiohttp.ClientSession, fleet: Fleet, report: Report, progress: Progress) -> None:
    bar = progress.add_task("looking", total=fleet.devices)
    for device_id, expected in report.acknowledged.items():
        found = await _stored(http, device_id, min(expected), max(expected))
        ours = [ts_ns for ts_ns in found if ts_ns in expected]
        report.stored += len(set(ours))
        report.doubled += len(ours) - len(set(ours))
        report.lost += len(expected - set(ours))
        progress.advance(bar)
    progress.update(bar, completed=fleet.devices)


async def _stored(http: aiohttp.ClientSession, device_id: str, first_ns: int, last_ns: int) -> list[int]:
    found: list[int] = []
    path = f"/api/v1/devices/{device_id}/readings?start={first_ns}&end={last_ns + 1}&epoch=ns&limit={_PAGE}"
    cursor: str | None = ""
    while cursor is not None:
        page = await _ask(http, path + (f"&cursor={cursor}" if cursor else ""))
        found += [reading["timestamp"] for reading in page["data"]]
        cursor = page["cursor"]
    return found


async def _ask(http: aiohttp.ClientSession, path: str) -> Any:
    try:
        async with http.get(path) as answer:
            answer.raise_for_status()
            return await answer.json()
    except aiohttp.ClientConnectorError as error:
        raise Refusal(f"{error}: start `telemetrio up` first, or give its port with --port", ExitCode.DIED) from error
    except aiohttp.ClientResponseError as error:
        where, mend = error.request_info.url.origin(), "give the port of a `telemetrio up` in open mode with --port"
        raise Refusal(f"{where} answers {error.status}: {mend}", ExitCode.DIED) from error


def show(report: Report, console: Console) -> None:
    """The report as a table."""
    latencies = sorted(report.latencies_s) or [0.0]
    table = Table(show_header=False, box=None, padding=(0, 2))
    rows: list[tuple[str, Any, str]] = [
        ("sent", report.sent, f"in {report.seconds:.1f} s, {report.sent / max(report.seconds, 0.001):.0f} a second"),
        ("acknowledged", report.good_acknowledged + report.bad_acknowledged, f"{report.bad_acknowledged} bad ones"),
        ("stored", report.stored, "found by the API"),
        ("dead letters", report.dead_letters, "new ones while this ran"),
        ("lost", report.lost, "acknowledged and not found"),
        ("doubled", report.doubled, "found more than once"),
    ]
    for name, number, remark in rows:
        bad = name in {"lost", "doubled"} and number
        table.add_row(name, f"[{'red' if bad else 'bold'}]{number:,}[/]", f"[dim]{remark}[/]")
    share = {name: latencies[min(len(latencies) - 1, int(len(latencies) * q))] * 1000 for name, q in _QUANTILES}
    table.add_row("latency", "", f"to acknowledgement: {', '.join(f'{k} {v:.1f} ms' for k, v in share.items())}")
    console.print(table)


_QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
