"""Readings as InfluxDB's line protocol, in bytes and nanoseconds. Pure.

By hand, because the client's `Point` drops NaN without a word and is off by 1 ms for one datetime in eight.
"""

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

import orjson

from shared.readings import Reading, Value, Values
from shared.timeseries.store import LateRange

STRING_SUFFIX: Final = "__s"
BOOLEAN_SUFFIX: Final = "__b"
LATE_MEASUREMENT: Final = "telemetrio_late"
# Without a time: the server's own clock is inside every retention.
PROBE: Final = b"telemetrio_probe ok=true"

_MIN_NS: Final = -(2**63) + 2
_MAX_NS: Final = 2**63 - 2
_MAX_REMEMBERED: Final = 131_072  # of 250 bytes or so
_remembered: Final[dict[tuple[str, int, str], bytes]] = {}
# needs no escape, whichever place it stands in
_plain: Final = re.compile(r"[A-Za-z0-9_.:-]+\Z").match
# line protocol has no escape for these in a name: what they do depends on the version and on what follows
_unsafe: Final = re.compile(r"[\x00-\x1f\x7f\\]").search


class Unwritable(Exception):
    """A reading that line protocol has no words for; the message says what of it."""


def plain_lines(readings: Sequence[Reading]) -> bytes | None:
    """All lines of readings that hold nothing but floats under plain names; None where `lines_of` must look at each.

    The hot path: floats are written by one call of orjson for all of them, exactly, and little is done for each.
    """
    values = [reading[4] for reading in readings]
    names: set[str] = set().union(*values)
    if set(map(type, chain.from_iterable(map(dict.values, values)))) != {float} or not all(map(_plain, names)):
        return None
    raw = orjson.dumps(values)
    times = [reading[3] for reading in readings]
    # orjson writes null for NaN and the infinities; a reading without values has no line
    if b'":null' in raw or b"{}" in raw or min(times) < _MIN_NS or max(times) > _MAX_NS:
        return None
    pieces = raw[3:-2].replace(b'":', b"=").replace(b',"', b",").split(b'},{"')
    try:
        known = [_remembered.get(reading[:3]) or _series(*reading[:3]) for reading in readings]
    except (Unwritable, UnicodeEncodeError):
        return None
    return b"\n".join([b"%b %b %d" % line for line in zip(known, pieces, times, strict=True)])


def lines_of(readings: Sequence[Reading]) -> tuple[dict[int, bytes], list[tuple[int, str]]]:
    """One line for each position, without its newline and in order, and (position, reason) of what can't be written.

    A reading without values has no line. A name that could end its place early would be another device's line: it is
    refused, never sent.
    """
    lines: dict[int, bytes] = {}
    unwritable: list[tuple[int, str]] = []
    numbers = _numbers(readings)
    for position, (device_id, user_id, measurement, ts_ns, values) in enumerate(readings):
        if not _MIN_NS <= ts_ns <= _MAX_NS:
            unwritable.append((position, f"time {ts_ns} is outside what InfluxDB can hold"))
            continue
        try:
            fields = numbers[position]
            if fields is None or fields.count(b"=") != len(values):
                fields = _fields(fields, values)
            if fields:
                lines[position] = b"%b %b %d" % (_series(device_id, user_id, measurement), fields, ts_ns)
        except UnicodeEncodeError:
            unwritable.append((position, "a string that is not UTF-8"))
        except Unwritable as error:
            unwritable.append((position, str(error)))
    return lines, unwritable


def _numbers(readings: Sequence[Reading]) -> list[bytes | None]:
    """The floats of each reading as fields, where it has any, by one call of orjson, which writes them exactly.

    0.9 µs a reading of three metrics, where repr and a loop take 2.5. Nothing for any if a name needs an escape, or a
    number is NaN or infinite: then each is written by itself.
    """
    positions, numeric = [], []
    for position, (_, _, _, _, values) in enumerate(readings):
        floats = values
        for value in values.values():
            if type(value) is not float:
                floats = {name: value for name, value in values.items() if type(value) is float}
                break
        if floats:
            positions.append(position)
            numeric.append(floats)
    found: list[bytes | None] = [None] * len(readings)
    if numeric and all(map(_plain, set().union(*numeric))):
        raw = orjson.dumps(numeric)
        if b'":null' not in raw:
            pieces = raw[3:-2].replace(b'":', b"=").replace(b',"', b",").split(b'},{"')
            for position, piece in zip(positions, pieces, strict=True):
                found[position] = piece
    return found


def _fields(numbers: bytes | None, values: Values) -> bytes:
    """All fields of a reading, whose floats may be there already."""
    rest = [_field(*each) for each in values.items() if numbers is None or type(each[1]) is not float]
    written = ",".join(rest).encode()
    return written if numbers is None else b"%b,%b" % (numbers, written)


def _field(metric: str, value: Value) -> str:
    if isinstance(value, bool):
        return f"{_escaped(metric)}{BOOLEAN_SUFFIX}={'true' if value else 'false'}"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{_escaped(metric)}{STRING_SUFFIX}="{escaped}"'
    if not math.isfinite(value):
        raise Unwritable(f"{metric} is {value}")
    return f"{_escaped(metric)}={float(value)!r}"


def _series(device_id: str, user_id: int, measurement: str) -> bytes:
    """Measurement and tags, the tags in order. The first ones are remembered: an LRU would cost a large fleet more."""
    key = device_id, user_id, measurement
    known = _remembered.get(key)
    if known is None:
        device = device_id if _plain(device_id) else _escaped(device_id)
        known = f"{_measurement(measurement)},device_id={device},user_id={user_id}".encode()
        if len(_remembered) < _MAX_REMEMBERED:
            _remembered[key] = known
    return known


@lru_cache(maxsize=1024)
def _measurement(name: str) -> str:
    if name.startswith("#"):
        raise Unwritable(f"measurement {name!r} would be a comment")
    return _escaped(name)


@lru_cache(maxsize=8192)
def _escaped(name: str) -> str:
    if _plain(name):
        return name
    if not name or _unsafe(name):
        raise Unwritable(f"the name {name!r} can't be written")
    return name.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def field_names(metric: str) -> tuple[str, str, str]:
    """The fields in which a metric's numbers, strings and booleans are kept."""
    return metric, f"{metric}{STRING_SUFFIX}", f"{metric}{BOOLEAN_SUFFIX}"


def has_field(reading: Reading, field: str) -> bool:
    """Whether the line of this reading carries that field."""
    metric = field.removesuffix(STRING_SUFFIX).removesuffix(BOOLEAN_SUFFIX)
    if metric not in reading.values:
        return False
    value = reading.values[metric]
    kind = BOOLEAN_SUFFIX if isinstance(value, bool) else STRING_SUFFIX if isinstance(value, str) else ""
    return field == f"{metric}{kind}"


def late_line(late: LateRange, committed_ns: int) -> bytes:
    """The index of late readings: when they were committed, for which times, how many."""
    series = _series(late.device_id, late.user_id, LATE_MEASUREMENT)
    return b"%b n=%di,ts_max=%di,ts_min=%di %d" % (series, late.number, late.end_ns - 1, late.start_ns, committed_ns)
