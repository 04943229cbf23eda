"""What the commands `backup` and `restore` say: on standard error how far they are, then what came of it."""

from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shared.process import ExitCode, Refusal
from shared.times import MAX_NS, MIN_NS, iso_ns
from telemetrio.backup import check, history, relational, restore, system, take
from telemetrio.backup.archive import Damaged
from telemetrio.backup.manifest import Manifest, rows_of


def bars() -> Progress:
    """On a terminal they move; elsewhere only what is printed is seen."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def back_up(file: Path, start: str, end: str, **flags: Any) -> None:
    """Raises Refusal."""
    with bars() as progress:
        wanted = take.Wanted(start, end)
        manifest = system.run(partial(_taken, file, wanted, progress), **flags)
    click.echo(f"{file}: {_told(manifest)}")


async def _taken(file: Path, wanted: take.Wanted, progress: Progress, here: system.System) -> Manifest:
    return await take.take(file, wanted, here, progress)


def check_only(file: Path) -> None:
    """Raises Refusal for an archive that isn't whole."""
    try:
        with bars() as progress:
            seen = check.check(file, progress)
    except Damaged as error:
        raise Refusal(f"{file}: {error}", ExitCode.DIED) from error
    header = seen.header
    start = "the oldest" if header.start_ns == MIN_NS else iso_ns(header.start_ns)
    end = "the newest" if header.end_ns == MAX_NS else iso_ns(header.end_ns)
    click.echo(f"{file}: whole. {_told(seen.manifest)}")
    click.echo(f"begun {iso_ns(header.begun_ns)} by telemetrio {header.version}; readings from {start} up to {end}")


def bring_back(file: Path, *, replace: bool, **flags: Any) -> ExitCode:
    """Raises Refusal; DIED where the store refused some readings."""
    with bars() as progress:
        work = partial(_restored, file, replace, progress)
        done = system.run(work, new=True, **flags)
    click.echo(f"restored {_told(done.archive.manifest)}")
    if done.refused:
        click.echo(f"the store refused {done.refused} readings: they are in {done.rest}", err=True)
        return ExitCode.DIED
    return ExitCode.STOPPED


async def _restored(file: Path, replace: bool, progress: Progress, here: system.System) -> restore.Restored:  # noqa: FBT001 - bound above
    return await restore.restore(file, replace=replace, system=here, progress=progress)


def _told(manifest: Manifest) -> str:
    rows = sum(entry.rows for entry in manifest.parts if entry.name.startswith(f"{relational.FOLDER}/"))
    return f"{rows_of(manifest.parts, history.READINGS)} readings, {rows} rows, {len(manifest.parts)} parts"
