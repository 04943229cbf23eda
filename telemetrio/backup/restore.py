"""`telemetrio restore`: an archive into an empty system, whichever database and store that has.

The relational data in one transaction; then readings, part by part. What is stored twice is stored once: whoever is
killed goes on with the part that was under way.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from rich.progress import Progress

from services.api.audit.queries import Event, add, has_event, note
from services.api.transfer.tables import NdjsonTable
from shared.database.migrations.upgrade import newest_revision, upgrade
from shared.database.tables import users
from shared.process import ExitCode, Refusal
from shared.readings import Reading, ReadingBatch
from shared.times import MIN_NS, iso_ns
from shared.timeseries.store import Denied, Refused
from telemetrio.backup import history, relational
from telemetrio.backup.archive import Part, parts_of
from telemetrio.backup.bookmark import Bookmark
from telemetrio.backup.check import Archive, check, opened
from telemetrio.backup.system import System, keep_still, patiently

_FOLDERS: Final = (history.READINGS, history.LATE)
_RESTORED: Final = "restored"


class Restored(NamedTuple):
    """`refused`: readings that the store will never take; they are in the file `rest`."""

    archive: Archive
    refused: int
    rest: Path


async def restore(file: Path, *, replace: bool, system: System, progress: Progress) -> Restored:
    """Raises Refusal, Damaged, StoreError, SQLAlchemyError and OSError; called again it goes on."""
    archive = check(file, progress)
    if archive.header.revision > newest_revision():
        raise Refusal(
            f"the archive is of a newer telemetrio, {archive.header.version}: restore it with that one",
            ExitCode.WRONG_SETTINGS,
        )
    with ExitStack() as stack:
        if system.on_files:
            keep_still(system.settings.data_dir, stack)
        await upgrade(system.engine)
        bookmark = Bookmark.of(file, archive.header.id, system.digest)
        await _compare(bookmark, archive, system)
        if not bookmark.database:
            await _relational(file, archive, bookmark, system, replace=replace)
        await _Readings(file, bookmark, system).run(archive, progress)
        async with system.engine.begin() as connection:
            await connection.run_sync(relational.go_on_counting, {users.name: bookmark.owner})
        await note(system.engine, _event(archive, "ok"))
        bookmark.remove()
    return Restored(archive, bookmark.refused, _rest(file))


async def _compare(bookmark: Bookmark, archive: Archive, system: System) -> None:
    """What a bookmark says may be gone: somebody who begins anew empties the system, and not the archive's folder.

    Where the store lets us write and not look, all is written again: what is there already is stored once.
    """
    if bookmark.database and not await has_event(system.engine, _RESTORED, _subject(archive)):
        bookmark.database = False
    if bookmark.parts:
        try:
            there = bool(await patiently(system.holdings.devices))
        except Denied:
            there = False
        if not there:
            bookmark.forget_readings()


async def _relational(file: Path, archive: Archive, bookmark: Bookmark, system: System, *, replace: bool) -> None:
    async with system.engine.connect() as connection:
        there = await connection.run_sync(relational.contents)
    if not replace and not (bookmark.begun and _is_from(there, archive)):
        await _check_empty(there, system, readings=not bookmark.begun)
    bookmark.begun = True
    bookmark.save()
    async with system.engine.connect() as connection:
        parts = partial(_parts, file, lambda name: name.startswith(f"{relational.FOLDER}/"))
        await connection.run_sync(relational.load, parts, archive.header.revision)
        await add(connection, _event(archive, "begun"))  # with the data, so that they can be told from others
        await connection.commit()
    bookmark.database = True
    bookmark.save()


def _is_from(there: dict[str, int], archive: Archive) -> bool:
    """Whether it was killed between its commit and the word of it: what is there is what the archive has."""
    has = {name: rows for name, rows in archive.tables.rows.items() if rows and name not in relational.BEGUN}
    return {name: rows for name, rows in there.items() if name in has or name != "users"} == has


async def _check_empty(there: dict[str, int], system: System, *, readings: bool) -> None:
    found = [f"{rows} rows in {table}" for table, rows in there.items()]
    if readings and (known := await patiently(system.holdings.devices)):
        found.append(f"readings of {len(known)} devices")
    if found:
        raise Refusal(
            f"the system is not empty: {', '.join(found)}. Restore into an empty one; or with --replace, which puts "
            "the relational data of the archive in place of those there, and adds its readings to those there",
            ExitCode.WRONG_SETTINGS,
        )


def _parts(file: Path, wanted: Callable[[str], bool]) -> Iterator[Part]:
    with opened(file) as archive:
        for part in parts_of(archive):
            if wanted(part.name):
                yield part


class _Readings:
    """The parts of readings, and of the index of those that came late, on their way into the store."""

    def __init__(self, file: Path, bookmark: Bookmark, system: System) -> None:
        self._file = file
        self._bookmark = bookmark
        self._system = system

    async def run(self, archive: Archive, progress: Progress) -> None:
        self._cut_rest()
        total = sum(entry.name.startswith(_FOLDERS) for entry in archive.manifest.parts)
        task = progress.add_task("readings, by part", total=total, completed=self._bookmark.parts)
        for number, part in enumerate(_parts(self._file, lambda name: name.startswith(_FOLDERS)), 1):
            if number > self._bookmark.parts:
                await self._put(part)
                self._bookmark.parts = number
                self._bookmark.save()
            progress.update(task, completed=number)

    async def _put(self, part: Part) -> None:
        if part.folder == history.LATE:
            await patiently(partial(self._system.holdings.note, history.decoded_late(part.lines)))
            return
        readings = history.decoded(part.lines)
        self._bookmark.owner = max([self._bookmark.owner, *(each.user_id for each in readings)])
        # committed at the beginning of time nothing is late: the index of those that were comes by itself
        batch = ReadingBatch("restore", self._bookmark.archive, 0, 0, 0, MIN_NS, readings)
        try:
            await patiently(partial(self._system.store.write, [batch]))
        except Refused as error:
            self._keep([readings[position] for position, _ in error.refused])

    def _keep(self, refused: Sequence[Reading]) -> None:
        """What the store refuses is not lost: it stands in a file beside the archive, as an import takes it."""
        with _rest(self._file).open("ab") as rest:
            rest.write(NdjsonTable(iso_ns).block(refused))
            self._bookmark.rest_bytes = rest.tell()
        self._bookmark.refused += len(refused)

    def _cut_rest(self) -> None:
        """What was written behind the last bookmark comes once more, and what another restore wrote is its own."""
        rest, length = _rest(self._file), self._bookmark.rest_bytes
        if not length:
            rest.unlink(missing_ok=True)
        elif rest.exists():
            os.truncate(rest, min(rest.stat().st_size, length))


def _rest(file: Path) -> Path:
    return file.with_name(f"{file.name}.refused.ndjson")


def _subject(archive: Archive) -> str:
    return f"archive {archive.header.id}"


def _event(archive: Archive, outcome: str) -> Event:
    return Event(time.time_ns(), None, _RESTORED, _subject(archive), "command line", outcome)
