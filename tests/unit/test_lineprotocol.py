"""Line protocol: exact, escaped, and never more lines than readings."""

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.readings import Reading, Value
from shared.timeseries.lineprotocol import field_names, has_field, lines_of, plain_lines
from tests.fakes.influxdb import Point, parse, split_lines

SECOND_NS = 1_000_000_000


def reading(
    odd: dict[str, Value] | None = None,
    *,
    device: str = "d1",
    owner: int = 1,
    measurement: str = "m",
    ts_ns: int = 1,
    **values: Value,
) -> Reading:
    """`odd`: values of names that no keyword can have."""
    return Reading(device, owner, measurement, ts_ns, {**values, **(odd or {})})


def line(of: Reading) -> bytes:
    lines, unwritable = lines_of([of])
    assert unwritable == []
    return lines[0]


def reason(of: Reading) -> str:
    lines, unwritable = lines_of([of])
    assert lines == {}
    ((position, why),) = unwritable
    assert position == 0
    return why


def point(of: Reading) -> Point:
    return parse(line(of).decode())


def test_a_line_of_numbers_looks_as_documented() -> None:
    """Measurement, tags in order, fields, nanoseconds."""
    sent = reading({"x.y-z": -0.0}, device="a:b", owner=7, ts_ns=1_767_225_600_000_000_001, temperature=23.5)
    assert line(sent) == b"m,device_id=a:b,user_id=7 temperature=23.5,x.y-z=-0.0 1767225600000000001"


def test_each_type_has_its_own_field() -> None:
    """A string under `name__s`, a boolean under `name__b`, whatever stands beside it."""
    assert (
        line(reading(a=1.0, b="x", c=True, d=False))
        == b'm,device_id=d1,user_id=1 a=1.0,b__s="x",c__b=true,d__b=false 1'
    )
    assert line(reading(b='say "no" \\')) == b'm,device_id=d1,user_id=1 b__s="say \\"no\\" \\\\" 1'
    assert line(reading(a=5)) == b"m,device_id=d1,user_id=1 a=5.0 1"


def test_names_are_escaped() -> None:
    """Commas, equals signs and blanks stay what they are."""
    seen = point(reading({"a b,c=1": 1.0}, device="d, user_id=2", measurement="m ,="))
    assert seen.series == ("m ,=", (("device_id", "d, user_id=2"), ("user_id", "1")))
    assert seen.fields == {"a b,c=1": 1.0}


@pytest.mark.parametrize("name", ["", "a\nb", "a\\", "\\,b", "a\x00", "\r"])
def test_a_name_that_can_not_be_told_is_refused(name: str) -> None:
    """Line protocol has no escape for a newline or a backslash in a name: it is never sent."""
    assert "can't be written" in reason(reading(device=name, a=1.0))
    assert "can't be written" in reason(reading(measurement=name, a=1.0))
    assert "can't be written" in reason(reading({name: 1.0}))
    assert "can't be written" in reason(reading({name: "x"}))


def test_a_measurement_is_no_comment() -> None:
    """A line that begins with # would be taken and dropped."""
    assert "comment" in reason(reading(measurement="#m", a=1.0))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    """Alone: its neighbours of the same write are written."""
    lines, unwritable = lines_of([reading(a=1.0), reading(a=value, b=1.0), reading(a=2.0, s="x")])
    assert list(lines) == [0, 2]
    assert unwritable == [(1, f"a is {value}")]


@pytest.mark.parametrize("ts_ns", [-(2**63) + 1, 2**63 - 1, 2**63, -(2**70)])
def test_times_that_influxdb_can_not_hold_are_refused(ts_ns: int) -> None:
    """Its range is three nanoseconds short of int64."""
    assert "outside" in reason(reading(ts_ns=ts_ns, a=1.0))
    assert line(reading(ts_ns=-(2**63) + 2, a=1.0)).endswith(b" -9223372036854775806")
    assert line(reading(ts_ns=2**63 - 2, a=1.0)).endswith(b" 9223372036854775806")


def test_half_a_character_is_refused() -> None:
    """A lone surrogate has no bytes."""
    assert "UTF-8" in reason(reading(s="\ud800"))


def test_a_reading_without_values_has_no_line() -> None:
    """It is not refused either: there is nothing to store."""
    assert lines_of([reading(), reading(a=1.0)]) == ({1: b"m,device_id=d1,user_id=1 a=1.0 1"}, [])
    assert lines_of([]) == ({}, [])


anything = st.text(max_size=8)
values = st.dictionaries(anything, st.floats() | st.booleans() | st.text(max_size=8) | st.integers(-5, 5), max_size=4)
readings = st.builds(Reading, anything, st.integers(1, 3), anything, st.integers(-5, 5), values)


@given(st.lists(readings, max_size=6))
@example([reading(a=1.0, null=1.0), reading({":null": 1.0}), reading({'"},{"': 1.0})])
@example([reading({'a":1},{"b': 1.0}), reading(s="\n"), reading(s="},{", a=1.0)])
def test_every_reading_is_its_own_line_or_refused(sent: list[Reading]) -> None:
    """For any strings at all: what a reader of line protocol sees is what was meant, no more and no less."""
    lines, unwritable = lines_of(sent)
    refused = {position for position, _ in unwritable}
    written = [each for position, each in enumerate(sent) if position not in refused and each.values]
    assert [expected(each) for each in written] == [
        parse(each)[:3] for each in split_lines(b"\n".join(lines.values()).decode())
    ]


def test_readings_of_plain_floats_are_written_all_at_once() -> None:
    """The same lines, byte for byte; None as soon as one of them isn't plain."""
    plain = [reading(device=f"d{number}", ts_ns=number, a=number / 7, b=-0.0) for number in range(100)]
    assert plain_lines(plain) == b"\n".join(lines_of(plain)[0].values())
    odd = [reading({"a b": 1.0}), reading(a="1"), reading(a=True), reading(a=math.nan), reading(a=math.inf), reading()]
    odd += [reading(device="a b\n", a=1.0), reading(device="\ud800", a=1.0), reading(measurement="#m", a=1.0)]
    odd += [reading(ts_ns=2**63 - 1, a=1.0), reading(ts_ns=-(2**63), a=1.0)]
    for each in odd:
        wanted, refused = lines_of([*plain, each])
        quick = plain_lines([*plain, each])
        assert quick is None or (not refused and quick == b"\n".join(wanted.values()))


def expected(of: Reading) -> tuple[Any, ...]:
    fields: dict[str, Any] = {}
    for name, value in of.values.items():
        plain, string, boolean = field_names(name)
        fields[boolean if isinstance(value, bool) else string if isinstance(value, str) else plain] = value
    return (of.measurement, (("device_id", of.device_id), ("user_id", str(of.user_id)))), fields, of.ts_ns


def test_a_reading_knows_its_fields() -> None:
    """By the name that the server uses, with the suffix of the type."""
    sent = reading(a=1.0, b="x", c=True)
    assert [has_field(sent, name) for name in ("a", "b__s", "c__b")] == [True, True, True]
    assert [has_field(sent, name) for name in ("b", "c", "a__s", "b__b", "z")] == [False] * 5
