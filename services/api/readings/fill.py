"""What stands in windows in which nothing was measured. Pure."""

from bisect import bisect
from collections.abc import Iterator, Sequence
from typing import Literal

from shared.readings import Value
from shared.timeseries.calendar import Run
from shared.timeseries.store import Aggregate, WindowRow, WindowSeries

Fill = Literal["none", "null", "previous", "linear", "0"]


def filled(series: WindowSeries, runs: Sequence[Run], aggregates: Sequence[Aggregate], fill: Fill) -> list[WindowRow]:
    """A row for every window, in order; with `none` only those that are there. A count is never made up: it is 0."""
    rows = list(series.rows)
    if fill == "none":
        return rows
    known = {row.start_ns: row for row in rows}
    times = list(known)

    def made_up(start_ns: int) -> WindowRow:
        place = bisect(times, start_ns)
        before, after = rows[place - 1] if place else None, rows[place] if place < len(rows) else None
        values = _values(start_ns, before, after, aggregates, fill if series.kind == "number" else _of_words(fill))
        return WindowRow(start_ns, 0, tuple(values))

    starts = (run.start_ns + number * run.width_ns for run in runs for number in range(run.number))
    return [known.get(start_ns) or made_up(start_ns) for start_ns in starts]


def _of_words(fill: Fill) -> Fill:
    return "previous" if fill == "previous" else "null"


def _values(
    start_ns: int, before: WindowRow | None, after: WindowRow | None, aggregates: Sequence[Aggregate], fill: Fill
) -> Iterator[Value | None]:
    for place, aggregate in enumerate(aggregates):
        if aggregate == "count":
            yield 0
        elif fill == "0":
            yield 0.0
        elif fill == "previous" and before is not None:
            yield before.values[place]
        elif fill == "linear" and before is not None and after is not None:
            yield _between(start_ns, before, after, place)
        else:
            yield None


def _between(start_ns: int, before: WindowRow, after: WindowRow, place: int) -> float | None:
    """On the straight line between two neighbours; both halves first, so that no difference is beyond a float."""
    one, other = before.values[place], after.values[place]
    if one is None or other is None:
        return None
    part = (start_ns - before.start_ns) / (after.start_ns - before.start_ns)
    return float(one) * (1 - part) + float(other) * part
