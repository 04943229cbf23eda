"""SELECT of aggregates in windows, as InfluxDB answers it: by its documentation, and by what 1.6.7 was seen to say."""

import re
import statistics
from collections.abc import Callable, Mapping
from math import floor
from typing import Any

Fields = Mapping[str, float | bool | str]

_call = re.compile(r'(\w+)\("((?:[^"\\]|\\.)*)"::field(?:, (\d+))?\) AS "c\d+"').findall
_grouped = re.compile(r"time\((\d+)s, (\d+)s\)").search
_CALLS: Mapping[str, Callable[[list[Any]], Any]] = {
    "mean": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
    "sum": sum,
    "count": len,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "median": statistics.median,
    "stddev": lambda values: statistics.stdev(values) if len(values) > 1 else None,
}


def columns_of(text: str) -> list[tuple[str, str, str]]:
    """(function, field, further argument) of each column; empty for any other statement."""
    return _call(text)


def windows_of(
    text: str, name: str, tags: dict[str, str], rows: Mapping[int, Fields], in_range: Callable[[int], bool]
) -> dict[str, Any] | None:
    """The series of one measurement and one set of tags, if it has any row."""
    source = re.search(r'FROM "((?:[^"\\]|\\.)*)"', text)
    if source is None or source[1] != name:
        return None
    start_ns = int(re.findall(r"time >= (-?\d+)", text)[0])
    windows: dict[int, list[int]] = {}
    for ts_ns in sorted(filter(in_range, rows)):
        windows.setdefault(_begin(text, ts_ns, start_ns), []).append(ts_ns)
    columns = columns_of(text)
    values = [
        [at, *(_told(call, [rows[ts_ns] for ts_ns in times]) for call in columns)] for at, times in windows.items()
    ]
    shown = [row for row in values if any(value is not None for value in row[1:])]
    names = ["time", *(f"c{number}" for number in range(len(columns)))]
    return {"name": name, "tags": tags, "columns": names, "values": shown} if shown else None


def _begin(text: str, ts_ns: int, start_ns: int) -> int:
    grouped = _grouped(text)
    if grouped is None:
        return start_ns
    width, offset = int(grouped[1]) * 10**9, int(grouped[2]) * 10**9
    return (ts_ns - offset) // width * width + offset


def _told(call: tuple[str, str, str], rows: list[Fields]) -> Any:
    function, field, argument = call
    values = [row[field] for row in rows if field in row]
    if not values:
        return None
    if function == "percentile":
        return sorted(values)[floor(len(values) * float(argument) / 100 + 0.5) - 1]
    return _CALLS[function](values)
