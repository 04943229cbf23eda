"""Windows of a range, and what a day is where clocks change."""

from datetime import date
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from services.api.analytics.windows import MAX_WINDOWS, Every, TooMany, edges, parse_every, slices
from services.api.zones import Zone, day_of, local, midnight_ns
from shared.times import iso_ns, parse_iso_ns

UTC, BERLIN, KOLKATA = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
HOUR = 3_600 * 10**9
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Africa/Cairo", "Atlantic/Azores"])
MOMENTS = st.integers(946_684_800 * 10**9, 1_893_456_000 * 10**9)  # 2000 to 2030


def begins(start: str, end: str, every: str, zone: ZoneInfo = UTC) -> list[str]:
    found = edges(parse_iso_ns(start), parse_iso_ns(end), parse_every(every), zone)
    return [iso_ns(moment)[:16] for moment in found]


def hours(start: str, end: str) -> list[int]:
    """How long days in Berlin are."""
    found = edges(parse_iso_ns(start), parse_iso_ns(end), parse_every("1d"), BERLIN)
    return [(after - before) // HOUR for before, after in pairwise(found)]


def test_windows_begin_at_round_times() -> None:
    """The first and the last are cut to the range."""
    assert begins("2026-01-01T00:07:00Z", "2026-01-01T00:21:00Z", "5m") == [
        "2026-01-01T00:07",
        "2026-01-01T00:10",
        "2026-01-01T00:15",
        "2026-01-01T00:20",
        "2026-01-01T00:21",
    ]
    assert begins("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", "1h", KOLKATA)[1] == "2026-01-01T00:30"


def test_days_are_as_long_as_they_are_there() -> None:
    """23 hours when clocks go forward, 25 when they go back."""
    assert hours("2026-03-28T00:00:00+01:00", "2026-03-30T00:00:00+01:00") == [24, 23, 1]
    assert hours("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00") == [25]
    assert day_of(parse_iso_ns("2026-10-25T12:00:00Z"), BERLIN) == (
        date(2026, 10, 25),
        parse_iso_ns("2026-10-25T00:00:00+02:00"),
        parse_iso_ns("2026-10-26T00:00:00+01:00"),
    )


def test_weeks_months_and_years() -> None:
    """From Monday, from the first, from New Year."""
    assert begins("2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z", "1w")[1:3] == ["2026-01-05T00:00", "2026-01-12T00:00"]
    assert begins("2026-01-15T00:00:00Z", "2026-03-02T00:00:00Z", "1mo")[1:3] == [
        "2026-02-01T00:00",
        "2026-03-01T00:00",
    ]
    assert begins("2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z", "3mo")[1:4] == [
        f"2026-{month}-01T00:00" for month in ("04", "07", "10")
    ]
    assert begins("2024-05-01T00:00:00Z", "2026-05-01T00:00:00Z", "1y", BERLIN)[1:3] == [
        "2024-12-31T23:00",
        "2025-12-31T23:00",
    ]


def test_a_day_whose_midnight_is_skipped() -> None:
    """In Cairo clocks go from 00:00 to 01:00: the day begins at one."""
    cairo = ZoneInfo("Africa/Cairo")
    assert local(midnight_ns(date(2025, 4, 25), cairo), cairo).hour == 1
    _, start, end = day_of(parse_iso_ns("2025-04-25T12:00:00Z"), cairo)
    assert (end - start) // HOUR == 23


@given(MOMENTS, ZONES)
def test_a_moment_is_within_its_day(ns: int, name: str) -> None:
    """And so are the first and the last nanosecond of it, whose neighbours are not."""
    zone = ZoneInfo(name)
    day, start, end = day_of(ns, zone)
    assert start <= ns < end
    assert 22 * HOUR <= end - start <= 26 * HOUR
    assert [local(moment, zone).date() == day for moment in (start - 1, start, end - 1, end)] == [
        False,
        True,
        True,
        False,
    ]


@settings(deadline=None)
@given(
    MOMENTS,
    st.integers(1, 10**16),
    st.integers(1, 40),
    st.sampled_from(["s", "m", "h", "d", "w", "mo", "y"]),
    ZONES,
)
def test_windows_cover_the_range_without_a_gap(start: int, length: int, number: int, unit: str, name: str) -> None:
    """They ascend from its start to its end, and there are no more than can be drawn."""
    every = Every(number, unit)
    if length // every.least_ns > MAX_WINDOWS:
        with pytest.raises(TooMany) as refused:
            edges(start, start + length, every, ZoneInfo(name))
        every = Every(refused.value.least_s, "s")
    found = edges(start, start + length, every, ZoneInfo(name))
    assert (found[0], found[-1]) == (start, start + length)
    assert all(before < after for before, after in pairwise(found))
    assert len(found) <= MAX_WINDOWS + 3


@given(st.lists(st.integers(0, 100)), st.lists(st.integers(0, 100), min_size=2, unique=True))
def test_every_reading_is_in_its_window(times: list[int], bounds: list[int]) -> None:
    """Its start belongs to a window, its end to the next; what is empty is left out."""
    times.sort()
    bounds.sort()
    times = [time for time in times if bounds[0] <= time < bounds[-1]]
    found = [(start, end, times[first:last]) for start, end, first, last in slices(times, bounds)]
    expected = [(start, end, [time for time in times if start <= time < end]) for start, end in pairwise(bounds)]
    assert found == [window for window in expected if window[2]]


@given(st.integers(-(2**63), 2**63 - 2), st.sampled_from(["1000y", "12000mo", "52142w", "365000d", "999999s"]), ZONES)
def test_the_longest_windows_there_are(start: int, text: str, name: str) -> None:
    """Anywhere in 64 bits of nanoseconds they have a beginning and an end."""
    end = min(start + 10**17, 2**63 - 1)
    found = edges(start, end, parse_every(text), ZoneInfo(name))
    assert (found[0], found[-1]) == (start, end)
    for longer in ("1001y", "999999y", "999999mo", "999999d"):
        with pytest.raises(ValueError, match="1000y"):
            parse_every(longer)


@pytest.mark.parametrize("text", ["", "1", "h", "0h", "-1h", "1.5h", "1H", "1 h", "1month", "9999999s", "1h\n"])
def test_what_is_no_length_of_time(text: str) -> None:
    """It is said, with examples."""
    with pytest.raises(ValueError, match="like 10s"):
        parse_every(text)


@pytest.mark.parametrize(
    "name", ["", "Europe/Nowhere", "America", "../etc/passwd", "/etc/localtime", "a\x00b", "x" * 999]
)
def test_what_is_no_time_zone(name: str) -> None:
    """Neither a folder of zones, nor a file elsewhere."""

    class Asked(BaseModel):
        zone: Zone

    with pytest.raises(ValidationError, match="IANA"):
        Asked.model_validate({"zone": name})
    assert Asked.model_validate({"zone": "Europe/Berlin"}).zone == BERLIN
