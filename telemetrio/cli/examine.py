"""The command that looks whether all is well."""

import sys
from typing import Any
from urllib.parse import urlsplit

import click

from telemetrio.cli.options import data_dir


def _address(_context: click.Context, _option: click.Parameter, url: str) -> str:
    """As a browser would open it."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if url and not whole:
        raise click.BadParameter("this is no address: write it as https://iot.example.org")
    return url


@click.command()
@data_dir
@click.option(
    "--url",
    default="",
    callback=_address,
    help="What browsers open, like https://iot.example.org: to look at the proxy there.",
)
@click.option("--skip", multiple=True, metavar="CHECK", help="Leave this check out; several times for several.")
@click.option("--json", "as_program", is_flag=True, help="For programs.")
def doctor(*, url: str, skip: tuple[str, ...], as_program: bool, **flags: Any) -> None:
    """Look at broker, store, clock, disk, database, books and proxy, and say what to mend: then the exit code is 1.

    It reads the settings of the services, and leaves nothing behind but a probe point in the store.
    """
    import asyncio  # noqa: PLC0415 - each command imports what it needs

    from rich.console import Console  # noqa: PLC0415

    from telemetrio.doctor.examination import NAMES, examine, read_all  # noqa: PLC0415
    from telemetrio.doctor.report import as_json, show  # noqa: PLC0415
    from telemetrio.settings import refuse_unknown  # noqa: PLC0415

    refuse_unknown()
    if unknown := sorted(set(skip) - set(NAMES)):
        raise click.BadParameter(f"{unknown[0]}: there are {', '.join(NAMES)}", param_hint="--skip")
    patient, console = read_all(url, **flags), Console(stderr=True)
    with console.status("looking") as status:
        report = asyncio.run(examine(patient, skip, lambda name: status.update(f"looking at {name}")))
    if as_program:
        click.echo(as_json(report))
    else:
        show(report, Console(width=None if sys.stdout.isatty() else 160))
    sys.exit(0 if report.healthy else 1)
