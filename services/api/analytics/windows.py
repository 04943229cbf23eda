"""Windows of a range of time: of a fixed length, or days, weeks, months and years as a time zone has them. Pure."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import count, pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.api.zones import local, midnight_ns

MAX_WINDOWS: Final = 2_000

EVERY_PATTERN: Final = r"^([1-9][0-9]{0,5})(s|m|h|d|w|mo|y)$"

_every: Final = re.compile(EVERY_PATTERN).fullmatch
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "mo": 28 * 86_400, "y": 365 * 86_400}
_FIXED: Final = ("s", "m", "h")
_NS_PER_S: Final = 1_000_000_000


class Every(NamedTuple):
    """The length of a window: `number` of a unit, s m h d w mo y."""

    number: int
    unit: str

    @property
    def least_ns(self) -> int:
        """No window is shorter, but for the hour that a clock skips."""
        return self.number * _SECONDS[self.unit] * _NS_PER_S


_LONGEST: Final = Every(1_000, "y")


class TooMany(ValueError):
    """More windows than anybody can draw; `least_s`: so long they have to be."""

    def __init__(self, least_s: int) -> None:
        super().__init__(
            f"more than {MAX_WINDOWS} windows in this range: take {least_s}s or longer, or a shorter range"
        )
        self.least_s = least_s


def parse_every(text: str) -> Every:
    """`10s`, `5m`, `1h`, `1d`, `1w`, `1mo`, `1y`; raises ValueError."""
    found = _every(text)
    if found is None:
        raise ValueError("not a length of time, like 10s, 5m, 1h, 1d, 1w, 1mo or 1y")
    every = Every(int(found[1]), found[2])
    if every.least_ns > _LONGEST.least_ns:
        raise ValueError("longer than 1000y: leave it out to have no windows")
    return every


def edges(start_ns: int, end_ns: int, every: Every, zone: ZoneInfo) -> list[int]:
    """Where windows begin, and where the last one ends; the first and last are cut to the range. Raises TooMany.

    Fixed lengths are counted from midnight as the clocks there stand at `start_ns`; days begin at midnight, weeks on
    Monday, months and years on their first day, so that a day has 23 or 25 hours when clocks change.
    """
    if (end_ns - start_ns) // every.least_ns > MAX_WINDOWS:
        raise TooMany(-(-(end_ns - start_ns) // (MAX_WINDOWS * _NS_PER_S)))
    begins = _fixed(start_ns, every, zone) if every.unit in _FIXED else _calendar(start_ns, every, zone)
    found = [start_ns]
    for moment in begins:
        if moment >= end_ns:
            break
        if moment > start_ns:
            found.append(moment)
    return [*found, end_ns]


def slices(times_ns: Sequence[int], bounds: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
    """(start_ns, end_ns, first, last) of each window with a reading: those from `first` to `last` (exclusive)."""
    first = 0
    for start_ns, end_ns in pairwise(bounds):
        last = bisect_left(times_ns, end_ns, first)
        if last > first:
            yield start_ns, end_ns, first, last
        first = last


def _fixed(start_ns: int, every: Every, zone: ZoneInfo) -> Iterator[int]:
    step_ns = every.least_ns
    offset = local(start_ns, zone).utcoffset()
    shift_ns = round(offset.total_seconds()) * _NS_PER_S if offset is not None else 0
    return count((start_ns + shift_ns) // step_ns * step_ns - shift_ns, step_ns)


def _calendar(start_ns: int, every: Every, zone: ZoneInfo) -> Iterator[int]:
    day = local(start_ns, zone).date()
    if every.unit in ("d", "w"):
        # day 1 of the calendar was a Monday
        step = every.number * (7 if every.unit == "w" else 1)
        ordinals = count((day.toordinal() - 1) // step * step + 1, step)
        return (midnight_ns(date.fromordinal(ordinal), zone) for ordinal in ordinals)
    step = every.number * (12 if every.unit == "y" else 1)
    months = count((day.year * 12 + day.month - 1) // step * step, step)
    return (midnight_ns(date(month // 12, month % 12 + 1, 1), zone) for month in months)
