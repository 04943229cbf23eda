"""The newest readings of one owner, over all devices, from SQLite's narrow rows."""

import sqlite3
from collections.abc import Iterator
from heapq import nlargest

from shared.readings import Reading, Value
from shared.times import MIN_NS
from shared.timeseries.fields import metric_of

_SERIES = """
SELECT (SELECT max(ts_ns) FROM points WHERE points.series = series.id), id, device_id, measurement, field
FROM series WHERE user_id = ? ORDER BY 1 DESC
"""
_POINTS = "SELECT ts_ns, value FROM points WHERE series = ? AND ts_ns >= ? ORDER BY ts_ns DESC LIMIT ?"

_Key = tuple[int, str, str]  # (ts_ns, device_id, measurement): what the newest are told by


def select_newest(connection: sqlite3.Connection, owner: int, limit: int) -> list[Reading]:
    """Series by series, those heard last first, as long as they may hold something newer than what was found."""
    rows: dict[_Key, dict[str, Value]] = {}
    floor_ns = MIN_NS
    connection.execute("BEGIN")  # one snapshot for all the series
    try:
        for newest_ns, series, device_id, measurement, field in connection.execute(_SERIES, (owner,)).fetchall():
            if newest_ns is None or newest_ns < floor_ns:
                break
            for ts_ns, name, value in _points(connection, series, field, floor_ns, limit):
                rows.setdefault((ts_ns, device_id, measurement), {})[name] = value
            if len(rows) >= 2 * limit:  # what is older than the newest so far need not be read, nor kept
                floor_ns = nlargest(limit, rows)[-1][0]
                rows = {key: values for key, values in rows.items() if key[0] >= floor_ns}
    finally:
        connection.execute("COMMIT")
    return [
        Reading(device_id, owner, measurement, ts_ns, rows[ts_ns, device_id, measurement])
        for ts_ns, device_id, measurement in nlargest(limit, rows)
    ]


def _points(
    connection: sqlite3.Connection, series: int, field: str, floor_ns: int, limit: int
) -> Iterator[tuple[int, str, Value]]:
    name, boolean = metric_of(field)
    for ts_ns, value in connection.execute(_POINTS, (series, floor_ns, limit)):
        yield ts_ns, name, bool(value) if boolean else value
