"""Windows of time: durations, and a calendar's days, weeks, months and years in any zone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.times import iso_ns, parse_iso_ns
from shared.timeseries.calendar import Every, Run, TooMany, parse_every, runs_in

SECOND = 10**9
HOUR = 3_600 * SECOND
DAY = 24 * HOUR


def edges(runs: Sequence[Run]) -> list[int]:
    begun = [run.start_ns + number * run.width_ns for run in runs for number in range(run.number)]
    return [*begun, runs[-1].end_ns]


def asked(start: str, end: str, every: str, zone: str) -> list[Run]:
    return runs_in(parse_iso_ns(start), parse_iso_ns(end), parse_every(every), ZoneInfo(zone), 10_000)


def shown(ns: int, zone: str) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // SECOND)).astimezone(ZoneInfo(zone))


@pytest.mark.parametrize(
    ("text", "every"),
    [("10s", Every(10, "s")), ("5m", Every(5, "m")), ("1mo", Every(1, "mo")), ("250y", Every(250, "y"))],
)
def test_how_windows_are_asked_for(text: str, every: Every) -> None:
    """A number and a unit; `m` is minutes, `mo` months."""
    assert parse_every(text) == every


@pytest.mark.parametrize(
    "text", ["", "m", "0s", "-1h", "1", "1M", "1 h", "1ms", "1.5h", "1000d", "1000000s", "1h\n", "\u0661h"]
)
def test_what_is_no_width(text: str) -> None:
    """The units are named."""
    with pytest.raises(ValueError, match="10s, 5m, 1d or 1mo"):
        parse_every(text)


@pytest.mark.parametrize("text", ["251y", "999y"])
def test_what_is_too_wide_for_a_store(text: str) -> None:
    """Nanoseconds in 64 bits are 292 years."""
    with pytest.raises(ValueError, match="more than 250y"):
        parse_every(text)


def test_a_day_lasts_as_long_as_the_clocks_say() -> None:
    """In Berlin 23 hours in March; the days around it are one run each."""
    found = asked("2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z", "1d", "Europe/Berlin")
    assert [(iso_ns(run.start_ns)[:16], run.width_ns // HOUR, run.number) for run in found] == [
        ("2026-03-26T23:00", 24, 2),
        ("2026-03-28T23:00", 23, 1),
        ("2026-03-29T22:00", 24, 2),
    ]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Sao_Paulo", "2018-11-04T12:00:00Z", 23.0),  # midnight is left out: the day begins at 01:00
        ("America/Havana", "2025-11-02T12:00:00Z", 25.0),  # midnight comes twice: the day begins with the first
        ("America/Toronto", "1919-03-30T12:00:00Z", 23.5),  # the gap begins half an hour before midnight
        ("America/St_Johns", "2006-10-29T12:00:00Z", 25.0),  # one minute of the next day, then yesterday again
        ("Pacific/Apia", "2011-12-29T12:00:00Z", 24.0),  # the next day was left out altogether
    ],
)
def test_strange_nights(zone: str, day: str, hours: float) -> None:
    """The window that holds noon of that day, by its length."""
    noon = parse_iso_ns(day)
    (run,) = runs_in(noon, noon + 1, Every(1, "d"), ZoneInfo(zone), 1)
    assert run.width_ns / HOUR == hours


def test_weeks_begin_on_monday() -> None:
    """Not on Thursday, on which 1970 began."""
    (run,) = asked("2026-01-07T00:00:00Z", "2026-01-08T00:00:00Z", "1w", "UTC")
    assert iso_ns(run.start_ns).startswith("2026-01-05T00:00:00")


def test_months_and_years_are_those_of_the_calendar() -> None:
    """Of the zone, with leap days; three months are a quarter."""
    found = edges(asked("2024-02-10T00:00:00Z", "2024-04-01T00:00:00Z", "1mo", "Europe/Berlin"))
    assert [iso_ns(ns)[:13] for ns in found] == ["2024-01-31T23", "2024-02-29T23", "2024-03-31T22", "2024-04-30T22"]
    quarters = edges(asked("2026-02-01T00:00:00Z", "2026-12-31T00:00:00Z", "3mo", "UTC"))
    assert [iso_ns(ns)[5:7] for ns in quarters] == ["01", "04", "07", "10", "01"]
    assert [run.number for run in asked("2023-05-01T00:00:00Z", "2025-05-01T00:00:00Z", "1y", "UTC")] == [1, 1, 1]


def test_the_smallest_width_that_fits_is_proposed() -> None:
    """With the number that is too large."""
    with pytest.raises(TooMany, match="10s gives more than 1000 windows in this range: ask for 1m, or"):
        runs_in(0, 10 * HOUR, Every(10, "s"), UTC, 1_000)
    with pytest.raises(TooMany, match="ask for a shorter range, or"):
        runs_in(0, 2**62, Every(1, "d"), UTC, 2)
    assert runs_in(0, 10 * HOUR, Every(36, "s"), UTC, 1_000)[0].number == 1_000


zones = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "America/Havana",
        "Pacific/Apia",
    ]
)
everies = st.builds(Every, st.integers(1, 5), st.sampled_from(["h", "d", "w", "mo", "y"]))
moments = st.integers(parse_iso_ns("1950-01-01T00:00:00Z"), parse_iso_ns("2060-01-01T00:00:00Z"))


@given(moments, st.integers(1, 400 * DAY), everies, zones)
def test_windows_cover_the_range_without_gap_or_overlap(start: int, length: int, every: Every, zone: str) -> None:
    """Each begins where the one before ends; the first holds the start, the last the end; none is empty."""
    found = runs_in(start, start + length, every, ZoneInfo(zone), 10_000)
    borders = edges(found)
    assert borders[0] <= start < borders[1]
    assert borders[-2] < start + length <= borders[-1]
    assert all(one < other for one, other in pairwise(borders))
    assert all(run.end_ns == following.start_ns for run, following in pairwise(found))
    assert all(run.width_ns % SECOND == 0 == run.start_ns % SECOND for run in found)


@given(moments, st.integers(1, 400), zones)
def test_a_window_is_the_day_that_the_clocks_show(start: int, days: int, zone: str) -> None:
    """At its first and at its last second, and the second before belongs to the day before."""
    for begin, end in pairwise(edges(runs_in(start, start + days * DAY, Every(1, "d"), ZoneInfo(zone), 10_000))):
        first, last = shown(begin, zone).date(), shown(end - SECOND, zone).date()
        assert first == last
        assert shown(begin - SECOND, zone).date() < first
