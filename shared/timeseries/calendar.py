"""Windows of time: durations counted from 1970, and days, weeks, months and years as a calendar has them. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby, pairwise
from typing import Final, NamedTuple

_NS_PER_S: Final = 1_000_000_000
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}
# the shortest that a calendar has of each, and enough to tell that there are too many
_DAYS: Final = {"d": 1, "w": 7, "mo": 28, "y": 365}
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EVERY: Final = re.compile(r"([1-9][0-9]{0,5})([smh])|([1-9][0-9]{0,2})(d|w|mo|y)")
# stores count windows in 64 bits, and 292 years are beyond
_LONGEST_NS: Final = 250 * _DAYS["y"] * 86_400 * _NS_PER_S
# what to propose to who asked for windows too narrow
_PROPOSED: Final = ("1s", "10s", "30s", "1m", "5m", "15m", "1h", "6h", "1d", "1w", "1mo", "1y")


class Every(NamedTuple):
    """How far apart windows begin: so many `s`, `m`, `h`, `d`, `w`, `mo` or `y`."""

    number: int
    unit: str


class Run(NamedTuple):
    """`number` windows side by side, each `width_ns` wide; several of them begin and end at whole seconds."""

    start_ns: int
    width_ns: int
    number: int

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.number * self.width_ns


class TooMany(ValueError):
    """More windows than may be asked for; the message says how wide they would have to be."""


def parse_every(text: str) -> Every:
    """`10s`, `5m`, `1h`, `1d`, `1w`, `1mo`, `1y`, at most `250y`; raises ValueError."""
    found = _EVERY.fullmatch(text)
    if found is None:
        raise ValueError("is a number of s, m, h, d, w, mo (months) or y, like 10s, 5m, 1d or 1mo")
    every = Every(int(found[1] or found[3]), found[2] or found[4])
    if _least_ns(every) > _LONGEST_NS:
        raise ValueError("is more than 250y: leave it out to have no windows")
    return every


def runs_in(start_ns: int, end_ns: int, every: Every, zone: tzinfo, most: int) -> list[Run]:
    """The windows that a range touches, in order; raises TooMany.

    Seconds, minutes and hours are durations, whatever the zone. A day begins when the zone's clocks show it, and may
    last 23 or 25 hours; weeks begin on Monday. Several days, weeks, months or years are counted from 1970 or year 1.
    """
    width = _least_ns(every)
    if -(-(end_ns - start_ns) // width) > most:
        raise TooMany(_too_many(start_ns, end_ns, every, most))
    if every.unit in _SECONDS:
        first = start_ns // width * width
        return [Run(first, width, -(-(end_ns - first) // width))]
    edges = pairwise(_edges(start_ns, end_ns, every, zone))
    neighbours = [list(same) for _, same in groupby(edges, key=lambda edge: edge[1] - edge[0])]
    return [Run(same[0][0], same[0][1] - same[0][0], len(same)) for same in neighbours]


def _least_ns(every: Every) -> int:
    seconds = _SECONDS[every.unit] if every.unit in _SECONDS else _DAYS[every.unit] * 86_400
    return every.number * seconds * _NS_PER_S


def _too_many(start_ns: int, end_ns: int, every: Every, most: int) -> str:
    wide = (text for text in _PROPOSED if (end_ns - start_ns) // _least_ns(parse_every(text)) < most)
    said = f"{every.number}{every.unit} gives more than {most} windows in this range"
    return f"{said}: ask for {next(wide, 'a shorter range')}, or for a shorter range"


def _edges(start_ns: int, end_ns: int, every: Every, zone: tzinfo) -> Iterator[int]:
    """Where windows begin, from the last one at or before the start to the first one at or after the end."""
    index = _index((_EPOCH + timedelta(seconds=start_ns // _NS_PER_S)).astimezone(zone).date(), every)
    at, following = _begin_ns(index, every, zone), _begin_ns(index + 1, every, zone)
    while following < end_ns:
        # a day that the zone never had is no window; one that came twice has begun before
        if following > max(at, start_ns):
            yield at
            at = following
        elif following > at:
            at = following
        index += 1
        following = _begin_ns(index + 1, every, zone)
    yield at
    yield following


def _index(day: date, every: Every) -> int:
    """Which window of its kind a day lies in."""
    match every.unit:
        case "d":
            return (day.toordinal() - _EPOCH_DAY) // every.number
        case "w":
            return (day.toordinal() - 1) // 7 // every.number
        case "mo":
            return (day.year * 12 + day.month - 1) // every.number
        case _:
            return day.year // every.number


def _begin_ns(index: int, every: Every, zone: tzinfo) -> int:
    """The first moment of that window."""
    match every.unit:
        case "d":
            day = date.fromordinal(index * every.number + _EPOCH_DAY)
        case "w":
            day = date.fromordinal(index * every.number * 7 + 1)
        case "mo":
            year, month = divmod(index * every.number, 12)
            day = date(year, month + 1, 1)
        case _:
            day = date(index * every.number, 1, 1)
    return _midnight_s(day, zone) * _NS_PER_S


def _midnight_s(day: date, zone: tzinfo) -> int:
    """The first second, since 1970, at which clocks show that day; after the gap, where midnight is left out."""
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - what clocks show, wherever they are
    # of a midnight that comes twice this is the first one
    late = _seconds(midnight.replace(tzinfo=zone))
    if _shown(late, zone) == midnight:
        return late
    early = _seconds(midnight.replace(tzinfo=zone, fold=1))
    while late - early > 1:
        middle = (early + late) // 2
        early, late = (early, middle) if _shown(middle, zone) >= midnight else (middle, late)
    return early if _shown(early, zone) >= midnight else late


def _seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _SECOND


def _shown(seconds: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).replace(tzinfo=None)
