"""Moments: what is read and written for them, to the nanosecond."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.times import MAX_NS, MIN_NS, iso_ns, number_ns, parse_iso_ns, parse_relative_ns, parse_time_ns

SECOND: Final = 1_000_000_000
NOW: Final = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
any_ns = st.integers(MIN_NS, MAX_NS)


@given(any_ns)
def test_every_moment_survives_the_way_out_and_back(ns: int) -> None:
    """All of int64 is told with 9 digits and read back exactly."""
    text = iso_ns(ns)
    assert len(text) == 30
    assert parse_iso_ns(text) == ns


@given(st.lists(any_ns, min_size=2))
def test_texts_sort_as_moments_do(moments: list[int]) -> None:
    """Sorting the texts sorts the moments: always the same length."""
    assert sorted(map(iso_ns, moments)) == [iso_ns(ns) for ns in sorted(moments)]


@given(
    st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_zones_are_taken_as_python_takes_them(naive: datetime, minutes: int) -> None:
    """A time with an offset is the moment that the standard library sees in it, microseconds and all."""
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_iso_ns(moment.isoformat()) == (since // timedelta(microseconds=1)) * 1_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01t00:00:00z", NOW),
        ("2026-01-01 00:00Z", NOW),
        ("2026-01-01T00:00:00.1Z", NOW + 100_000_000),
        ("2026-01-01T00:00:00,000000001Z", NOW + 1),
        ("2026-01-01T05:30:00+05:30", NOW),
        ("2025-12-31T17:00:00-0700", NOW),
        ("2026-01-01T02:00:00+02", NOW),
    ],
)
def test_iso_is_read_in_its_usual_forms(text: str, ns: int) -> None:
    """ISO 8601 as devices write it."""
    assert parse_iso_ns(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-02-30T00:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00+25:00",
        "2026-01-01T00:00:00+02:60",
        "2026-01-01T00:00:00Z\n",
        "٢٠٢٦-01-01T00:00:00Z",
        "1600-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """No zone, no such day, ten digits, beyond int64: ValueError, never a guess."""
    with pytest.raises(ValueError, match=r"."):
        parse_iso_ns(text)


@given(st.integers(10**9 * SECOND, MAX_NS))
def test_integers_are_taken_by_magnitude(ns: int) -> None:
    """The same moment in s, ms, µs and ns is the same moment, as far as its unit goes."""
    for scale, limit in ((SECOND, 10**11), (1_000_000, 10**14), (1_000, 10**17), (1, MAX_NS + 1)):
        if 10**9 * SECOND // scale <= ns // scale < limit and (scale == SECOND or ns // scale >= limit // 1_000):
            assert number_ns(ns // scale) == ns // scale * scale


@given(st.integers(10**9, 2**31), st.integers(0, 999_999))
def test_floats_of_seconds_keep_their_microseconds(seconds: int, micros: int) -> None:
    """Until 2038 a float of seconds is exact to the µs: rounded, not cut to what the float happens to be."""
    assert number_ns(float(f"{seconds}.{micros:06}")) == (seconds * 1_000_000 + micros) * 1_000


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        (1_767_225_600, NOW),
        (1_767_225_600.123, NOW + 123_000_000),
        (1_767_225_600_123, NOW + 123_000_000),
        (1_767_225_600_123.456, NOW + 123_456_000),
        (1_767_225_600_123_456, NOW + 123_456_000),
        (1_767_225_600_123_456_789, NOW + 123_456_789),
        (10**9, 10**18),
        (10**11 - 1, None),
        (10**11, None),
        (10**12, 10**18),
    ],
)
def test_numbers_at_the_edges(value: float, ns: int | None) -> None:
    """Where one unit ends and the next begins; what would be before 2001 or after 2262 is no time."""
    if ns is None:
        with pytest.raises(ValueError, match=r"2001|64 bits"):
            number_ns(value)
    else:
        assert number_ns(value) == ns


@pytest.mark.parametrize("value", [0, -1, 999_999_999, 1e300, float("nan"), float("inf"), True, MAX_NS + 1, 10**400])
def test_numbers_that_are_no_time(value: float) -> None:
    """An uptime, a NaN, a boolean, and more than 64 bits are refused."""
    with pytest.raises(ValueError, match=r"."):
        number_ns(value)


@pytest.mark.parametrize(
    ("text", "ns"),
    [("now", NOW), ("-90s", NOW - 90 * SECOND), ("-15m", NOW - 900 * SECOND), ("-6h", NOW - 21_600 * SECOND)],
)
def test_relative_times_count_back_from_now(text: str, ns: int) -> None:
    """`-15m` is a quarter of an hour ago."""
    assert parse_relative_ns(text, NOW) == ns


@pytest.mark.parametrize("text", ["", "-", "15m", "+15m", "-15", "-15M", "-1.5h", "-999999999999d", "-15m\n", "later"])
def test_relative_times_that_are_none(text: str) -> None:
    """The future, fractions, unknown units and a million days are refused."""
    with pytest.raises(ValueError, match=r"."):
        parse_relative_ns(text, NOW)


def test_a_query_may_write_a_time_in_any_of_these_ways() -> None:
    """ISO, integer and relative, told apart by their looks."""
    for text in ("2026-01-01T00:00:00Z", "1767225600", "1767225600000", "now", "-0s"):
        assert parse_time_ns(text, NOW) == NOW
