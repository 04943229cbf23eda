"""Runs a soak on this machine, loopback only, and says what was lost, doubled or wrong: exit code 1 if anything was."""

import tempfile
import threading
import time
from array import array
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.peers.plant import DATABASE
from tests.peers.waiting import eventually
from tests.soak.ledger import judge
from tests.soak.listener import Listener
from tests.soak.page import page
from tests.soak.report import Live, Report, rows
from tests.soak.samples import Sampler
from tests.soak.schedule import Event, schedule
from tests.soak.servers import Servers
from tests.soak.speech import Speech

_DRAINED_WITHIN_S = 300.0
_HEARD_WITHIN_S = 60.0
_ON_ITS_WAY_S = 1.0

Identity = tuple[str, str]
"""(device, timestamp), as clients see them."""
Doubled = tuple[Identity, float, float]


def soak(minutes: float, rate: float, seed: int, devices: int, console: Console) -> Report:
    """Start everything, speak and break for so long, wait until all has settled, and judge."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Servers(Path(folder)) as servers:
        plant = servers.plant
        speech = Speech(plant.broker.port, "soak", devices)
        heard = list(speech.devices)[:2]
        listener = Listener(servers.realtime.url, heard)
        listening = plant.background.start(listener.run())
        eventually(lambda: listener.connections > 0, 20)
        plan = list(schedule(seed, minutes * 60))
        begun_s = time.monotonic()
        with Sampler(servers, speech) as sampler:
            speaking = plant.publishing(speech, int(minutes * 60 * rate), rate)
            events = _break(servers, plan, begun_s, console)
            speaking.result(_DRAINED_WITHIN_S)
            ended_s = time.monotonic()
            eventually(lambda: plant.worker.dependency("broker") == "ok", 60)
            eventually(lambda: _drained(servers, speech), _DRAINED_WITHIN_S)
            drained_s = time.monotonic() - ended_s
            owed = _owed(speech, heard)
            with suppress(AssertionError):  # then it says what it missed
                eventually(lambda: owed <= listener.seen, _HEARD_WITHIN_S)
        listening.cancel()
        kills_s = [begun_s + event.at_s for event in events if event.fault == "ingest killed"]
        repeated = repeats(listener.doubled, kills_s, _named(speech, speech.sent_again))
        acknowledged = speech.acknowledged
        letters = {bytes(payload) for *_, payload in plant.letters(speech)}
        return Report(
            seed,
            ended_s - begun_s,
            judge(acknowledged, speech.sent, speech.bad, _found(servers, speech), letters),
            Live(
                len(owed),
                len(owed - listener.seen),
                len(listener.doubled) - repeated,
                repeated,
                listener.gaps,
                listener.connections,
            ),
            events,
            sampler.samples,
            array("f", sorted(speech.puback_s)),
            array("f", sorted(listener.late_s)),
            drained_s,
            plant.books()["duplicates"],
        )


def _break(servers: Servers, plan: list[Event], begun_s: float, console: Console) -> list[Event]:
    """One after the other, each when it is due; what was broken is mended, whatever happens. Returns what was done."""
    pause, done = threading.Event(), []
    with Progress(TextColumn("{task.description:<28}"), BarColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=len(plan))
        for event in plan:
            pause.wait(max(0.0, begun_s + event.at_s - time.monotonic()))
            bar.update(task, description=event.fault)
            breaks, mends = servers.acts(event.fault)
            at_s = time.monotonic() - begun_s
            breaks()
            try:
                pause.wait(event.for_s)
            finally:
                mends()
            done.append(Event(at_s, event.fault, time.monotonic() - begun_s - at_s))
            bar.advance(task)
    return done


def repeats(doubled: list[Doubled], kills_s: list[float], sent_again: set[Identity]) -> int:
    """How many of what came twice had been sent twice: by their device, or by the broker after a kill of ingest.

    A moment before the kill counts as well: so long is the way from ingest to whoever listens.
    """
    return sum(
        identity in sent_again or any(first_s - _ON_ITS_WAY_S <= kill_s <= again_s for kill_s in kills_s)
        for identity, first_s, again_s in doubled
    )


def _drained(servers: Servers, speech: Speech) -> bool:
    books: dict[str, Any] = servers.plant.books()
    return bool(books["spooled"] == 0 and books["received"] >= len(speech.acknowledged))


def _owed(speech: Speech, devices: list[str]) -> set[Identity]:
    mine = {ts_ns for ts_ns in speech.acknowledged if ts_ns in speech.sent and speech.device_of(ts_ns) in devices}
    return _named(speech, mine)


def _named(speech: Speech, times_ns: set[int]) -> set[Identity]:
    """As the listener names them."""
    return {(speech.device_of(ts_ns), _stamp(ts_ns)) for ts_ns in times_ns if ts_ns in speech.sent}


def _stamp(ts_ns: int) -> str:
    whole = datetime.fromtimestamp(ts_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{ts_ns % 10**9:09}Z"


def _found(servers: Servers, speech: Speech) -> list[tuple[int, float]]:
    """Every point of the store, device by device."""
    found: list[tuple[int, float]] = []
    for device in speech.devices:
        statement = f"SELECT temperature FROM sensor_data WHERE device_id = '{device}'"  # noqa: S608 - our own words
        for each in servers.plant.influx.query(statement, DATABASE).get("series", []):
            found += [(row[0], row[1]) for row in each["values"]]
    return found


@click.command()
@click.option("--minutes", type=click.FloatRange(0.5, 24 * 60), default=30.0, show_default=True)
@click.option("--rate", type=click.FloatRange(1, 5_000), default=700.0, show_default=True, help="Messages a second.")
@click.option("--devices", type=click.IntRange(2, 1_000), default=50, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed breaks the same things.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), default=Path("soak.html"), show_default=True)
def main(minutes: float, rate: float, devices: int, seed: int, report: Path) -> None:
    """Speak, break, and look for every message that was acknowledged."""
    found = soak(minutes, rate, seed, devices, Console(stderr=True))
    table = Table(show_header=False, box=None, padding=(0, 2))
    for what, figure, remark in rows(found):
        table.add_row(what, f"[bold]{figure}[/]", f"[dim]{remark}[/]")
    Console(width=None if Console().is_terminal else 140).print(table)
    report.write_text(page(found))
    click.echo(f"plots: {report}", err=True)
    raise SystemExit(0 if found.clean else 1)


if __name__ == "__main__":
    main()
