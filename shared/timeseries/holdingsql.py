"""Questions about all that InfluxDB holds, as InfluxQL, and its answers. Pure."""

from collections.abc import Iterable
from typing import Final

from shared.identifiers import OWN_MEASUREMENTS
from shared.timeseries.influxql import MAX_NS, MIN_NS, BadAnswer, Series, Statement
from shared.timeseries.lineprotocol import LATE_MEASUREMENT
from shared.timeseries.store import LateRange

# with a time, because 3.x looks back for a day where none is named
_EVER: Final = f"time >= {MIN_NS} AND time <= {MAX_NS}"
ASK_DEVICES: Final = Statement(f'SHOW TAG VALUES WITH KEY = "device_id" WHERE {_EVER}', {})
ASK_NOTED: Final = Statement(
    f'SHOW TAG VALUES FROM "{LATE_MEASUREMENT}" WITH KEY = "device_id" WHERE {_EVER}',
    {},
)


def ask_notes(device_id: str, start_ns: int, end_ns: int, limit: int) -> Statement:
    """The first rows of the index of late readings, so many of each owner."""
    low, high = max(start_ns, MIN_NS), min(end_ns - 1, MAX_NS)
    fields = "ts_min::field, ts_max::field, n::field"
    where = f'"device_id"::tag = $device AND time >= {low} AND time <= {high}'
    text = f'SELECT {fields} FROM "{LATE_MEASUREMENT}" WHERE {where} GROUP BY "user_id" LIMIT {limit:d}'  # noqa: S608 - numbers only
    return Statement(text, {"device": device_id})


def read_devices(series: Iterable[Series], *, own: bool) -> set[str]:
    """Whom readings are of; `own`: whom the store's own measurements name. Raises BadAnswer."""
    try:
        wanted = [each for each in series if own or each["name"] not in OWN_MEASUREMENTS]
        return {str(device_id) for each in wanted for _, device_id in each["values"]}
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"a series that can't be read: {error!r}") from error


def read_notes(device_id: str, series: Iterable[Series]) -> list[tuple[int, LateRange]]:
    """(time of commit, what was late) of each row; raises BadAnswer."""
    try:
        return [
            (int(at), LateRange(device_id, int(each["tags"]["user_id"]), int(first), int(last) + 1, int(number)))
            for each in series
            for at, first, last, number in each["values"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"a series that can't be read: {error!r}") from error
