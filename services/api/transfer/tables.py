"""Readings as text: CSV, wide or long, and NDJSON. Each page of readings becomes one block of bytes. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

import orjson

from services.api.moments import Teller
from services.api.transfer.cells import cell_of
from shared.readings import Reading

TIME: Final = "time"
DEVICE: Final = "device_id"
MEASUREMENT: Final = "measurement"
METRIC: Final = "metric"
VALUE: Final = "value"
# no metric can have this name: what has no column of its own, as JSON
REST: Final = "values"


class Table(Protocol):
    """What an export is written as. Nothing of it is kept: `begin`, then blocks, then `end` or `broken`."""

    content_type: str
    suffix: str

    def begin(self) -> bytes: ...

    def block(self, readings: Sequence[Reading]) -> bytes: ...

    def end(self) -> bytes: ...

    def broken(self, why: str) -> bytes:
        """Instead of the end: so that a file which lacks something says so, to people and to an import."""
        ...


class NdjsonTable:
    """One reading a line, as the API shows it; names in alphabetical order, so that equal data are equal bytes."""

    content_type = "application/x-ndjson"
    suffix = "ndjson"

    def __init__(self, told: Teller) -> None:
        self._told = told

    def begin(self) -> bytes:
        return b""

    def block(self, readings: Sequence[Reading]) -> bytes:
        told, dumps = self._told, orjson.dumps
        lines = [
            b"%b%b,%b%b}\n"
            % (_device(device_id), dumps(told(ts_ns)), _measurement(measurement), dumps(values, None, _SORTED))
            for device_id, _, measurement, ts_ns, values in readings
        ]
        return b"".join(lines)

    def end(self) -> bytes:
        return b""

    def broken(self, why: str) -> bytes:
        return orjson.dumps({"error": why, "code": "export_incomplete"}) + b"\n"


_SORTED: Final = orjson.OPT_SORT_KEYS


@lru_cache(maxsize=256)
def _device(device_id: str) -> bytes:
    return b'{"device_id":%b,"timestamp":' % orjson.dumps(device_id)


@lru_cache(maxsize=256)
def _measurement(measurement: str) -> bytes:
    return b'"measurement":%b,"values":' % orjson.dumps(measurement)


class _Csv:
    content_type = "text/csv; charset=utf-8"
    suffix = "csv"

    def __init__(self, told: Teller, header: Sequence[str]) -> None:
        self._told = told
        self._header = header

    def begin(self) -> bytes:
        return _lines([self._header])

    def end(self) -> bytes:
        return b""

    def broken(self, why: str) -> bytes:
        return _lines([[f"# incomplete: {why}"]])


class WideTable(_Csv):
    """A column for each metric. `rest`: with a last one for what has none; otherwise that is left out, as asked."""

    def __init__(self, told: Teller, metrics: Sequence[str], *, rest: bool) -> None:
        super().__init__(told, [TIME, DEVICE, MEASUREMENT, *metrics, *([REST] if rest else [])])
        self._metrics = metrics
        self._known = frozenset(metrics)
        self._rest = rest

    def block(self, readings: Sequence[Reading]) -> bytes:
        return _lines(map(self._row, readings))

    def _row(self, reading: Reading) -> list[str | float]:
        """Nearly all cells are numbers: they are not looked at twice."""
        device_id, _, measurement, ts_ns, values = reading
        row: list[str | float] = [self._told(ts_ns), device_id, measurement]
        for name in self._metrics:
            value = values.get(name, "")
            row.append(value if type(value) is float else cell_of(value) if name in values else "")
        if self._rest:
            row.append("" if values.keys() <= self._known else self._others(values))
        return row

    def _others(self, values: dict[str, Any]) -> str:
        others = {name: value for name, value in values.items() if name not in self._known}
        return orjson.dumps(others, None, _SORTED).decode()


class LongTable(_Csv):
    """A row for each metric of each reading."""

    def __init__(self, told: Teller) -> None:
        super().__init__(told, [TIME, DEVICE, MEASUREMENT, METRIC, VALUE])

    def block(self, readings: Sequence[Reading]) -> bytes:
        told = self._told
        return _lines(
            [told(ts_ns), device_id, measurement, name, cell_of(values[name])]
            for device_id, _, measurement, ts_ns, values in readings
            for name in sorted(values)
        )


def _lines(rows: Iterable[Sequence[str | float]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)  # RFC 4180: CRLF, quoted where it must be
    return text.getvalue().encode()
