"""Questions to InfluxDB as InfluxQL, and its answers as readings. Pure.

Tags are always written `"user_id"::tag`: a field of that name would win over the tag, and any device could hide or fake
a tenant's data. What comes from outside is bound or quoted, numbers are written by us.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from operator import itemgetter
from types import NoneType
from typing import Any, Final, NamedTuple

from shared.identifiers import OWN_MEASUREMENTS, RESERVED_METRICS
from shared.readings import Reading, Value, Values
from shared.timeseries.fields import fields_of, metric_of
from shared.timeseries.lineprotocol import LATE_MEASUREMENT
from shared.timeseries.store import LateQuery, LateRange, RawPage, RawQuery

MIN_NS: Final = -(2**63) + 2
MAX_NS: Final = 2**63 - 2
# above this a regular expression is faster than a chain of OR
MAX_ORS: Final = 20
_control: Final = re.compile(r"[\x00-\x1f\x7f]")
# 1.x and every version's /query, in words; 2.x with the bucket's name
_no_bucket: Final = re.compile(r'database not found|bucket (?:"[^"]*" )?not found').search
_IS_OWNER: Final = "\"user_id\"::tag = '%d'"

Series = Mapping[str, Any]


class Statement(NamedTuple):
    """One statement and the values of its `$names`: every name is used, 3.x refuses others."""

    text: str
    params: Mapping[str, str]


ASK_DATABASES: Final = Statement("SHOW DATABASES", {})
ASK_PROBE: Final = Statement('SELECT ok FROM "telemetrio_probe" LIMIT 1', {})


class BadAnswer(Exception):
    """What came back is not what InfluxDB answers."""


class Failed(Exception):
    """The server's own word on why it didn't answer; `missing`: the database isn't there."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.missing = names_no_bucket(message)


def names_no_bucket(message: str) -> bool:
    """Whether the server says that the bucket or database isn't there."""
    return _no_bucket(message) is not None


def is_empty(query: RawQuery) -> bool:
    """Whether no reading can answer it, so that nobody need be asked."""
    low, high = _range(query)
    nothing = query.metrics is not None and not fields_of(query.metrics)
    return low > high or query.limit < 1 or not (query.user_ids is None or query.user_ids) or nothing


def ask_measurements(query: RawQuery) -> Statement:
    """In which measurements the device has readings of these owners in that range.

    Asked first, because `SELECT * FROM /.*/` gives every row the columns of every measurement: 129 ms and 3.2 MB
    against 11 ms and 37 KB for 1,000 rows of a device, with 22 measurements; this question takes 0.8 ms.
    """
    return Statement(f'SHOW TAG VALUES WITH KEY = "user_id" WHERE {_where(query)}', {"device": query.device_id})


def ask_readings(query: RawQuery, measurement: str) -> Statement:
    """The first rows of one measurement, in groups by owner."""
    fields = "*::field"
    if query.metrics is not None:
        fields = ", ".join(f"{quoted(field)}::field" for field in fields_of(query.metrics))
    order = " ORDER BY time DESC" if query.order == "desc" else ""
    # one more to tell whether there is more, and one for the row that the cursor stands on
    end = f'GROUP BY "user_id"{order} LIMIT {query.limit + 2}'
    text = f"SELECT {fields} FROM {quoted(measurement)} WHERE {_where(query)} {end}"  # noqa: S608 - names are quoted
    return Statement(text, {"device": query.device_id})


def is_empty_late(query: LateQuery) -> bool:
    """Whether nobody need be asked."""
    return query.start_ns >= query.end_ns or not (query.user_ids is None or query.user_ids)


def ask_late(query: LateQuery) -> Statement:
    """What was late for these owners, committed in that range, in one row per device and owner."""
    low, high = max(query.start_ns, MIN_NS), min(query.end_ns - 1, MAX_NS)
    fields = "min(ts_min::field), max(ts_max::field), sum(n::field)"
    tenants = [] if query.user_ids is None else [owners(query.user_ids)]
    where = " AND ".join([*tenants, f"time >= {low}", f"time <= {high}"])
    text = f'SELECT {fields} FROM "{LATE_MEASUREMENT}" WHERE {where} GROUP BY "device_id", "user_id"'  # noqa: S608 - numbers only
    return Statement(text, {})


def read_late(series: Iterable[Series]) -> list[LateRange]:
    """One range a series; raises BadAnswer."""
    try:
        return sorted(
            LateRange(each["tags"]["device_id"], int(each["tags"]["user_id"]), int(start), int(last) + 1, int(number))
            for each in series
            for _, start, last, number in each["values"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"a series that can't be read: {error!r}") from error


def quoted(name: str) -> str:
    """A measurement or field, as an identifier; a control character ends InfluxQL's, and is in no name of ours."""
    escaped = _control.sub("\ufffd", name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _where(query: RawQuery) -> str:
    low, high = _range(query)
    parts = ['"device_id"::tag = $device']
    if query.user_ids is not None:
        parts.append(owners(query.user_ids))
    return " AND ".join([*parts, f"time >= {low}", f"time <= {high}"])


def owners(user_ids: Sequence[int]) -> str:
    """The tenant filter: of one of these owners, never of none."""
    if len(user_ids) > MAX_ORS:
        return f'"user_id"::tag =~ /^(?:{"|".join(f"{owner:d}" for owner in user_ids)})$/'
    return f"({' OR '.join([_IS_OWNER % owner for owner in user_ids])})"


def _range(query: RawQuery) -> tuple[int, int]:
    """First and last nanosecond, from the cursor on."""
    low, high = max(query.start_ns, MIN_NS), min(query.end_ns - 1, MAX_NS)
    if query.after is None:
        return low, high
    at = query.after[0]
    return (low, min(high, at)) if query.order == "desc" else (max(low, at), high)


def read_series(answer: Any) -> list[Series]:
    """The series of a one-statement answer; raises Failed, or BadAnswer for anything else than InfluxDB's JSON."""
    if not isinstance(answer, dict):
        raise BadAnswer("not an object")
    if "error" in answer:
        raise Failed(str(answer["error"]))
    try:
        result = answer["results"][0]
        if "error" in result:
            raise Failed(str(result["error"]))
        found: list[Series] = result.get("series", [])
        cut = result.get("partial") or any(series.get("partial") for series in found)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise BadAnswer("no results") from error
    if cut:  # a page that ends early would end the range
        raise Failed("the answer is cut short: max-row-limit must be 0 or above the limit of a page")
    return found


def read_measurements(series: Iterable[Series]) -> list[str]:
    """Names in order, without the store's own; raises BadAnswer."""
    try:
        names = {str(each["name"]) for each in series}
    except KeyError as error:
        raise BadAnswer("a series without a name") from error
    return sorted(names - OWN_MEASUREMENTS)


def read_databases(series: Iterable[Series]) -> list[str]:
    """The names that the server tells; raises BadAnswer."""
    try:
        return [str(name) for each in series for (name,) in each.get("values", ())]
    except (AttributeError, TypeError, ValueError) as error:
        raise BadAnswer(f"databases that can't be read: {error!r}") from error


def read_page(query: RawQuery, series: Iterable[Series]) -> RawPage:
    """Merge the first rows of each owner and measurement: what is among the first of all is among those of its own."""
    try:
        found = list(readings_of(query.device_id, series))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(f"a series that can't be read: {error!r}") from error
    backwards = query.order == "desc"
    if query.after is not None:
        past = query.after
        found = [
            each
            for each in found
            if (place(each)[: len(past)] < past if backwards else place(each)[: len(past)] > past)
        ]
    found.sort(key=place, reverse=backwards)
    return RawPage(found[: query.limit], more=len(found) > query.limit)


# what pages are sorted by: (ts_ns, measurement, user_id)
place: Final = itemgetter(3, 2, 1)
_reading: Final = partial(tuple.__new__, Reading)
_VALUES_OF: Final = itemgetter(4)


def readings_of(device_id: str, series: Iterable[Series]) -> Iterator[Reading]:
    """Column by column, and without a line of Python per row where all of them are full, as nearly all are."""
    for each in series:
        owner = each["tags"]["user_id"]
        if not owner.isdecimal() or not each["values"]:  # somebody else's points, without an owner
            continue
        times, *columns = zip(*each["values"], strict=True)
        kinds = zip(map(_metric, each["columns"][1:]), columns, strict=True)
        known = [(name, _values(column, boolean=boolean)) for (name, boolean), column in kinds if name]
        names, rows = [name for name, _ in known], zip(*(column for _, column in known), strict=True)
        named = map(zip, repeat(names), rows)
        values: Iterable[Values] = map(dict, named)
        if any(None in column for _, column in known):
            values = ({name: value for name, value in row if value is not None} for row in named)
        whole = zip(repeat(device_id), repeat(int(owner)), repeat(each["name"]), map(int, times), values, strict=False)
        yield from filter(_VALUES_OF, map(_reading, whole))


def _metric(column: str) -> tuple[str, bool]:
    """The metric kept in a field, and whether as boolean; no name for a field that only others can have written."""
    return ("", False) if column in RESERVED_METRICS else metric_of(column)


def _values(column: Sequence[Any], *, boolean: bool) -> Sequence[Any]:
    """JSON has one kind of number, and `5` for the float 5.0."""
    kinds = set(map(type, column))
    if kinds <= {float, NoneType}:
        return column
    if kinds <= {float, int} and not boolean:
        return list(map(float, column))
    return [value if value is None else _value(value, boolean=boolean) for value in column]


def _value(value: Any, *, boolean: bool) -> Value:
    if boolean:
        return bool(value)
    return value if isinstance(value, bool | str) else float(value)
