"""Commands that run until they are stopped: everything in one process, or one service."""

import sys
from pathlib import Path
from typing import Any

import click

from shared.process import run
from telemetrio.cli.options import data_dir


@click.command()
@data_dir
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


@click.command()
@data_dir
@click.option("--source", help="This worker's stable, unique name. Default: ingest")
@click.option("--retire", is_flag=True, help="Take and store what the broker holds for it, end its session, and stop.")
def ingest(**flags: Any) -> None:
    """Take telemetry from a network broker (TELEMETRIO_MQTT_URL), keep it, store it, announce it."""
    from services.ingest.__main__ import main  # noqa: PLC0415
    from telemetrio.settings import refuse_unknown  # noqa: PLC0415

    refuse_unknown()
    sys.exit(main(**flags))


@click.command()
@data_dir
@click.option("--host", help="Where to listen. Default: 127.0.0.1")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the web. Default: 5000")
def api(**flags: Any) -> None:
    """Serve the HTTP API and the dashboard, beside `telemetrio ingest`, from PostgreSQL and InfluxDB or from files."""
    from services.api.__main__ import main  # noqa: PLC0415
    from telemetrio.settings import refuse_unknown  # noqa: PLC0415

    refuse_unknown()
    sys.exit(main(Path(__file__).parents[1] / "web", **flags))


@click.command()
@data_dir
@click.option("--host", help="Where to listen. Default: 127.0.0.1")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the live streams. Default: 5001")
def realtime(**flags: Any) -> None:
    """Tell clients live what every ingest announces on the broker (TELEMETRIO_MQTT_URL)."""
    from services.realtime.__main__ import main  # noqa: PLC0415
    from telemetrio.settings import refuse_unknown  # noqa: PLC0415

    refuse_unknown()
    sys.exit(main(**flags))
