"""Commands that ask a running system over HTTP: `up`, or the api behind its proxy, here or elsewhere."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_FILE = click.Path(dir_okay=False, path_type=Path)
_url = click.option("--url", help="The system. Default: http://127.0.0.1:5000. Its key: TELEMETRIO_API_KEY.")


@click.command("export")
@click.argument("file", type=_FILE)
@_url
@click.option("--devices", default="*", show_default=True, help="Of these, with commas between; *: of all.")
@click.option("--metrics", help="Only these, with commas between. Default: all.")
@click.option("--start", help="From this time on, like 2026-01-31T00:00:00Z or -7d. Default: the oldest.")
@click.option("--end", help="Up to this time. Default: the newest.")
@click.option("--format", "kind", type=click.Choice(["csv", "ndjson", "parquet"]), help="Default: by the name of FILE.")
@click.option("--shape", type=click.Choice(["wide", "long"]), help="Of CSV. Default: wide, a column for each metric.")
def export_readings(*, file: Path, kind: str | None, url: str | None, **query: Any) -> None:
    """Write readings into FILE. NDJSON that broke off goes on when the same command is given again."""
    from telemetrio.remote.command import export  # noqa: PLC0415 - each command imports what it needs

    export(file, query, kind, url=url)


@click.command("import")
@click.argument("file", type=_FILE)
@_url
def import_readings(*, file: Path, url: str | None) -> None:
    """Take readings from FILE, CSV or NDJSON, with an account of every row that was refused.

    Broken off, it goes on when the same command is given again.
    """
    from telemetrio.remote.command import bring_in  # noqa: PLC0415 - each command imports what it needs

    sys.exit(bring_in(file, url=url))


@click.group()
def deadletters() -> None:
    """What could not be stored: look at it, drive it again, discard it."""


def _chosen(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a filter."""
    command = click.option(
        "--code", multiple=True, help="Only with this reason, like unknown_device; may be repeated."
    )(command)
    command = click.option("--device", "device_id", multiple=True, help="Only of this device; may be repeated.")(
        command
    )
    kinds = click.Choice(["message", "part", "reading", "shed"])
    return click.option("--kind", type=kinds, help="Only of this kind.")(command)


@deadletters.command("list")
@_url
@_chosen
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many.")
def list_letters(*, url: str | None, limit: int, **wanted: Any) -> None:
    """The newest first."""
    from telemetrio.remote.command import list_letters  # noqa: PLC0415

    list_letters(wanted, limit, url=url)


@deadletters.command("show")
@click.argument("letter_id", metavar="ID", type=click.IntRange(1))
@_url
@click.option("--raw", is_flag=True, help="Nothing but the bytes that the device sent.")
def show_letter(*, letter_id: int, url: str | None, raw: bool) -> None:
    """One of them, with its payload."""
    from telemetrio.remote.command import show_letter  # noqa: PLC0415

    show_letter(letter_id, raw=raw, url=url)


@deadletters.command("redrive")
@click.argument("ids", nargs=-1, type=click.IntRange(1))
@_url
@_chosen
def redrive_letters(*, ids: tuple[int, ...], url: str | None, **wanted: Any) -> None:
    """Have those with these IDS, or all that match, judged again: after what was wrong has been mended."""
    from telemetrio.remote.command import command_letters  # noqa: PLC0415

    command_letters("redrive", ids, wanted, url=url)


@deadletters.command("discard")
@click.argument("ids", nargs=-1, type=click.IntRange(1))
@_url
@_chosen
@click.confirmation_option(prompt="They are gone for good. Go on?")
def discard_letters(*, ids: tuple[int, ...], url: str | None, **wanted: Any) -> None:
    """Give up those with these IDS, or all that match."""
    from telemetrio.remote.command import command_letters  # noqa: PLC0415

    command_letters("discard", ids, wanted, url=url)
