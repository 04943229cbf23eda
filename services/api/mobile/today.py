"""A day of one device in a few numbers, short enough for a phone. Pure."""

from collections.abc import Mapping
from math import floor, log10
from typing import Any, Final, NamedTuple

from services.api.analytics.figures import mean_of
from services.api.analytics.knee import MAGNITUDE, repetitions
from services.api.analytics.recording import Recording
from shared.readings import Value

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
