"""Windows of aggregates from the file of readings: one statement for each series and run of windows.

All of it is SQL: no window's values pass through Python, however many there are, and what SQLite sorts spills to disk.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from math import isfinite, sqrt
from typing import Final

from shared.readings import Value
from shared.times import MAX_NS, MIN_NS
from shared.timeseries.calendar import Run
from shared.timeseries.fields import fields_of
from shared.timeseries.store import Aggregate, Kind, WindowQuery, WindowRow, WindowSeries

_SERIES: Final = "SELECT id, user_id, measurement, field FROM series WHERE device_id = ?"
_POINTS: Final = "points WHERE series = :series AND ts_ns >= :low AND ts_ns < :high"
# of one window alone: a difference of two moments may be beyond 64 bits
_ONLY: Final = "ts_ns IS NULL"
_NUMBER: Final = "(ts_ns - :low + :past) / :width"

_SUMMARY: Final = f"""
SELECT g.w, g.n, g.total, g.low, g.high, g.mean, earliest.value, latest.value
FROM (
    SELECT {{w}} AS w, count(*) AS n, sum(value) AS total, min(value) AS low, max(value) AS high, avg(value) AS mean,
        min(ts_ns) AS since, max(ts_ns) AS until
    FROM {_POINTS} GROUP BY w
) AS g
JOIN points AS earliest ON earliest.series = :series AND earliest.ts_ns = g.since
JOIN points AS latest ON latest.series = :series AND latest.ts_ns = g.until
ORDER BY g.w
"""  # noqa: S608 - put together from what stands above
# two passes: the squares of the values themselves would cancel each other out
_SPREAD: Final = f"""
SELECT w, sum(d * d) FROM (
    SELECT w, value - avg(value) OVER (PARTITION BY w) AS d FROM (SELECT {{w}} AS w, value FROM {_POINTS})
) GROUP BY w
"""  # noqa: S608 - put together from what stands above
_RANKED: Final = f"""
SELECT w, place = (n + 1) / 2, place = n / 2 + 1, place = (95 * n + 50) / 100, value FROM (
    SELECT w, value, row_number() OVER (PARTITION BY w ORDER BY value) AS place, count(*) OVER (PARTITION BY w) AS n
    FROM (SELECT {{w}} AS w, value FROM {_POINTS})
) WHERE place IN ((n + 1) / 2, n / 2 + 1, (95 * n + 50) / 100)
"""  # noqa: S608 - put together from what stands above


def select_windows(connection: sqlite3.Connection, query: WindowQuery) -> list[WindowSeries]:
    """In order of their keys; those without a reading in the range are not there."""
    found = []
    runs = [part for run in query.runs for part in _countable(run)]
    connection.execute("BEGIN")  # one snapshot for all the series
    try:
        for key, series in _wanted(connection, query):
            rows = [row for run in runs for row in _rows(connection, query, run, key, series.kind)]
            if rows:
                found.append(series._replace(rows=rows))
    finally:
        connection.execute("COMMIT")
    return sorted(found)


def _countable(run: Run) -> Iterator[Run]:
    """The same windows, in parts so short that every moment's distance from the beginning is within 64 bits."""
    if run.number == 1 or run.number * run.width_ns <= MAX_NS:
        yield run
        return
    half = run.number // 2
    yield from _countable(run._replace(number=half))
    yield from _countable(run._replace(start_ns=run.start_ns + half * run.width_ns, number=run.number - half))


def _wanted(connection: sqlite3.Connection, query: WindowQuery) -> Iterator[tuple[int, WindowSeries]]:
    fields = fields_of(query.metrics)
    for device_id in dict.fromkeys(query.device_ids):
        for key, user_id, measurement, field in connection.execute(_SERIES, (device_id,)).fetchall():
            if field in fields and (query.user_ids is None or user_id in query.user_ids):
                yield key, WindowSeries(device_id, user_id, measurement, *fields[field], ())


def _rows(connection: sqlite3.Connection, query: WindowQuery, run: Run, series: int, kind: Kind) -> Iterator[WindowRow]:
    low = min(max(query.start_ns, run.start_ns, MIN_NS), MAX_NS)
    bound = {"series": series, "low": low, "high": max(min(query.end_ns, run.end_ns, MAX_NS), MIN_NS)}
    if run.number > 1:
        bound |= {"past": low - run.start_ns, "width": run.width_ns}

    def ask(statement: str) -> sqlite3.Cursor:
        return connection.execute(statement.format(w=_ONLY if run.number == 1 else _NUMBER), bound)

    asked = set(query.aggregates) if kind == "number" else set()
    squares = dict(ask(_SPREAD)) if "stddev" in asked else {}
    ranked = _ranked(ask(_RANKED)) if asked & {"median", "p95"} else {}
    for window, number, total, least, most, mean, first, last in ask(_SUMMARY):
        told: dict[Aggregate, Value | None] = {"count": number, "first": _told(first, kind), "last": _told(last, kind)}
        if kind == "number":
            told |= {"sum": _finite(total), "min": least, "max": most, "mean": _finite(mean)}
            told |= ranked.get(window, {})
            told["stddev"] = _deviation(squares.get(window), number)
        values = tuple(told.get(aggregate) for aggregate in query.aggregates)
        yield WindowRow(run.start_ns + window * run.width_ns, number, values)


def _ranked(rows: Iterable[tuple[int, bool, bool, bool, float]]) -> dict[int, dict[Aggregate, Value | None]]:
    """Median and p95 of each window, from the values at the places that they are made of."""
    middle: dict[int, list[float]] = {}
    high: dict[int, float] = {}
    for window, lower, upper, p95, value in rows:
        if lower:
            middle.setdefault(window, []).append(value)
        if upper:
            middle.setdefault(window, []).append(value)
        if p95:
            high[window] = value
    # not half their sum, which might be more than a float can say
    return {
        window: {"median": _finite(pair[0] + (pair[1] - pair[0]) / 2), "p95": high[window]}
        for window, pair in ((window, sorted(pair)) for window, pair in middle.items())
    }


def _deviation(squares: float | None, number: int) -> float | None:
    return None if squares is None or number < 2 else _finite(sqrt(squares / (number - 1)))


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _told(value: Value, kind: Kind) -> Value:
    return bool(value) if kind == "boolean" else value
