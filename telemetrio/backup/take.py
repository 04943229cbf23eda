"""`telemetrio backup`: all of a running system into one file, without stopping it.

It is written beside its name, as `….partial`, and gets its name when it is whole. What broke off goes on.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydantic import ValidationError
from rich.progress import Progress

from shared.database.tables import metadata
from shared.process import ExitCode, Refusal
from shared.times import MAX_NS, MIN_NS, iso_ns, parse_time_ns
from telemetrio import __version__
from telemetrio.backup import history, relational
from telemetrio.backup.archive import Damaged, Folder, Writer, parts_of
from telemetrio.backup.manifest import DATABASE, HEADER, MANIFEST, Entry, Header, Manifest, Tables, rows_of
from telemetrio.backup.system import System, at_rest


class Wanted(NamedTuple):
    """Which readings, by their own time, as somebody wrote it; empty: all."""

    start: str = ""
    end: str = ""


class Begun(NamedTuple):
    """A backup that broke off: whole up to byte `end`. `last`: its last reading."""

    header: Header
    tables: Tables
    entries: list[Entry]
    last: bytes | None
    end: int


async def take(file: Path, wanted: Wanted, system: System, progress: Progress) -> Manifest:
    """Write `file`; raises Refusal, StoreError, SQLAlchemyError and OSError, and goes on when it is called again."""
    unfinished = _unfinished(file)
    with _held(unfinished) as opened:
        begun = found(opened)
        if begun is None:
            writer, tables, header = await _begin(opened, wanted, system, progress)
        else:
            _check_same(begun.header, unfinished, wanted, system)
            opened.seek(begun.end)
            opened.truncate()
            writer, tables, header = Writer(opened, begun.entries), begun.tables, begun.header
        _say_spooled(tables, progress)
        await _readings(writer, header, system, progress, None if begun is None else begun.last)
        manifest = Manifest(finished_ns=time.time_ns(), parts=writer.entries)
        writer.document(MANIFEST, manifest)
        writer.end()
        opened.truncate()
        os.fsync(opened.fileno())
        unfinished.rename(file)
    _sync_folder(file.parent)
    return manifest


def _unfinished(file: Path) -> Path:
    if file.exists():
        raise Refusal(f"{file} exists: give another name, or move it away", ExitCode.WRONG_SETTINGS)
    return file.with_name(f"{file.name}.partial")


@contextmanager
def _held(path: Path) -> Iterator[BinaryIO]:
    """Readable by its owner alone: there are hashes of passwords and keys in it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        os.fchmod(descriptor, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refusal(f"{path} is being written by another backup", ExitCode.WRONG_SETTINGS) from error
        yield file


def found(file: BinaryIO) -> Begun | None:
    """How far it came; None: not to the end of the relational data, which must be of one moment."""
    header, tables, last, end = None, None, None, 0
    entries: list[Entry] = []
    with suppress(Damaged, ValidationError):  # up to there it is good
        for part in parts_of(file):
            if part.name == HEADER:
                header = Header.model_validate_json(part.data)
            elif part.name == DATABASE:
                tables = Tables.model_validate_json(part.data)
            elif part.folder == history.READINGS or part.name.startswith(f"{relational.FOLDER}/"):
                entries.append(part.entry)
                last = part.lines[-1] if part.folder == history.READINGS else None
            else:
                break
            end = part.end
    if header is None or tables is None:
        return None
    return Begun(header, tables, entries, last, end)


async def _begin(file: BinaryIO, wanted: Wanted, system: System, progress: Progress) -> tuple[Writer, Tables, Header]:
    file.seek(0)
    file.truncate()
    writer = Writer(file)
    rows: dict[str, int] = {}
    async with relational.one_moment(system.engine) as connection:
        header = _header(wanted, system, await relational.check_revision(connection))
        writer.document(HEADER, header)
        task = progress.add_task("relational data", total=len(metadata.sorted_tables))
        for table in metadata.sorted_tables:
            folder = Folder(writer, relational.folder_of(table.name))
            async for line in relational.lines_of(connection, table):
                folder.add(line)
            folder.close()
            rows[table.name] = folder.rows
            progress.advance(task)
        tables = Tables(rows=rows, spooled=await relational.spooled(connection))
    writer.document(DATABASE, tables)
    return writer, tables, header


def _header(wanted: Wanted, system: System, revision: str) -> Header:
    now_ns = time.time_ns()
    # of a system that stands still nothing is left out, not even what a clock that goes ahead has stamped
    whole = not system.settings.influxdb_url and at_rest(system.settings.data_dir)
    start_ns = _moment("--start", wanted.start, now_ns, MIN_NS)
    end_ns = _moment("--end", wanted.end, now_ns, MAX_NS if whole else now_ns)
    if start_ns >= end_ns:
        raise Refusal("--start must be before --end", ExitCode.WRONG_SETTINGS)
    return Header(
        id=secrets.token_hex(8),
        version=__version__,
        revision=revision,
        begun_ns=now_ns,
        start_ns=start_ns,
        end_ns=end_ns,
        asked=_asked(wanted),
        system=system.digest,
    )


def _moment(option: str, text: str, now_ns: int, otherwise: int) -> int:
    try:
        return parse_time_ns(text, now_ns) if text else otherwise
    except ValueError as error:
        raise Refusal(f"{option}: {error}", ExitCode.WRONG_SETTINGS) from error


def _asked(wanted: Wanted) -> str:
    return f"{wanted.start}/{wanted.end}"


def _check_same(header: Header, unfinished: Path, wanted: Wanted, system: System) -> None:
    mend = f"give another name, or delete {unfinished.name}"
    if header.system != system.digest:
        raise Refusal(f"{unfinished} is of another system: {mend}", ExitCode.WRONG_SETTINGS)
    if header.asked != _asked(wanted):
        raise Refusal(f"{unfinished} is of another range of time: {mend}", ExitCode.WRONG_SETTINGS)


def _say_spooled(tables: Tables, progress: Progress) -> None:
    if tables.spooled:
        progress.console.print(
            f"{tables.spooled} entries wait in the outbox and are not in this archive (docs/backup.md says what to do)"
        )


async def _readings(writer: Writer, header: Header, system: System, progress: Progress, after: bytes | None) -> None:
    before = rows_of(writer.entries, history.READINGS)
    if before:
        progress.console.print(f"goes on after {before} readings, as of {iso_ns(header.begun_ns)}")
    task = progress.add_task("readings, by device", total=None)
    told = partial(progress.update, task)
    folder = Folder(writer, history.READINGS)
    async for line in history.readings(system, header, lambda through, of: told(completed=through, total=of), after):
        folder.add(line)
    folder.close()
    notes = Folder(writer, history.LATE)
    async for line in history.late(system, header):
        notes.add(line)
    notes.close()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
