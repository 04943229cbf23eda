"""What stands in windows in which nothing was measured."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.readings.fill import Fill, filled
from shared.timeseries.calendar import Run
from shared.timeseries.store import Kind, WindowRow, WindowSeries

RUNS = [Run(0, 10, 3), Run(30, 20, 2)]
STARTS = [0, 10, 20, 30, 50]


def series(rows: dict[int, Any], kind: Kind = "number") -> WindowSeries:
    return WindowSeries("d1", 1, "m", "a", kind, [WindowRow(at, 2, (value, 2)) for at, value in rows.items()])


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        ("none", [(10, 1.0), (50, 5.0)]),
        ("null", [(0, None), (10, 1.0), (20, None), (30, None), (50, 5.0)]),
        ("previous", [(0, None), (10, 1.0), (20, 1.0), (30, 1.0), (50, 5.0)]),
        ("linear", [(0, None), (10, 1.0), (20, 2.0), (30, 3.0), (50, 5.0)]),
        ("0", [(0, 0.0), (10, 1.0), (20, 0.0), (30, 0.0), (50, 5.0)]),
    ],
)
def test_every_way_to_fill(fill: Fill, expected: list[tuple[int, float | None]]) -> None:
    """By the time at which windows begin; before the first and behind the last value no line can be drawn."""
    found = filled(series({10: 1.0, 50: 5.0}), RUNS, ["mean", "count"], fill)
    assert [(row.start_ns, row.values[0]) for row in found] == expected


@pytest.mark.parametrize("fill", get_args(Fill))
def test_a_count_is_never_made_up(fill: Fill) -> None:
    """Where nothing was measured, nothing was counted."""
    found = filled(series({10: 1.0, 50: 5.0}), RUNS, ["mean", "count"], fill)
    assert {row.start_ns: row.values[1] for row in found} == {
        row.start_ns: 2 if row.start_ns in (10, 50) else 0 for row in found
    }


@pytest.mark.parametrize("fill", ["null", "linear", "0"])
def test_words_are_not_made_up(fill: Fill) -> None:
    """There is no line between two words, and no zero; the one before may go on."""
    words = series({10: "on", 50: "off"}, "string")
    assert [row.values[0] for row in filled(words, RUNS, ["last", "count"], fill)] == [None, "on", None, None, "off"]
    gone_on = filled(words, RUNS, ["last", "count"], "previous")
    assert [row.values[0] for row in gone_on] == [None, "on", "on", "on", "off"]


def test_no_line_leads_to_nothing() -> None:
    """The stddev of one value is none, and so is what lies between it and another."""
    assert filled(series({10: None, 30: 3.0}), RUNS, ["stddev", "count"], "linear")[2].values == (None, 0)


@given(st.dictionaries(st.sampled_from(STARTS), st.floats(-1e300, 1e300), min_size=1), st.sampled_from(get_args(Fill)))
def test_what_was_measured_stays(rows: dict[int, float], fill: Fill) -> None:
    """Row by row; every window is there once, in order; nothing made up is beyond its neighbours."""
    measured = series(dict(sorted(rows.items())))
    found = filled(measured, RUNS, ["mean", "count"], fill)
    assert [row for row in found if row.number] == list(measured.rows)
    assert [row.start_ns for row in found] == (STARTS if fill != "none" else sorted(rows))
    inside = [*rows.values(), 0.0]
    span = max(map(abs, inside))
    values = [row.values[0] for row in found if isinstance(row.values[0], float)]
    assert all(min(inside) - 1e-9 * span <= value <= max(inside) + 1e-9 * span for value in values)
