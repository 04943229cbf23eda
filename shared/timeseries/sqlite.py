"""The store with nothing installed: SQLite, one narrow row per metric and moment, in a file of its own.

One thread writes and another reads (WAL lets them): neither ever blocks the loop or the other. `synchronous=FULL`: when
write() returns, the outbox may forget.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from shared.readings import Reading, ReadingBatch, Value
from shared.times import MAX_NS, MIN_NS
from shared.timeseries.fields import metric_of
from shared.timeseries.late import late_ranges
from shared.timeseries.sqlitenewest import select_newest
from shared.timeseries.sqlitewindows import select_windows
from shared.timeseries.store import LateQuery, LateRange, RawPage, RawQuery, Unavailable, WindowQuery, WindowSeries

T = TypeVar("T")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    measurement TEXT NOT NULL,
    field TEXT NOT NULL,           -- the metric, with __s for strings and __b for booleans
    UNIQUE (device_id, user_id, measurement, field)
);
CREATE TABLE IF NOT EXISTS points (
    series INTEGER NOT NULL,
    ts_ns INTEGER NOT NULL,
    value NOT NULL,
    PRIMARY KEY (series, ts_ns)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS late (      -- readings committed more than 60 s after their own time
    committed_ns INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (committed_ns, device_id, user_id)
) WITHOUT ROWID;
"""
_INSERT: Final = "INSERT INTO points VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_INSERT_LATE: Final = "INSERT OR REPLACE INTO late VALUES (?, ?, ?, ?, ?, ?)"
_SELECT_LATE: Final = """
SELECT device_id, user_id, min(start_ns), max(end_ns), sum(number) FROM late
WHERE committed_ns >= ? AND committed_ns < ? AND (? IS NULL OR user_id IN (SELECT value FROM json_each(?)))
GROUP BY device_id, user_id ORDER BY device_id, user_id
"""

_READ_WITHIN_S: Final = 60.0
_STEPS: Final = 100_000  # of SQLite's machine between two looks at the clock: a millisecond or so

_SeriesKey = tuple[str, int, str, str]


class SqliteStore:
    """A TimeSeriesStore in one file. `open()` makes the file and its tables; everything raises Unavailable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = _Connection(path)
        self._reader = _Connection(path, _READ_WITHIN_S)
        self._series: dict[_SeriesKey, int] = {}

    async def open(self) -> None:
        await self._writer.call(_create)
        self._series = await self._writer.call(_known_series)

    async def write(self, batches: Sequence[ReadingBatch]) -> None:
        await self._writer.call(partial(_write, series=self._series, batches=batches))

    async def raw(self, query: RawQuery) -> RawPage:
        return await self._reader.call(partial(_raw, query=query))

    async def newest(self, owner: int, limit: int) -> Sequence[Reading]:
        return await self._reader.call(partial(select_newest, owner=owner, limit=limit))

    async def windows(self, query: WindowQuery) -> Sequence[WindowSeries]:
        return await self._reader.call(partial(select_windows, query=query))

    async def late(self, query: LateQuery) -> Sequence[LateRange]:
        return await self._reader.call(partial(_late, query=query))

    async def ping(self) -> None:
        await self._reader.call(lambda connection: connection.execute("SELECT 1").fetchone())

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()


class _Connection:
    """One connection and the one thread that may touch it."""

    def __init__(self, path: Path, within_s: float | None = None) -> None:
        self._path = path
        self._within_s = within_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)
        self._connection: sqlite3.Connection | None = None

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path.name}: {error}") from error

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = _connect(self._path)
        if self._within_s is None:
            return work(self._connection)
        deadline = time.monotonic() + self._within_s
        # what one question takes, all others wait
        self._connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        try:
            return work(self._connection)
        finally:
            self._connection.set_progress_handler(None, 0)

    async def close(self) -> None:
        if self._connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()  # one that is not as durable as promised must not be used
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.executescript(_SCHEMA)


def _known_series(connection: sqlite3.Connection) -> dict[_SeriesKey, int]:
    rows = connection.execute("SELECT device_id, user_id, measurement, field, id FROM series")
    return {(device_id, user_id, measurement, field): key for device_id, user_id, measurement, field, key in rows}


def _write(connection: sqlite3.Connection, series: dict[_SeriesKey, int], batches: Sequence[ReadingBatch]) -> None:
    """All or nothing; `series` learns what is new only once it is committed."""
    fresh: dict[_SeriesKey, int] = {}
    connection.execute("BEGIN IMMEDIATE")
    try:
        points = []
        for batch in batches:
            for device_id, user_id, measurement, ts_ns, values in batch.readings:
                for metric, value in values.items():
                    key = device_id, user_id, measurement, field_name(metric, value)
                    points.append((series.get(key) or _new_series(connection, fresh, key), ts_ns, value))
            late = late_ranges(batch.readings, batch.committed_ns)
            connection.executemany(_INSERT_LATE, [(batch.committed_ns, *each) for each in late])
        connection.executemany(_INSERT, points)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled back already
            connection.execute("ROLLBACK")
        raise
    series.update(fresh)


def field_name(metric: str, value: Value) -> str:
    """A string is kept in field `name__s`, a boolean in `name__b`: two devices can't poison each other's type."""
    if isinstance(value, float):
        return metric
    return f"{metric}__b" if isinstance(value, bool) else f"{metric}__s"


def _new_series(connection: sqlite3.Connection, fresh: dict[_SeriesKey, int], key: _SeriesKey) -> int:
    found = fresh.get(key)
    if found is None:
        connection.execute("INSERT OR IGNORE INTO series VALUES (NULL, ?, ?, ?, ?)", key)
        found = connection.execute(
            "SELECT id FROM series WHERE (device_id, user_id, measurement, field) = (?, ?, ?, ?)", key
        ).fetchone()[0]
        fresh[key] = found
    return int(found)


def _raw(connection: sqlite3.Connection, query: RawQuery) -> RawPage:
    """Take the first rows of each series, then merge: what is among the first of all is among the first of its own."""
    rows: dict[tuple[int, str, int], dict[str, Value]] = {}
    connection.execute("BEGIN")  # one snapshot for all the series
    try:
        for series, user_id, measurement, field in _wanted_series(connection, query):
            metric, boolean = metric_of(field)
            for ts_ns, value in _first_points(connection, series, query):
                values = rows.setdefault((ts_ns, measurement, user_id), {})
                values[metric] = bool(value) if boolean else value
    finally:
        connection.execute("COMMIT")
    ordered = sorted(rows, reverse=query.order == "desc")
    if query.after is not None:
        past = query.after
        ordered = [key for key in ordered if (key < past if query.order == "desc" else key > past)]
    readings = [
        Reading(query.device_id, user_id, measurement, ts_ns, rows[ts_ns, measurement, user_id])
        for ts_ns, measurement, user_id in ordered[: query.limit]
    ]
    return RawPage(readings, more=len(ordered) > query.limit)


def _wanted_series(connection: sqlite3.Connection, query: RawQuery) -> list[tuple[int, int, str, str]]:
    rows = connection.execute(
        "SELECT id, user_id, measurement, field FROM series WHERE device_id = ?", (query.device_id,)
    ).fetchall()
    return [
        row
        for row in rows
        if (query.user_ids is None or row[1] in query.user_ids)
        and (query.metrics is None or metric_of(row[3])[0] in query.metrics)
    ]


def _first_points(connection: sqlite3.Connection, series: int, query: RawQuery) -> list[tuple[int, Value]]:
    # beyond 64 bits there is nothing, and SQLite takes no such number
    start, end = max(query.start_ns, MIN_NS), min(query.end_ns, MAX_NS)
    order = "ASC"
    if query.order == "desc":
        order = "DESC"
        end = end if query.after is None else min(end, query.after[0] + 1)
    elif query.after is not None:
        start = max(start, query.after[0])
    return connection.execute(
        f"SELECT ts_ns, value FROM points WHERE series = ? AND ts_ns >= ? AND ts_ns < ? ORDER BY ts_ns {order} LIMIT ?",  # noqa: S608 - ASC or DESC, nothing from outside
        # one more to tell whether there is more, and one for the row that the cursor stands on
        (series, start, end, query.limit + 2),
    ).fetchall()


def _late(connection: sqlite3.Connection, query: LateQuery) -> list[LateRange]:
    owners = None if query.user_ids is None else json.dumps(list(query.user_ids))
    start, end = max(query.start_ns, MIN_NS), min(query.end_ns, MAX_NS)
    return [LateRange(*row) for row in connection.execute(_SELECT_LATE, (start, end, owners, owners))]
