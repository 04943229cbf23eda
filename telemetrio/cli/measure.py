"""Commands that send and measure: one message, a fleet that counts its losses, and what a message costs."""

import sys
from typing import Any

import click


@click.command()
@click.argument("topic")
@click.argument("message")
@click.option("--mqtt-port", type=click.IntRange(1, 65535), help="On this machine. Default: 1883.")
@click.option(
    "--mqtt-url", metavar="mqtt[s]://USER:PASSWORD@HOST", help="Default: TELEMETRIO_MQTT_URL, or this machine."
)
@click.option("--client-id", default="telemetrio-publish", show_default=True, help="A credential may ask for another.")
def publish(*, topic: str, message: str, mqtt_port: int | None, mqtt_url: str | None, client_id: str) -> None:
    """Send one MESSAGE to TOPIC as a device does, and wait until it is on disk."""
    import asyncio  # noqa: PLC0415

    from shared.broker import BrokerSettings  # noqa: PLC0415
    from shared.settings import read_settings  # noqa: PLC0415
    from telemetrio.publish import publish  # noqa: PLC0415

    url = f"mqtt://127.0.0.1:{mqtt_port}" if mqtt_port else mqtt_url
    settings = read_settings(BrokerSettings, mqtt_url=url)
    asyncio.run(publish(settings, client_id, topic, message.encode()))
    click.echo(f"acknowledged by {settings.address}: it is on disk")


@click.command()
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


@click.group()
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
@click.option("--against", metavar="telegraf=PATH", help="The same by this program too, by turns: A B A B.")
def bench_ingest(*, curve: bool, against: str | None, **plan: Any) -> None:
    """Of a worker between Mosquitto and a store: CPU per message, fsynced, booked, announced and stored."""
    import asyncio  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from telemetrio.against import against_telegraf, peer  # noqa: PLC0415
    from telemetrio.bench import show  # noqa: PLC0415
    from telemetrio.bench_ingest import Plan, bench_curve, bench_ingest  # noqa: PLC0415

    given, progress = Plan(**plan), Console(stderr=True)
    if against is not None:
        figures = asyncio.run(against_telegraf(given, peer(against, "telegraf"), progress))
    elif curve:
        figures = asyncio.run(bench_curve(given, progress))
    else:
        figures = asyncio.run(bench_ingest(given, progress)).figures
    show(figures, Console(width=None if sys.stdout.isatty() else 140))


@bench.command("realtime")
@click.option("--case", "cases", multiple=True, help="Some of: idle many steady full memory connect deaf socketio.")
@click.option(
    "--seconds", type=click.FloatRange(0.5, 600), default=10.0, show_default=True, help="Of each measurement."
)
@click.option("--server", "servers", multiple=True, help="Some of: hypercorn plain uvicorn. Default: hypercorn")
@click.option("--coalesce-ms", type=click.FloatRange(0, 1000), default=50.0, show_default=True)
@click.option(
    "--against", metavar="centrifugo=PATH", help="200 clients at 500 readings/s by this program too, by turns."
)
def bench_realtime(*, cases: tuple[str, ...], servers: tuple[str, ...], against: str | None, **plan: Any) -> None:
    """Of live readings: CPU per reading delivered, time from commit to client, memory of an idle client."""
    import asyncio  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from telemetrio.against import peer  # noqa: PLC0415
    from telemetrio.bench import show  # noqa: PLC0415
    from telemetrio.bench_realtime import CASES, SERVERS, Plan, bench_realtime  # noqa: PLC0415
    from telemetrio.centrifugo import against_centrifugo  # noqa: PLC0415

    for given, known in ((cases, CASES), (servers, SERVERS)):
        if unknown := set(given) - set(known):
            raise click.BadParameter(f"{min(unknown)}: there are {', '.join(known)}")
    asked, progress = Plan(cases or CASES, servers=servers or SERVERS[:1], **plan), Console(stderr=True)
    if against is None:
        figures = asyncio.run(bench_realtime(asked, progress))
    else:
        figures = asyncio.run(against_centrifugo(asked, peer(against, "centrifugo"), progress))
    show(figures, Console(width=None if sys.stdout.isatty() else 140))


@bench.command("end")
@click.option("--rate", "rates", type=click.IntRange(1, 20_000), multiple=True, help="Default: 5, 100, 1000, 5000.")
@click.option("--seconds", type=click.FloatRange(1, 600), default=15.0, show_default=True, help="Of each rate.")
def bench_end(*, rates: tuple[int, ...], seconds: float) -> None:
    """From end to end: the time from a device to a browser through `telemetrio up`, by messages a second."""
    import asyncio  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from telemetrio.bench import show  # noqa: PLC0415
    from telemetrio.bench_end import RATES, bench_end  # noqa: PLC0415

    figures = asyncio.run(bench_end(rates or RATES, seconds, Console(stderr=True)))
    show(figures, Console(width=None if sys.stdout.isatty() else 140))


@bench.command("api")
@click.option("--devices", type=click.IntRange(1, 10_000), default=1_000, show_default=True)
@click.option("--readings", type=click.IntRange(10, 10_000_000), default=1_000_000, show_default=True, help="In all.")
@click.option("--requests", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Of each kind.")
def bench_api(**plan: Any) -> None:
    """Of the HTTP API over InfluxDB: devices, a raw range, a day of many devices, an export of everything."""
    import asyncio  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from telemetrio.bench import show  # noqa: PLC0415
    from telemetrio.bench_api import Plan, bench_api  # noqa: PLC0415

    show(
        asyncio.run(bench_api(Plan(**plan), Console(stderr=True))), Console(width=None if sys.stdout.isatty() else 140)
    )
