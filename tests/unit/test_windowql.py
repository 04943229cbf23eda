"""InfluxQL of windows: what is asked, how answers are read, and that no name becomes code."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.timeseries.calendar import Run
from shared.timeseries.fields import fields_of
from shared.timeseries.influxql import BadAnswer
from shared.timeseries.store import WindowQuery, WindowRow, WindowSeries
from shared.timeseries.windowql import Answer, ask_measurements, ask_windows, is_empty, read_windows, without_sums

SECOND = 10**9
RUN = Run(30 * SECOND, 20 * SECOND, 3)
QUERY = WindowQuery(["d1"], [1], ["a"], ["mean"], 35 * SECOND, 80 * SECOND, [RUN])


def series(*rows: list[Any], owner: str = "1") -> dict[str, Any]:
    return {"name": "m", "tags": {"device_id": "d1", "user_id": owner}, "columns": ["time"], "values": list(rows)}


def test_a_run_is_one_question() -> None:
    """Its width and offset in seconds, the range where it cuts the windows, every tag written as a tag."""
    assert ask_windows(QUERY, RUN, "m").text == (
        'SELECT count("a"::field) AS "c0", mean("a"::field) AS "c1", count("a__s"::field) AS "c2",'
        ' count("a__b"::field) AS "c3" FROM "m" WHERE ("device_id"::tag = $d0) AND ("user_id"::tag = \'1\')'
        ' AND time >= 35000000000 AND time <= 79999999999 GROUP BY time(20s, 10s), "device_id", "user_id" fill(none)'
    )
    alone = ask_windows(QUERY, Run(30 * SECOND, 20 * SECOND, 1), "m").text
    assert alone.endswith('time <= 49999999999 GROUP BY "device_id", "user_id"')


@pytest.mark.parametrize("number", [1, 20, 21, 1_000])
def test_the_tenant_filter_is_in_every_question(number: int) -> None:
    """However many devices; only an admin's question has none."""
    asked = replace(QUERY, device_ids=[f"d{place}" for place in range(number)])
    for statement in (ask_measurements(asked), ask_windows(asked, RUN, "m")):
        assert "(\"user_id\"::tag = '1')" in statement.text
        assert len(statement.params) == (number if number <= 20 else 0)
    assert "::tag = '1'" not in ask_windows(replace(asked, user_ids=None), RUN, "m").text


@given(st.lists(st.text(min_size=1), min_size=21, max_size=30))
def test_no_name_ends_the_expression(names: list[str]) -> None:
    """Whatever stands in a device's name: between the slashes nothing but letters, bars and escapes."""
    text = ask_measurements(replace(QUERY, device_ids=names)).text
    found = re.search(r"=~ /\^\(\?:(.*)\)\$/ AND", text, re.DOTALL)
    assert found is not None
    assert re.fullmatch(r"(?:[A-Za-z0-9_:|-]|\\x\{[0-9a-f]+\})*", found[1])


def test_rows_of_several_runs_are_one_series() -> None:
    """In order; a lone window is named by its run, because InfluxQL names it by the range."""
    answers = [
        Answer(QUERY, RUN, [series([30 * SECOND, 2, 5, None, None])]),
        Answer(QUERY, Run(90, 10, 1), [series([0, 1, 4.5, None, None])]),
    ]
    rows = [WindowRow(30 * SECOND, 2, (5.0,)), WindowRow(90, 1, (4.5,))]
    assert read_windows(QUERY, answers) == [WindowSeries("d1", 1, "m", "a", "number", rows)]


def test_points_without_an_owner_are_somebody_elses() -> None:
    """As in raw: what was not written by ingest is not shown."""
    assert read_windows(QUERY, [Answer(QUERY, RUN, [series([0, 2, 5.0, 0, 0], owner="")])]) == []


@pytest.mark.parametrize(
    "bad", [{}, {"name": "m"}, series([0]), series(["x", 1, 1.0, 0, 0]), series([0, 1, "x", 0, 0])]
)
def test_what_influxdb_does_not_answer_is_said(bad: dict[str, Any]) -> None:
    """No traceback: a bad answer is an outage."""
    with pytest.raises(BadAnswer):
        read_windows(QUERY, [Answer(QUERY, RUN, [bad])])


def test_what_was_not_asked_in_the_end_is_none() -> None:
    """Of values too large to add up the other aggregates are told, in the places at which they were asked for."""
    asked = replace(QUERY, aggregates=["mean", "max", "sum", "last"])
    answer = Answer(without_sums(asked), RUN, [series([30 * SECOND, 2, 5, 6.0, None, None, None, None])])
    (found,) = read_windows(asked, [answer])
    assert found.rows == [WindowRow(30 * SECOND, 2, (None, 5.0, None, 6.0))]


def test_nobody_is_asked_for_nothing() -> None:
    """No device, owner, metric, window or range."""
    assert not is_empty(QUERY)
    assert not is_empty(replace(QUERY, user_ids=None))
    assert is_empty(replace(QUERY, user_ids=[]))
    assert is_empty(replace(QUERY, device_ids=[]))
    assert is_empty(replace(QUERY, metrics=["time"]))
    assert is_empty(replace(QUERY, runs=[]))
    assert is_empty(replace(QUERY, end_ns=QUERY.start_ns))


def test_where_a_metric_may_lie() -> None:
    """In three fields; a name that no payload may use, in none."""
    assert fields_of(["a", "time", "user_id", "b__s", "c__b"]) == {
        "a": ("a", "number"),
        "a__s": ("a", "string"),
        "a__b": ("a", "boolean"),
    }
