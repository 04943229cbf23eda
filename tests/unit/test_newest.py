"""The newest readings of an owner: questions that name the owner, and answers that may be no InfluxDB's."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from shared.readings import Reading
from shared.timeseries.influxql import BadAnswer
from shared.timeseries.newestql import ask_measurements, ask_moment, ask_newest, last_moment, read_newest
from shared.timeseries.sqlitenewest import select_newest

ROWS = [[3, "d1", 5, None], [3, "d0", 1.5, "x"], [2, "d1", None, "y"], [1, "d0", None, None]]
SERIES: dict[str, Any] = {"name": "m", "columns": ["time", "device_id", "a", "w__s"], "values": ROWS}


def test_every_question_names_the_owner() -> None:
    """By the tag, never by a field of that name; a measurement is quoted."""
    for asked in (ask_measurements(7), ask_newest(7, 'a"b', 9), ask_moment(7, 'a"b', 5)):
        assert "\"user_id\"::tag = '7'" in asked.text
        assert 'a"b' not in asked.text


def test_rows_of_several_devices_are_readings_of_each() -> None:
    """Newest first, each once however often it came; a row without values is none."""
    found = read_newest(7, [SERIES, SERIES], 9)
    assert found == [
        Reading("d1", 7, "m", 3, {"a": 5.0}),
        Reading("d0", 7, "m", 3, {"a": 1.5, "w": "x"}),
        Reading("d1", 7, "m", 2, {"w": "y"}),
    ]
    assert read_newest(7, [SERIES], 2) == found[:2]
    assert (last_moment([SERIES], 4), last_moment([SERIES], 5)) == (1, None)


@pytest.mark.parametrize("wrong", [{}, {"values": [[]]}, {"values": [["x", "d", 1]]}, {"values": 7}])
def test_what_is_no_series_is_said(wrong: dict[str, Any]) -> None:
    """Raised as BadAnswer, never as whatever went wrong first."""
    with pytest.raises(BadAnswer):
        last_moment([wrong], 1)
    with pytest.raises(BadAnswer):
        read_newest(7, [wrong], 1)


def test_sqlite_reads_no_series_that_is_too_old() -> None:
    """Of an owner without any there is nothing; a series whose points are all gone costs nothing."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE series (id, device_id, user_id, measurement, field)")
        connection.execute("CREATE TABLE points (series, ts_ns, value)")
        rows = [(1, "d1", 7, "m", "a"), (2, "d2", 7, "m", "b__b"), (3, "d3", 7, "m", "a"), (4, "d1", 8, "m", "a")]
        connection.executemany("INSERT INTO series VALUES (?, ?, ?, ?, ?)", rows)
        points = [(1, ts_ns, 1.0) for ts_ns in range(10)] + [(2, 5, 1), (4, 99, 1.0)]
        connection.executemany("INSERT INTO points VALUES (?, ?, ?)", points)
        assert select_newest(connection, 7, 1) == [Reading("d1", 7, "m", 9, {"a": 1.0})]
        assert Reading("d2", 7, "m", 5, {"b": True}) in select_newest(connection, 7, 100)
        assert select_newest(connection, 9, 5) == []
