"""The command line: one subcommand per file, imported only when it is asked for."""

import sys
from pathlib import Path
from typing import Any

import click

from shared.process import Refusal, run
from telemetrio import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="telemetrio")
def cli() -> None:
    """Takes measurements from fleets of devices, keeps every one of them, and shows them live."""


@cli.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where files live. Default: ./data")
@click.option("--host", help="Where to listen. Default: localhost (127.0.0.1 and ::1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the web. Default: 5000")
@click.option("--mqtt-port", type=click.IntRange(0, 65535), help="Port of MQTT. Default: 1883")
@click.option("--demo", is_flag=True, help="With a few devices that speak, to have something to look at.")
def up(*, demo: bool, **flags: Any) -> None:
    """Everything in one process, with nothing else installed."""
    from shared.logs import configure_logs  # noqa: PLC0415 - each command imports what it needs
    from telemetrio.up import read_all, up  # noqa: PLC0415

    settings = read_all(**flags)
    configure_logs(settings.up.log_level, settings.up.log_format)
    sys.exit(run(lambda stop: up(settings, stop, demo=demo), grace_s=settings.up.drain_s + 7))


@cli.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where files live. Default: ./data")
@click.option("--source", help="This worker's stable, unique name. Default: ingest")
@click.option("--retire", is_flag=True, help="Take and store what the broker holds for it, end its session, and stop.")
def ingest(**flags: Any) -> None:
    """Take telemetry from a network broker (TELEMETRIO_MQTT_URL), keep it, store it, announce it."""
    from services.ingest.__main__ import main  # noqa: PLC0415
    from telemetrio.settings import refuse_unknown  # noqa: PLC0415

    refuse_unknown()
    sys.exit(main(**flags))


@cli.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where files live. Default: ./data")
@click.option("--host", help="Where to listen. Default: 127.0.0.1")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the live streams. Default: 5001")
def realtime(**flags: Any) -> None:
    """Tell clients live what every ingest announces on the broker (TELEMETRIO_MQTT_URL)."""
    from services.realtime.__main__ import main  # noqa: PLC0415
    from telemetrio.settings import refuse_unknown  # noqa: PLC0415

    refuse_unknown()
    sys.exit(main(**flags))


@cli.command()
@click.option("--devices", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many devices.")
@click.option("--rate", type=click.FloatRange(0.1, 50_000), default=100.0, show_default=True, help="Messages a second.")
@click.option("--seconds", type=click.FloatRange(0.1, 86_400), default=30.0, show_default=True, help="For how long.")
@click.option("--bad", default="0%", show_default=True, help="Share of bad messages, like 1%.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port of the API.")
@click.option("--mqtt-port", type=click.IntRange(1, 65535), default=1883, show_default=True, help="Port of MQTT.")
def simulate(*, bad: str, port: int, mqtt_port: int, **fleet: Any) -> None:
    """Send as a fleet does, then look for every message: what was sent, acknowledged, stored, lost, doubled."""
    import asyncio  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from telemetrio.fleet import Fleet  # noqa: PLC0415
    from telemetrio.simulate import Target, show, simulate  # noqa: PLC0415

    try:
        share = float(bad.removesuffix("%")) / 100
    except ValueError as error:
        raise click.BadParameter("a share like 1% or 0.5%", param_hint="--bad") from error
    console = Console(stderr=True)
    report = asyncio.run(simulate(Fleet(**fleet, bad=share), Target(mqtt_port, port), console))
    show(report, Console(width=None if sys.stdout.isatty() else 120))
    sys.exit(0 if report.clean else 1)


@cli.group()
def bench() -> None:
    """Measure this machine: CPU per message, and what it could take. Loopback only, bounded, stops by itself."""


@bench.command("up")
@click.option("--messages", type=click.IntRange(1_000, 2_000_000), default=100_000, show_default=True)
@click.option("--connections", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--seconds", type=click.FloatRange(1, 600), default=15.0, show_default=True, help="Of the paced part.")
def bench_up(*, messages: int, connections: int, seconds: float) -> None:
    """Of `telemetrio up`: time to ready, idle memory, CPU at 1,000 messages a second, most messages a second."""
    import asyncio  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from telemetrio.bench import bench_up, show  # noqa: PLC0415

    show(asyncio.run(bench_up(messages, connections, seconds, Console(stderr=True))), Console())


@bench.command("ingest")
@click.option("--messages", type=click.IntRange(1_000, 5_000_000), default=300_000, show_default=True)
@click.option("--devices", type=click.IntRange(1, 100_000), default=1_000, show_default=True)
@click.option("--connections", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--store", type=click.Choice(["influxdb", "sqlite"]), default="influxdb", show_default=True)
@click.option("--curve", is_flag=True, help="One run each for 100 to 100,000 devices.")
def bench_ingest(*, curve: bool, **plan: Any) -> None:
    """Of a worker between Mosquitto and a store: CPU per message, fsynced, booked, announced and stored."""
    import asyncio  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from telemetrio.bench import show  # noqa: PLC0415
    from telemetrio.bench_ingest import Plan, bench_curve, bench_ingest  # noqa: PLC0415

    given, progress = Plan(**plan), Console(stderr=True)
    show(
        asyncio.run(bench_curve(given, progress)) if curve else asyncio.run(bench_ingest(given, progress)).figures,
        Console(),
    )


def main() -> None:
    """Run a command; what somebody must mend is one sentence and an exit code, never a traceback."""
    try:
        cli(standalone_mode=True)
    except Refusal as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(refusal.code)


if __name__ == "__main__":
    main()
