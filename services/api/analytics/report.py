"""The answer of the analytics, put together from what was read. Pure; as heavy as the range is long."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.api.analytics.figures import Figures, change, difference, figures, histogram, ordered
from services.api.analytics.knee import AXES, MAGNITUDE, range_of_motion, repetitions
from services.api.analytics.recording import Column, Recording
from services.api.analytics.windows import slices
from shared.times import iso_ns


@dataclass(frozen=True, slots=True)
class Options:
    """`bounds`: the edges of the windows, None for none. `metrics`: only these; None for all."""

    bounds: Sequence[int] | None
    bins: int
    metrics: Collection[str] | None = None
    prominence: float | None = None


def describe(recording: Recording, options: Options) -> dict[str, Any]:
    """All that is told of one device."""
    told = {name: _metric(column, options) for name, column in chosen(recording, options.metrics).items()}
    return {"metrics": told, "knee": _knee(recording, options) if recording.is_knee else None}


def chosen(recording: Recording, metrics: Collection[str] | None) -> dict[str, Column]:
    """The columns that were asked for, by name."""
    names = recording.columns if metrics is None else [name for name in metrics if name in recording.columns]
    return {name: recording.columns[name] for name in sorted(names)}


def summaries(recording: Recording, metrics: Collection[str] | None) -> dict[str, Figures]:
    """The figures of each metric over the whole range."""
    return {name: figures(ordered(column.values)) for name, column in chosen(recording, metrics).items()}


def compare_devices(devices: Mapping[str, Mapping[str, Figures]]) -> dict[str, Any]:
    """Every other device minus the first one."""
    base, *others = devices
    apart = {other: _apart(devices[other], devices[base]) for other in others}
    return {"base": base, "devices": apart}


def compare_periods(
    devices: Mapping[str, Mapping[str, Figures]], before: Mapping[str, Mapping[str, Figures]]
) -> dict[str, Any]:
    """Each device's figures then, and now minus then."""
    return {
        "devices": {
            name: {
                "figures": {metric: each.told for metric, each in before[name].items()},
                "difference": _apart(now, before[name]),
            }
            for name, now in devices.items()
        }
    }


def _apart(one: Mapping[str, Figures], other: Mapping[str, Figures]) -> dict[str, Any]:
    return {metric: difference(one[metric], other[metric]) for metric in one if metric in other}


def _metric(column: Column, options: Options) -> dict[str, Any]:
    ascending = ordered(column.values)
    return {
        **figures(ascending).told,
        "change": change(column.times_ns, column.values)._asdict(),
        "histogram": histogram(ascending, options.bins)._asdict(),
        "windows": None if options.bounds is None else _windows(column, options.bounds),
    }


def _windows(column: Column, bounds: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {"start": iso_ns(start), "end": iso_ns(end), **figures(ordered(column.values[first:last])).told}
        for start, end, first, last in slices(column.times_ns, bounds)
    ]


def _knee(recording: Recording, options: Options) -> dict[str, Any]:
    length = recording.columns[MAGNITUDE]
    found = repetitions(length.times_ns, length.values, options.prominence)
    moved = {name: range_of_motion(recording.columns[name].values) for name in (*AXES, MAGNITUDE)}
    return {
        "range_of_motion": moved,
        "repetitions": len(found.peaks_ns),
        "prominence": found.prominence,
        "seconds_per_repetition": found.seconds_each,
        "windows": None if options.bounds is None else _knee_windows(length, found.peaks_ns, options.bounds),
    }


def _knee_windows(length: Column, peaks_ns: Sequence[int], bounds: Sequence[int]) -> list[dict[str, Any]]:
    # peaks are looked for in the whole range: cut at its edges, a repetition would be lost or doubled
    counted = {start: last - first for start, _, first, last in slices(peaks_ns, bounds)}
    return [
        {
            "start": iso_ns(start),
            "end": iso_ns(end),
            "repetitions": counted.get(start, 0),
            "range_of_motion": range_of_motion(length.values[first:last]),
        }
        for start, end, first, last in slices(length.times_ns, bounds)
    ]
