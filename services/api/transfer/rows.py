"""A record as a row: whose it is, and a payload as its device would have sent it. Pure."""

import csv
from typing import Any, Final, NamedTuple, Protocol

import orjson

from services.api.transfer.cells import json_of
from services.api.transfer.tables import DEVICE, MEASUREMENT, METRIC, REST, TIME, VALUE
from shared.strictjson import NotDecodable, decode, refuse_deep

_TIMES: Final = (TIME, "timestamp", "ts")
_JSON_INTEGER_LENGTH: Final = 19


class Row(NamedTuple):
    """`measurement` is empty where the row names none."""

    device_id: str
    measurement: str
    payload: bytes


class Unreadable(Exception):
    """This record is no row; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BadHeader(Exception):
    """The first row doesn't name the columns: nothing of the file can be understood."""


class Reader(Protocol):
    def read(self, record: bytes) -> Row | None:
        """None for what is no row of data; raises Unreadable, and BadHeader for the first one."""
        ...


class NdjsonReader:
    """One reading a line: as the API shows it, or as the device would send it, with its `device_id`."""

    def read(self, record: bytes) -> Row | None:
        try:
            content = decode(record)
        except NotDecodable as error:
            raise Unreadable(error.code, error.detail) from error
        if not isinstance(content, dict):
            raise Unreadable("not_json", "a line is one JSON object")
        device_id, measurement = content.get(DEVICE), content.get(MEASUREMENT)
        if not isinstance(device_id, str):
            raise Unreadable("bad_device_id", "device_id is missing, or no string")
        return Row(device_id, measurement if isinstance(measurement, str) else "", record)


class CsvReader:
    """With a header; the columns in any order, and wide or long as the header says."""

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._places: dict[str, int] = {}
        self._metrics: list[tuple[int, bytes]] = []
        self._long = False

    def read(self, record: bytes) -> Row | None:
        if not self._columns:
            try:
                self._learn(_cells(record))
            except Unreadable as error:
                raise BadHeader(f"The first row can't be read: {error.message}") from error
            return None
        cells = _cells(record)
        if len(cells) != len(self._columns):
            raise Unreadable("bad_csv", f"{len(cells)} cells under {len(self._columns)} columns")
        place = self._places
        measurement = cells[place[MEASUREMENT]].strip() if MEASUREMENT in place else ""
        moment = _moment(cells[place[TIME]].strip())
        values = self._long_value(cells) if self._long else self._values(cells)
        payload = b'{"time":%b,"values":{%b}}' % (moment, b",".join(values))
        return Row(cells[place[DEVICE]].strip(), measurement, payload)

    def _values(self, cells: list[str]) -> list[bytes]:
        pairs = ((name, json_of(cells[at])) for at, name in self._metrics)
        values = [b"%b:%b" % (name, value) for name, value in pairs if value is not None]
        rest = cells[self._places[REST]] if REST in self._places else ""
        return [*values, *_rest(rest)] if rest else values

    def _long_value(self, cells: list[str]) -> list[bytes]:
        value = json_of(cells[self._places[VALUE]])
        return [] if value is None else [b"%b:%b" % (orjson.dumps(cells[self._places[METRIC]].strip()), value)]

    def _learn(self, header: list[str]) -> None:
        columns = [cell.strip() for cell in header]
        if TIME not in columns:  # as an answer of the API, or another system, calls it
            columns = [TIME if name in _TIMES else name for name in columns]
        places: dict[str, int] = {}
        metrics = []
        for at, name in enumerate(columns):
            if name in (TIME, DEVICE, MEASUREMENT, REST) and name not in places:
                places[name] = at
            else:
                metrics.append((at, name))
        names = [name for _, name in metrics]
        if TIME not in places or DEVICE not in places or not (names or REST in places):
            raise BadHeader(
                "The first row must name the columns, with commas between: time, device_id, and at least one metric"
            )
        if len(set(names)) < len(names) or "" in names:
            raise BadHeader("The first row must give each column a name of its own")
        self._long = set(names) == {METRIC, VALUE} and REST not in places
        if self._long:
            places |= {name: at for at, name in metrics}
        self._columns, self._places = columns, places
        self._metrics = [(at, orjson.dumps(name)) for at, name in metrics]


def _cells(record: bytes) -> list[str]:
    try:
        text = record.decode().removesuffix("\r")
        return next(csv.reader((text,), strict=True))
    except UnicodeDecodeError as error:
        raise Unreadable("not_utf8", f"byte {error.start} of the row is not UTF-8") from error
    except csv.Error as error:
        raise Unreadable("bad_csv", f"{error}: text with quotes must be quoted, each quote as two") from error


def _moment(cell: str) -> bytes:
    """Digits are a number of seconds, or of smaller units; whatever else is there, the judge reads as ISO 8601."""
    plain = cell.isascii() and cell.isdigit() and len(cell) <= _JSON_INTEGER_LENGTH and cell[0] != "0"
    return cell.encode() if plain else orjson.dumps(cell or None)


def _rest(cell: str) -> list[bytes]:
    try:
        refuse_deep(cell.encode())  # before orjson, which reads deeper than it writes
        content: Any = orjson.loads(cell)
    except NotDecodable as error:
        raise Unreadable(error.code, f"column {REST}: {error.detail}") from error
    except orjson.JSONDecodeError as error:
        raise Unreadable("bad_csv", f"column {REST} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise Unreadable("bad_csv", f"column {REST} is no JSON object")
    return [b"%b:%b" % (orjson.dumps(name), orjson.dumps(value)) for name, value in content.items()]
