"""InfluxQL: what is asked, how answers are read, and that no name becomes code."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.readings import Reading
from shared.timeseries.influxql import (
    BadAnswer,
    Failed,
    ask_measurements,
    ask_readings,
    is_empty,
    quoted,
    read_measurements,
    read_page,
    read_series,
)
from shared.timeseries.store import RawPage, RawQuery

QUERY = RawQuery("d1", [1], 10, 20, 2)


def series(measurement: str, owner: str, columns: list[str], *rows: list[Any]) -> dict[str, Any]:
    return {"name": measurement, "tags": {"user_id": owner}, "columns": ["time", *columns], "values": list(rows)}


def test_every_tag_is_written_as_a_tag() -> None:
    """A field that a device called `user_id` must not win over the tag."""
    for statement in (ask_measurements(QUERY), ask_readings(QUERY, "m")):
        named = re.findall(r'"(?:user|device)_id"(?:::tag)? [=~]+', statement.text)
        assert len(named) == 2
        assert all("::tag" in name for name in named)
        assert set(statement.params) == {"device"}
        assert "$device" in statement.text


def test_a_page_is_asked_for_with_a_row_to_spare() -> None:
    """One tells that there is more, and one is the row that the cursor stands on."""
    assert ask_readings(replace(QUERY, order="desc"), "m").text == (
        'SELECT *::field FROM "m" WHERE "device_id"::tag = $device AND ("user_id"::tag = \'1\')'
        ' AND time >= 10 AND time <= 19 GROUP BY "user_id" ORDER BY time DESC LIMIT 4'
    )


@pytest.mark.parametrize(
    ("order", "times"), [("asc", "time >= 15 AND time <= 19"), ("desc", "time >= 10 AND time <= 15")]
)
def test_the_cursor_narrows_the_range(order: Any, times: str) -> None:
    """The moment it stands on is still in it: others may have readings there."""
    assert times in ask_readings(replace(QUERY, order=order, after=(15, "m", 1)), "m").text


def test_metrics_are_asked_for_in_all_types() -> None:
    """A metric may be in three fields."""
    asked = ask_readings(replace(QUERY, metrics=["a", 'b"']), "m").text
    assert 'SELECT "a"::field, "a__s"::field, "a__b"::field, "b\\""::field' in asked


def test_many_owners_are_one_expression() -> None:
    """Above 20 an anchored regular expression, and never a part of a longer number."""
    assert re.search(r"=~ /\^\(\?:1\|2\|.*\|21\)\$/", ask_measurements(replace(QUERY, user_ids=range(1, 22))).text)
    assert " OR " in ask_measurements(replace(QUERY, user_ids=[1, 2])).text
    assert 'user_id"::tag' not in ask_measurements(replace(QUERY, user_ids=None)).text


@pytest.mark.parametrize(
    "changes", [{"user_ids": []}, {"start_ns": 20}, {"metrics": []}, {"limit": 0}, {"start_ns": 2**63, "end_ns": 2**64}]
)
def test_what_nothing_can_answer_is_not_asked(changes: Any) -> None:
    """An empty tenant filter above all: it must not become no filter."""
    assert is_empty(replace(QUERY, **changes))
    assert not is_empty(QUERY)


@given(st.text())
def test_a_name_stays_inside_its_quotes(name: str) -> None:
    """Whatever it is: only the last quote ends it."""
    assert re.fullmatch(r'"(?:[^"\\\x00-\x1f\x7f]|\\["\\])*"', quoted(name))


def test_own_measurements_are_not_shown() -> None:
    """The probe and the index of late readings are the store's business."""
    found = [{"name": name} for name in ("telemetrio_late", "n", "m", "telemetrio_probe", "m")]
    assert read_measurements(found) == ["m", "n"]


def test_rows_become_readings() -> None:
    """Plain names, floats, what is not there absent; points without an owner, and reserved fields, left out."""
    found = [
        series("m", "1", ["a", "b__s", "c__b", "user_id"], [11, 5, "x", False, 9], [12, None, None, None, 9]),
        series("m", "", ["a"], [11, 1.0]),
        series("m", "2", ["a"], [11, 1.5]),
    ]
    page = read_page(replace(QUERY, user_ids=None), found)
    first = Reading("d1", 1, "m", 11, {"a": 5.0, "b": "x", "c": False})
    assert page == RawPage([first, Reading("d1", 2, "m", 11, {"a": 1.5})], more=False)
    assert type(page.readings[0].values["a"]) is float


@pytest.mark.parametrize(
    "answer",
    [None, [], "no", {}, {"results": []}, {"results": {}}, {"results": [None]}, {"results": [{"series": [1]}]}],
)
def test_an_answer_of_somebody_else_is_told_apart(answer: Any) -> None:
    """It is never an empty page."""
    with pytest.raises(BadAnswer):
        read_series(answer)


@pytest.mark.parametrize(
    "found", [[{}], [{"name": "m"}], [series("m", "1", ["a"], [1])], [series("m", "1", ["a"], ["x", 1.0])]]
)
def test_a_broken_series_is_told_apart(found: list[Any]) -> None:
    """Columns that don't fit, or none."""
    with pytest.raises(BadAnswer):
        read_page(QUERY, found)
    with pytest.raises(BadAnswer):
        read_measurements([{}])


def test_the_server_may_fail_by_200() -> None:
    """An error inside an answer is an error; a missing database is told apart; half an answer is none."""
    for missing in ("database not found: x", 'bucket not found: "x"'):
        with pytest.raises(Failed, match="not found") as caught:
            read_series({"results": [{"statement_id": 0, "error": missing}]})
        assert caught.value.missing
    with pytest.raises(Failed, match="timeout") as caught:
        read_series({"results": [{"error": "timeout"}]})
    assert not caught.value.missing
    with pytest.raises(Failed, match="syntax"):
        read_series({"error": "syntax"})
    for cut in ({"partial": True}, {"series": [{"partial": True}]}):
        with pytest.raises(Failed, match="cut short"):
            read_series({"results": [cut]})
    assert read_series({"results": [{"statement_id": 0}]}) == []
