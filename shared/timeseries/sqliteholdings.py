"""What is in the file of readings. Its tables are shared.timeseries.sqlite's, which makes them."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from shared.times import MAX_NS, MIN_NS
from shared.timeseries.holdings import LateNote
from shared.timeseries.store import LateRange, Unavailable

T = TypeVar("T")

_SELECT: Final = """
SELECT committed_ns, device_id, user_id, start_ns, end_ns, number FROM late
WHERE device_id = ? AND committed_ns >= ? AND committed_ns < ? ORDER BY committed_ns, user_id
"""
_INSERT: Final = "INSERT OR REPLACE INTO late VALUES (?, ?, ?, ?, ?, ?)"


class SqliteHoldings:
    """A Holdings. Each question has a connection of its own: there are few of them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def devices(self) -> Sequence[str]:
        return await self._names("SELECT DISTINCT device_id FROM series")

    async def noted(self) -> Sequence[str]:
        return await self._names("SELECT DISTINCT device_id FROM late")

    async def notes(self, device_id: str, start_ns: int, end_ns: int) -> Sequence[LateNote]:
        asked = (device_id, max(start_ns, MIN_NS), min(end_ns, MAX_NS))
        rows = await self._call(lambda connection: connection.execute(_SELECT, asked).fetchall())
        return [LateNote(committed_ns, LateRange(*late)) for committed_ns, *late in rows]

    async def note(self, notes: Sequence[LateNote]) -> None:
        rows = [(committed_ns, *late) for committed_ns, late in notes]

        def insert(connection: sqlite3.Connection) -> None:
            connection.executemany(_INSERT, rows)
            connection.commit()

        await self._call(insert)

    async def close(self) -> None:
        return

    async def _names(self, statement: str) -> list[str]:
        rows = await self._call(lambda connection: connection.execute(statement).fetchall())
        return sorted(name for (name,) in rows)

    async def _call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._do, work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with closing(sqlite3.connect(self._path, timeout=10)) as connection:
                return work(connection)
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path.name}: {error}") from error
