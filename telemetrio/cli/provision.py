"""Commands of deploy/compose.yaml: what its servers need before the services start."""

from pathlib import Path

import click

_file = click.Path(dir_okay=False, path_type=Path)
_folder = click.Path(file_okay=False, path_type=Path)


@click.group()
def provision() -> None:
    """Prepare a Mosquitto or an InfluxDB of your own; again, to bring them up to date."""


@provision.command("broker")
@click.option("--file", type=_file, required=True, help="Mosquitto's dynamic-security file. Mosquitto must be down.")
@click.option("--secrets", "secrets_dir", type=_folder, required=True, help="Holds broker-*.password of each service.")
@click.option("--device-prefix", "prefixes", multiple=True, default=["iot/devices"], show_default=True)
def provision_broker(*, file: Path, secrets_dir: Path, prefixes: tuple[str, ...]) -> None:
    """Give our services their clients and roles in Mosquitto's dynamic security; all others stay as they are."""
    from telemetrio.provision.broker import provision as work  # noqa: PLC0415 - each command imports what it needs

    changed = work(file, secrets_dir, prefixes)
    click.echo(f"{file}: {'brought up to date, for the next start of Mosquitto' if changed else 'as it should be'}")


@provision.command("store")
@click.option("--url", required=True, help="http://host:8086 of an InfluxDB 1.x or 2.x.")
@click.option("--org", default="telemetrio", show_default=True, help="On 2.x.")
@click.option("--bucket", default="telemetrio", show_default=True, help="On 1.x the database.")
@click.option("--retention-days", type=click.IntRange(0, 36_500), default=0, help="0: what the bucket says stays.")
@click.option("--secrets", "secrets_dir", type=_folder, required=True, help="Holds influxdb-admin.password and .token.")
@click.option("--tokens", type=_folder, required=True, help="Where write/token and read/token are put.")
def provision_store(*, secrets_dir: Path, **given: object) -> None:
    """Set InfluxDB up once, with its bucket, a token that only writes and one that only reads."""
    from shared.settings import read_secret  # noqa: PLC0415 - see above
    from telemetrio.provision.store import Wanted  # noqa: PLC0415 - see above
    from telemetrio.provision.store import provision as work  # noqa: PLC0415 - see above

    try:
        password, token = (read_secret(secrets_dir / f"influxdb-admin.{kind}") for kind in ("password", "token"))
    except ValueError as error:
        raise click.ClickException(f"{error}; deploy/setup makes it") from error
    click.echo(work(Wanted(admin_password=password, admin_token=token, **given)))  # type: ignore[arg-type] # click's own
