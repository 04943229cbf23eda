"""The newest readings of one owner, over all devices, as InfluxQL and back. Pure."""

from collections.abc import Iterable, Iterator
from heapq import nlargest
from operator import itemgetter
from typing import Any, Final

from shared.readings import Reading
from shared.timeseries.influxql import BadAnswer, Series, Statement, owners, quoted, readings_of

DEVICE: Final = "device_id"
# what the newest are told by: (ts_ns, device_id, measurement)
newness: Final = itemgetter(3, 0, 2)


def ask_measurements(owner: int) -> Statement:
    """In which measurements the owner has readings."""
    return Statement(f'SHOW TAG VALUES WITH KEY = "user_id" WHERE {owners([owner])}', {})


def ask_newest(owner: int, measurement: str, limit: int) -> Statement:
    """One question for all devices, however many there are."""
    return Statement(f"{_select(owner, measurement)} ORDER BY time DESC LIMIT {limit:d}", {})


def ask_moment(owner: int, measurement: str, ts_ns: int) -> Statement:
    """All of one moment: of several devices' readings at the same one, a limit leaves out whichever it likes."""
    return Statement(f"{_select(owner, measurement)} AND time >= {ts_ns:d} AND time <= {ts_ns:d}", {})


def last_moment(series: Iterable[Series], limit: int) -> int | None:
    """When the limit cut the answer off; None if it did not."""
    try:
        times = [int(row[0]) for each in series for row in each["values"]]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BadAnswer(f"a series that can't be read: {error!r}") from error
    return min(times) if len(times) >= limit else None


def read_newest(owner: int, series: Iterable[Series], limit: int) -> list[Reading]:
    """The newest first, each once; raises BadAnswer."""
    try:
        found = {newness(each): each for one in series for each in _readings(owner, one)}
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(f"a series that can't be read: {error!r}") from error
    return nlargest(limit, found.values(), key=newness)


def _select(owner: int, measurement: str) -> str:
    return f'SELECT "{DEVICE}"::tag, *::field FROM {quoted(measurement)} WHERE {owners([owner])}'  # noqa: S608 - names are quoted


def _readings(owner: int, series: Series) -> Iterator[Reading]:
    """The device stands in a column: sorted by it, each part is a series as it is known elsewhere."""
    rows: dict[str, list[list[Any]]] = {}
    for ts_ns, device_id, *values in series["values"]:
        rows.setdefault(device_id, []).append([ts_ns, *values])
    columns = [series["columns"][0], *series["columns"][2:]]
    for device_id, values in rows.items():
        part = {"name": series["name"], "tags": {"user_id": str(owner)}, "columns": columns, "values": values}
        yield from readings_of(device_id, [part])
