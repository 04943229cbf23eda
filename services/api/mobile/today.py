"""A day of one device in a few numbers, short enough for a phone. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from math import floor, log10
from typing import Any, Final, NamedTuple, cast

from services.api.analytics.figures import mean_of
from services.api.analytics.knee import MAGNITUDE, repetitions
from services.api.analytics.recording import Recording
from shared.readings import Value
from shared.timeseries.store import Aggregate, WindowSeries

_DIGITS: Final = 6


class Spread(NamedTuple):
    """What one metric was in the day: its last value, the least, the mean, the greatest, and of how many."""

    last: float
    low: float
    mean: float
    high: float
    number: int


class Day(NamedTuple):
    """`active_minutes`: those with any reading; `repetitions`: None but for a knee."""

    active_minutes: int
    spreads: Mapping[str, Spread]
    repetitions: int | None


FIGURES: Final[Sequence[Aggregate]] = ("last", "min", "mean", "max")  # as Spread has them


def short(value: Value) -> Value:
    """A number with six significant digits, or all those of a whole one: more is noise on a small screen."""
    if type(value) is not float or value == 0:
        return value
    return round(value, max(0, _DIGITS - 1 - floor(log10(abs(value)))))


def measured(recording: Recording) -> Day:
    """What a day's readings come to, at least one for each metric."""
    spreads = {
        name: Spread(
            column.values[-1], min(column.values), mean_of(column.values), max(column.values), len(column.values)
        )
        for name, column in recording.columns.items()
    }
    if not recording.is_knee:
        return Day(len(recording.minutes), spreads, None)
    # the magnitude of a knee is ours and not among its values: its repetitions say more in less room
    del spreads[MAGNITUDE]
    length = recording.columns[MAGNITUDE]
    return Day(len(recording.minutes), spreads, len(repetitions(length.times_ns, length.values).peaks_ns))


def added_up(figures: Sequence[WindowSeries], minutes: Sequence[WindowSeries]) -> Day:
    """The same from the store's own sums: FIGURES of the whole day, and which minutes had any reading.

    A metric that came under two measurements in one day is one metric; a sum beyond what a float can say is left out.
    """
    spreads: dict[str, Spread] = {}
    for series in figures:
        for row in series.rows:
            if series.kind == "number" and None not in row.values:
                day = Spread(*cast("tuple[float, float, float, float]", row.values), row.number)
                seen = spreads.get(series.metric)
                spreads[series.metric] = day if seen is None else _together(seen, day)
    return Day(len({row.start_ns for series in minutes for row in series.rows}), spreads, None)


def _together(one: Spread, other: Spread) -> Spread:
    number = one.number + other.number
    # exactly: their sums might be more than a float can say
    mean = float((Fraction(one.mean) * one.number + Fraction(other.mean) * other.number) / number)
    return Spread(other.last, min(one.low, other.low), mean, max(one.high, other.high), number)


def parts(metrics_of: Mapping[str, Collection[str]], most: int) -> Iterator[tuple[list[str], list[str]]]:
    """(devices, metrics) of one question each: all are asked for, and never more than `most` of devices x metrics."""
    devices: list[str] = []
    names: set[str] = set()
    for device_id, metrics in metrics_of.items():
        listed = sorted(metrics)
        if len(listed) > most:
            yield from (([device_id], listed[first : first + most]) for first in range(0, len(listed), most))
            continue
        if devices and (len(devices) + 1) * len(names.union(listed)) > most:
            yield devices, sorted(names)
            devices, names = [], set()
        if listed:
            devices.append(device_id)
            names.update(listed)
    if devices:
        yield devices, sorted(names)


def summary(newest: Mapping[str, Value], day: Day) -> dict[str, Any]:
    """Each metric's last value and, for numbers, what it was today; of a knee also its repetitions."""
    names = sorted({*newest, *day.spreads})
    metrics = {name: _metric(newest.get(name), day.spreads.get(name)) for name in names}
    told: dict[str, Any] = {"active_minutes": day.active_minutes, "metrics": metrics}
    return told if day.repetitions is None else {**told, "repetitions": day.repetitions}


def _metric(last: Value | None, day: Spread | None) -> dict[str, Any]:
    if last is not None and type(last) is not float:
        return {"last": last}
    if day is None:
        return {"last": short(last) if last is not None else None, "count": 0}
    numbers = {"last": day.last if last is None else last, "min": day.low, "mean": day.mean, "max": day.high}
    return {**{name: short(value) for name, value in numbers.items()}, "count": day.number}
