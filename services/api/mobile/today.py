"""A day of one device in a few numbers, short enough for a phone. Pure."""

from collections.abc import Mapping
from math import floor, log10
from typing import Any, Final

from services.api.analytics.figures import mean_of
from services.api.analytics.knee import MAGNITUDE, repetitions
from services.api.analytics.recording import Column, Recording
from shared.readings import Value

_DIGITS: Final = 6


def short(value: Value) -> Value:
    """A number with six significant digits, or all those of a whole one: more is noise on a small screen."""
    if type(value) is not float or value == 0:
        return value
    return round(value, max(0, _DIGITS - 1 - floor(log10(abs(value)))))


def summary(newest: Mapping[str, Value], day: Recording) -> dict[str, Any]:
    """Each metric's last value and, for numbers, what it was today; of a knee also its repetitions."""
    metrics = {name: _metric(newest.get(name), day.columns.get(name)) for name in _names(newest, day)}
    told: dict[str, Any] = {"active_minutes": len(day.minutes), "metrics": metrics}
    if day.is_knee:
        length = day.columns[MAGNITUDE]
        told["repetitions"] = len(repetitions(length.times_ns, length.values).peaks_ns)
    return told


def _names(newest: Mapping[str, Value], day: Recording) -> list[str]:
    # the magnitude of a knee is ours and not among its values: its repetitions say more in less room
    computed = {MAGNITUDE} if day.is_knee else set()
    return sorted({*newest, *(day.columns.keys() - computed)})


def _metric(last: Value | None, day: Column | None) -> dict[str, Any]:
    if last is not None and type(last) is not float:
        return {"last": last}
    if day is None:
        return {"last": short(last) if last is not None else None, "count": 0}
    values = day.values
    ends = {"min": min(values), "mean": mean_of(values), "max": max(values)}
    newest = values[-1] if last is None else last
    return {"last": short(newest), **{name: short(value) for name, value in ends.items()}, "count": len(values)}
