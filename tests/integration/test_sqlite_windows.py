"""Windows from the file of readings: what the other stores can't be asked."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.readings import Reading
from shared.timeseries.calendar import Run
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.sqlitewindows import select_windows
from shared.timeseries.store import WindowQuery
from tests.fakes.batches import write

ASKED = WindowQuery(["d1"], [1], ["a"], ["sum", "mean", "median", "stddev", "max"], 0, 100, [Run(0, 100, 1)])


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "readings.db")
    await opened.open()
    yield opened
    await opened.close()


async def test_what_no_float_can_say_is_said_by_none(store: SqliteStore) -> None:
    """A sum beyond 1.8e308 is no number in JSON either; what can be said of the values is."""
    await write(store, [Reading("d1", 1, "m", at, {"a": 1.7e308}) for at in range(3)])
    (series,) = await store.windows(ASKED)
    assert series.rows[0].values == (None, None, 1.7e308, None, 1.7e308)


async def test_the_file_is_left_as_it_was_found(store: SqliteStore, tmp_path: Path) -> None:
    """No transaction stays open behind a question, also one that failed."""
    await write(store, [Reading("d1", 1, "m", 5, {"a": 1.0})])
    connection = sqlite3.connect(tmp_path / "readings.db", isolation_level=None)
    assert len(select_windows(connection, ASKED)) == 1
    assert not connection.in_transaction
    connection.execute("DROP TABLE points")
    with pytest.raises(sqlite3.OperationalError, match="points"):
        select_windows(connection, ASKED)
    assert not connection.in_transaction
    connection.close()


async def test_windows_over_all_of_time_are_counted_exactly(store: SqliteStore) -> None:
    """From the first moment to the last is more than 64 bits say: each window begins where it does."""
    width, start = 999_999 * 3_600 * 10**9, -3 * 999_999 * 3_600 * 10**9
    times = [-9 * 10**18, 0, 9 * 10**18]
    await write(store, [Reading("d1", 1, "m", at, {"a": 1.0}) for at in times])
    asked = replace(ASKED, aggregates=["count"], start_ns=times[0], end_ns=times[2] + 1, runs=[Run(start, width, 6)])
    (series,) = await store.windows(asked)
    assert [row.start_ns for row in series.rows] == [at // width * width for at in times]
