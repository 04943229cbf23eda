"""The command line: one subcommand per file, imported only when it is asked for."""

import sys
from pathlib import Path
from typing import Any

import click

from shared.process import Refusal, run
from telemetrio import __version__

_data_dir = click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where files live. Default: ./data"
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="telemetrio")
def cli() -> None:
    """Takes measurements from fleets of devices, keeps every one of them, and shows them live."""


@cli.command()
@_data_dir
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
@_data_dir
@click.option("--source", help="This worker's stable, unique name. Default: ingest")
@click.option("--retire", is_flag=True, help="Take and store what the broker holds for it, end its session, and stop.")
def ingest(**flags: Any) -> None:
    """Take telemetry from a network broker (TELEMETRIO_MQTT_URL), keep it, store it, announce it."""
    from services.ingest.__main__ import main  # noqa: PLC0415
    from telemetrio.settings import refuse_unknown  # noqa: PLC0415

    refuse_unknown()
    sys.exit(main(**flags))


@cli.command()
@_data_dir
@click.option("--host", help="Where to listen. Default: 127.0.0.1")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the web. Default: 5000")
def api(**flags: Any) -> None:
    """Serve the HTTP API and the dashboard, beside `telemetrio ingest`, from PostgreSQL and InfluxDB or from files."""
    from services.api.__main__ import main  # noqa: PLC0415
    from telemetrio.settings import refuse_unknown  # noqa: PLC0415

    refuse_unknown()
    sys.exit(main(Path(__file__).parent / "web", **flags))


@cli.command()
@_data_dir
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


@cli.command()
@click.argument("kind", type=click.Choice(["ws", "asyncapi"]))
def schema(*, kind: str) -> None:
    """Print the JSON Schema of every live message (ws), or the AsyncAPI description (asyncapi)."""
    import json  # noqa: PLC0415

    from telemetrio.schema import asyncapi, json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema() if kind == "ws" else asyncapi(), indent=2, ensure_ascii=False))


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


@cli.group()
def db() -> None:
    """The relational database."""


@db.command("upgrade")
@_data_dir
def db_upgrade(**flags: Any) -> None:
    """Bring it to the newest version; every start does so, too."""
    from telemetrio.operator import migrate  # noqa: PLC0415

    migrate(**flags)


@cli.group()
def user() -> None:
    """Who may log in. Passwords are asked for, or read from a pipe."""


@user.command("add")
@click.argument("email")
@click.option("--name", default="", help="Default: what stands before the @.")
@click.option("--admin", "role", flag_value="admin", help="Make it an administrator.")
@click.option("--user", "role", flag_value="user", default="user", hidden=True)
@_data_dir
def user_add(**given: Any) -> None:
    """Add a user who can log in."""
    from telemetrio.operator import add_user  # noqa: PLC0415

    click.echo(f"user {add_user(**given)}")


@user.command("password")
@click.argument("email")
@_data_dir
def user_password(**given: Any) -> None:
    """Give a user another password; every session of theirs ends."""
    from telemetrio.operator import set_password  # noqa: PLC0415

    set_password(**given)


@cli.group()
def key() -> None:
    """Keys for programs."""


@key.command("add")
@click.argument("email")
@click.option("--name", required=True, help="What it is for.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(["read", "write", "live", "admin"]), required=True)
@click.option("--days", type=click.FloatRange(0, 3_650, min_open=True), help="Default: until it is revoked.")
@_data_dir
def key_add(*, email: str, name: str, scopes: tuple[str, ...], days: float | None, **flags: Any) -> None:
    """Make an API key that acts for a user, and print it, this once."""
    from telemetrio.operator import Wish, add_key  # noqa: PLC0415

    click.echo(add_key(Wish(email, name, list(scopes), days), **flags))


@bench.command("realtime")
@click.option("--case", "cases", multiple=True, help="Some of: idle many steady full memory connect deaf. Default: all")
@click.option(
    "--seconds", type=click.FloatRange(0.5, 600), default=10.0, show_default=True, help="Of each measurement."
)
@click.option("--server", "servers", multiple=True, help="Some of: hypercorn plain uvicorn. Default: hypercorn")
@click.option("--coalesce-ms", type=click.FloatRange(0, 1000), default=50.0, show_default=True)
def bench_realtime(*, cases: tuple[str, ...], servers: tuple[str, ...], **plan: Any) -> None:
    """Of live readings: CPU per reading delivered, time from commit to client, memory of an idle client."""
    import asyncio  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from telemetrio.bench import show  # noqa: PLC0415
    from telemetrio.bench_realtime import CASES, SERVERS, Plan, bench_realtime  # noqa: PLC0415

    for given, known in ((cases, CASES), (servers, SERVERS)):
        if unknown := set(given) - set(known):
            raise click.BadParameter(f"{min(unknown)}: there are {', '.join(known)}")
    asked = Plan(cases or CASES, servers=servers or SERVERS[:1], **plan)
    show(asyncio.run(bench_realtime(asked, Console(stderr=True))), Console())


def main() -> None:
    """Run a command; what somebody must mend is one sentence and an exit code, never a traceback."""
    try:
        cli(standalone_mode=True)
    except Refusal as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(refusal.code)


if __name__ == "__main__":
    main()
