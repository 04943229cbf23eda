"""What the commands `export`, `import` and `deadletters` do and say."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from shared.process import ExitCode, Refusal
from telemetrio.remote import exports, imports, letters
from telemetrio.remote.site import Site, opened

T = TypeVar("T")


def _bars() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _run(work: Callable[[Site, Progress], Awaitable[T]], flags: Mapping[str, Any]) -> T:
    async def within() -> T:
        async with opened(**flags) as site:
            with _bars() as progress:
                return await work(site, progress)

    try:
        return asyncio.run(within())
    except OSError as error:
        raise Refusal(f"{error}", ExitCode.DIED) from error


def export(file: Path, query: Mapping[str, Any], given: str | None, **flags: Any) -> None:
    """Raises Refusal."""
    wanted = exports.Wanted(query, exports.format_of(file, given))
    size = _run(lambda site, progress: exports.export(site, file, wanted, progress), flags)
    click.echo(f"{file}: {size} bytes")


def bring_in(file: Path, **flags: Any) -> ExitCode:
    """Raises Refusal; DIED where some rows were refused."""
    account = _run(lambda site, progress: imports.send(site, file, progress), flags)
    click.echo(
        f"{account.rows} rows: {account.accepted} taken, {account.partly} of them in part, {account.refused} refused"
    )
    for problem in account.problems:
        click.echo(problem, err=True)
    more = account.refused + account.partly - len(account.problems)
    if more > 0:
        click.echo(
            f"and {more} more: {', '.join(f'{code} {number}' for code, number in account.codes.items())}", err=True
        )
    return ExitCode.DIED if account.refused or account.partly else ExitCode.STOPPED


def list_letters(wanted: letters.Filter, limit: int, **flags: Any) -> None:
    """Raises Refusal."""
    found, total = _run(lambda site, _: letters.listed(site, wanted, limit), flags)
    letters.show(found, total, Console(width=None if sys.stdout.isatty() else 200))


def show_letter(letter_id: int, *, raw: bool, **flags: Any) -> None:
    """Raises Refusal."""
    if raw:
        click.echo(_run(lambda site, _: letters.raw(site, letter_id), flags), nl=False)
        return
    letters.show_one(_run(lambda site, _: letters.one(site, letter_id), flags), Console(soft_wrap=True))


def command_letters(action: str, ids: Sequence[int], wanted: letters.Filter, **flags: Any) -> None:
    """Raises Refusal."""
    if bool(ids) == any(wanted.values()):
        raise Refusal("name either ids, or at least one of --code, --device and --kind", ExitCode.WRONG_SETTINGS)
    done = _run(lambda site, progress: letters.command(site, action, ids, wanted, progress), flags)
    click.echo(f"{done} letters handed to ingest")
