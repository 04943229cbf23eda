"""Commands that carry a whole system into a file, and from a file into a system."""

import sys
from pathlib import Path
from typing import Any

import click

from telemetrio.cli.options import data_dir

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@data_dir
@click.option(
    "--start", default="", help="Readings from this time on, like 2026-01-31T00:00:00Z or -30d. Default: all."
)
@click.option("--end", default="", help="Readings up to this time. Default: the moment at which it begins.")
@click.option("--check", is_flag=True, help="Write nothing: read FILE, and say whether all of it is as it was written.")
def backup(*, file: Path, start: str, end: str, check: bool, **flags: Any) -> None:
    """Write all of a system, running or not, into one FILE: relational data, readings, dead letters.

    It holds hashes of passwords and keys, and is readable by its owner alone: keep it as you would keep these. Broken
    off, it goes on when the same command is given again.
    """
    from telemetrio.backup.command import back_up, check_only  # noqa: PLC0415 - each command imports what it needs

    if check:
        check_only(file)
    else:
        back_up(file, start, end, **flags)


@click.command()
@click.argument("file", type=_FILE)
@data_dir
@click.option("--replace", is_flag=True, help="Also into a system that is not empty: its relational data go.")
def restore(*, file: Path, replace: bool, **flags: Any) -> None:
    """Put what `telemetrio backup` wrote into FILE into an empty system, whichever database and store that has.

    Stop the system first, or have it not started yet. Broken off, it goes on when the same command is given again.
    """
    from telemetrio.backup.command import bring_back  # noqa: PLC0415 - each command imports what it needs

    sys.exit(bring_back(file, replace=replace, **flags))
