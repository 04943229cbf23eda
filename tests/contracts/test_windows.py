"""What every time-series store must answer to a question for windows: one suite, compared with a plain calculation."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.readings import Reading, Value
from shared.times import parse_iso_ns
from shared.timeseries.calendar import Run, parse_every, runs_in
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import (
    Aggregate,
    Kind,
    RawQuery,
    TimeSeriesStore,
    Unavailable,
    WindowQuery,
    WindowRow,
    WindowSeries,
)
from tests.contracts.backends import Open, opened, real_influxdb, sqlite
from tests.fakes.batches import write
from tests.peers.influxdb import Influxd

ALL: tuple[Aggregate, ...] = get_args(Aggregate)
SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NEW_YEAR = parse_iso_ns("2026-01-01T00:00:00Z")


def reading(ts_ns: int, device: str = "d1", owner: int = 1, measurement: str = "m", **values: Value) -> Reading:
    return Reading(device, owner, measurement, ts_ns, values or {"a": 1.0})


def query(**changes: Any) -> WindowQuery:
    everything = {
        "device_ids": ["d1"],
        "user_ids": [1],
        "metrics": ["a"],
        "aggregates": ["mean"],
        "start_ns": NEW_YEAR,
        "end_ns": NEW_YEAR + DAY,
        "runs": [Run(NEW_YEAR, HOUR, 24)],
    }
    return WindowQuery(**{**everything, **changes})


def calendar(start: str, end: str, every: str, zone: str) -> dict[str, Any]:
    start_ns, end_ns = parse_iso_ns(start), parse_iso_ns(end)
    runs = runs_in(start_ns, end_ns, parse_every(every), ZoneInfo(zone), 10_000)
    return {"start_ns": start_ns, "end_ns": end_ns, "runs": runs}


def kind_of(value: Value) -> Kind:
    return "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def told(aggregate: Aggregate, values: list[Any]) -> Value | None:
    """One aggregate of the values of a window, in order of their times."""
    calls: dict[Aggregate, Callable[[list[Any]], Value | None]] = {
        "count": len,
        "first": lambda values: values[0],
        "last": lambda values: values[-1],
    }
    if isinstance(values[0], float):
        calls |= {
            "p95": lambda values: sorted(values)[math.floor(0.95 * len(values) + 0.5) - 1],
            "stddev": lambda values: statistics.stdev(values) if len(values) > 1 else None,
            "median": statistics.median,
            "mean": lambda values: math.fsum(values) / len(values),
            "sum": math.fsum,
            "min": min,
            "max": max,
        }
    return calls[aggregate](values) if aggregate in calls else None


def plain(written: Sequence[Reading], asked: WindowQuery) -> list[WindowSeries]:
    """The answer by a plain calculation over everything written."""
    kept: dict[tuple[str, int, str, str, Kind], dict[int, Value]] = {}
    for device_id, user_id, measurement, ts_ns, values in written:
        if device_id in asked.device_ids and (asked.user_ids is None or user_id in asked.user_ids):
            for metric, value in values.items():
                if metric in asked.metrics and asked.start_ns <= ts_ns < asked.end_ns:
                    kept.setdefault((device_id, user_id, measurement, metric, kind_of(value)), {})[ts_ns] = value
    starts = [run.start_ns + number * run.width_ns for run in asked.runs for number in range(run.number)]
    edges = [*starts, asked.runs[-1].end_ns]
    found = []
    for key, points in sorted(kept.items()):
        rows = []
        for start, end in pairwise(edges):
            values_in = [points[ts_ns] for ts_ns in sorted(points) if start <= ts_ns < end]
            if values_in:
                aggregates = tuple(told(aggregate, values_in) for aggregate in asked.aggregates)
                rows.append(WindowRow(start, len(values_in), aggregates))
        found.append(WindowSeries(*key, rows))
    return found


def differing(found: Sequence[WindowSeries], expected: Sequence[WindowSeries], scale: float) -> list[Any]:
    """Where the two differ: in anything but the last digits of a float."""
    keys = [[series[:5] for series in each] for each in (found, expected)]
    if keys[0] != keys[1]:
        return keys
    rows = [
        (series[:5], one, other)
        for series, reference in zip(found, expected, strict=True)
        for one, other in zip(series.rows, reference.rows, strict=True)
    ]
    return [each for each in rows if each[1][:2] != each[2][:2] or not all(map(close(scale), each[1][2], each[2][2]))]


def close(scale: float) -> Any:
    """Equal in kind, and to nine digits where it is a float: of the result, or of what was added up for it."""

    def compare(one: Value | None, other: Value | None) -> bool:
        if isinstance(one, float) and isinstance(other, float):
            return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9 * scale)
        return type(one) is type(other) and one == other

    return compare


numbers = st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float) | st.just(20.25)
some_values = st.dictionaries(
    st.sampled_from(["a", "b"]), numbers | numbers | numbers | st.booleans() | st.text("xy", max_size=2), min_size=1
)
# around the nights on which Berlin and New York change their clocks, and a whole day without any change
moments = st.builds(
    lambda day, ns: parse_iso_ns(f"2026-{day}T00:00:00Z") + ns,
    st.sampled_from(["03-07", "03-08", "03-28", "03-29", "10-24", "10-25", "10-31", "11-01"]),
    st.integers(0, 23).map(lambda hour: hour * HOUR) | st.integers(0, DAY - 1) | st.just(7),
)
readings = st.builds(
    Reading,
    st.sampled_from(["d1", "d1", "d2", "d3", "x.y:z"]),
    st.integers(1, 2),
    st.sampled_from(["m", "m", "n"]),
    moments,
    some_values,
)
questions = st.builds(
    lambda start, length, every, zone, **more: WindowQuery(
        start_ns=start,
        end_ns=start + length,
        runs=runs_in(start, start + length, parse_every(every), ZoneInfo(zone), 10_000),
        **more,
    ),
    start=moments,
    length=st.integers(1, 2 * DAY) | st.integers(1, 250 * DAY),
    every=st.sampled_from(["1h", "6h", "1d", "2d", "1w", "1mo", "1y"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    device_ids=st.lists(st.sampled_from(["d1", "d2", "x.y:z", "other"]), min_size=1, unique=True)
    | st.just(["d1", "x.y:z", *(f"e{number}" for number in range(30))]),
    user_ids=st.none() | st.lists(st.integers(1, 2), min_size=1, unique=True),
    metrics=st.lists(st.sampled_from(["a", "b", "none"]), min_size=1, unique=True),
    aggregates=st.lists(st.sampled_from(ALL), min_size=1, unique=True) | st.just(ALL),
)
quietly = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quietly
@given(st.lists(readings, min_size=10, max_size=80), st.lists(questions, min_size=1, max_size=5))
async def test_windows_are_what_a_plain_calculation_gives(
    backend: Open, tmp_path_factory: pytest.TempPathFactory, written: list[Reading], asked: list[WindowQuery]
) -> None:
    """Random readings of two tenants, random questions, clocks that change: the same windows, counts and aggregates."""
    async with opened(backend, tmp_path_factory.mktemp("store")) as store:
        for half in (written[::2], written[1::2]):
            await write(store, half)
        for question in asked:
            assert differing(await store.windows(question), plain(written[::2] + written[1::2], question), 1e6) == []


@pytest.mark.peer("influxd")
@quietly
@given(st.lists(readings, min_size=10, max_size=80), st.lists(questions, min_size=1, max_size=5))
async def test_the_file_and_the_server_answer_alike(
    influxd: Influxd, tmp_path_factory: pytest.TempPathFactory, written: list[Reading], asked: list[WindowQuery]
) -> None:
    """The same readings in SQLite and in a real InfluxDB give the same windows, and the same readings in raw."""
    folder = tmp_path_factory.mktemp("both")
    async with opened(sqlite, folder) as file, opened(real_influxdb(influxd), folder) as server:
        # of two kinds of value under one name at one moment raw shows one, and which is the store's business
        named = [
            each._replace(values={f"{metric}_{kind_of(value)}": value for metric, value in each.values.items()})
            for each in written
        ]
        for store in (file, server):
            await write(store, named)
        for question in asked:
            metrics = [f"{metric}_{kind}" for metric in question.metrics for kind in ("number", "string", "boolean")]
            alike = replace(question, metrics=metrics)
            assert differing(await file.windows(alike), await server.windows(alike), 1e6) == []
            for device_id in question.device_ids[:3]:
                raw = RawQuery(device_id, question.user_ids, question.start_ns, question.end_ns, 7, metrics)
                assert await file.raw(raw) == await server.raw(raw)


async def test_a_day_may_have_23_or_25_hours(store: TimeSeriesStore) -> None:
    """A reading every ten minutes: 138 of them on Berlin's day that loses an hour, 150 on the one that gains it."""
    for spring in ("2026-03-28T22:00:00Z", "2026-10-24T20:00:00Z"):
        begin = parse_iso_ns(spring)
        await write(store, [reading(begin + number * 10 * MINUTE) for number in range(6 * 36)])
    for start, end, expected in (
        ("2026-03-28T23:00:00Z", "2026-03-30T22:00:00Z", [138, 72]),
        ("2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z", [150, 54]),
    ):
        asked = query(aggregates=["count"], **calendar(start, end, "1d", "Europe/Berlin"))
        (series,) = await store.windows(asked)
        assert [row.number for row in series.rows] == expected
        assert series.rows[0].start_ns == parse_iso_ns(start)


async def test_days_begin_at_midnight_of_the_zone(store: TimeSeriesStore) -> None:
    """In India at 18:30 UTC, several days in one question."""
    begin = parse_iso_ns("2026-01-01T18:30:00Z")
    await write(store, [reading(begin + number * HOUR) for number in range(72)])
    asked = query(
        aggregates=["count"], **calendar("2026-01-01T18:30:00Z", "2026-01-04T18:30:00Z", "1d", "Asia/Kolkata")
    )
    (series,) = await store.windows(asked)
    assert [(row.start_ns, row.number) for row in series.rows] == [(begin + day * DAY, 24) for day in range(3)]


async def test_p95_is_the_value_at_the_nearest_rank(store: TimeSeriesStore) -> None:
    """sorted[floor(0.95 n + 0.5) - 1] for n from 1 to 60, so that both sides of every half are seen."""
    values = {size: [float((7 * number) % 61) for number in range(size)] for size in range(1, 61)}
    await write(
        store,
        [
            reading(NEW_YEAR + size * HOUR + place, a=value)
            for size, wanted in values.items()
            for place, value in enumerate(wanted)
        ],
    )
    asked = query(aggregates=["p95", "median"], runs=[Run(NEW_YEAR, HOUR, 61)], end_ns=NEW_YEAR + 61 * HOUR)
    (series,) = await store.windows(asked)
    expected = [
        (sorted(wanted)[math.floor(0.95 * size + 0.5) - 1], statistics.median(wanted))
        for size, wanted in values.items()
    ]
    assert [row.values for row in series.rows] == expected


async def test_a_small_spread_far_from_zero_is_seen(store: TimeSeriesStore) -> None:
    """The squares of the values would cancel each other out; one value has no spread."""
    await write(store, [reading(NEW_YEAR + place, a=1e9 + place) for place in range(3)])
    await write(store, [reading(NEW_YEAR + HOUR, a=1.0)])
    (series,) = await store.windows(query(aggregates=["stddev", "mean"]))
    assert [row.values for row in series.rows] == [(pytest.approx(1.0, rel=1e-9), 1e9 + 1), (None, 1.0)]


async def test_values_too_large_to_add_up_cost_nobody_else(store: TimeSeriesStore) -> None:
    """1.7e308, which some firmware sends for no value: no mean, but its extremes, and everything of other devices."""
    await write(store, [reading(NEW_YEAR + place, "d2", a=1.7e308) for place in range(2)])
    await write(store, [reading(NEW_YEAR + place, name, a=float(place)) for place in range(2) for name in ("d1", "d3")])
    found = await store.windows(query(device_ids=["d1", "d2", "d3"], aggregates=["max", "mean", "count"]))
    assert [(series.device_id, series.rows[0].values) for series in found] == [
        ("d1", (1.0, 0.5, 2)),
        ("d2", (1.7e308, None, 2)),
        ("d3", (1.0, 0.5, 2)),
    ]


async def test_words_are_counted_and_not_averaged(store: TimeSeriesStore) -> None:
    """Strings and booleans have a count, a first and a last one; numbers of that name are a series of their own."""
    sent: list[Value] = ["on", "off", True, False, 2.0, 4.0]
    await write(store, [reading(NEW_YEAR + place, a=value) for place, value in enumerate(sent)])
    found = await store.windows(query(aggregates=["last", "mean", "first", "stddev"]))
    assert [(series.kind, series.rows[0].number, series.rows[0].values) for series in found] == [
        ("boolean", 2, (False, None, True, None)),
        ("number", 2, (4.0, 3.0, 2.0, pytest.approx(math.sqrt(2)))),
        ("string", 2, ("off", None, "on", None)),
    ]
    assert [type(series.rows[0].values[0]) for series in found] == [bool, float, str]


async def test_only_what_is_in_the_range_counts(store: TimeSeriesStore) -> None:
    """A range that cuts its first and last window: start included, end not; the windows keep their names."""
    await write(store, [reading(NEW_YEAR + minute * MINUTE) for minute in range(180)])
    start_ns, end_ns = NEW_YEAR + 30 * MINUTE, NEW_YEAR + 150 * MINUTE
    (series,) = await store.windows(query(start_ns=start_ns, end_ns=end_ns))
    assert [(row.start_ns - NEW_YEAR, row.number) for row in series.rows] == [(0, 30), (HOUR, 60), (2 * HOUR, 30)]


async def test_the_whole_range_can_be_one_window(store: TimeSeriesStore) -> None:
    """To the nanosecond, and as wide as int64."""
    await write(store, [reading(ts_ns, a=float(ts_ns)) for ts_ns in (1, 2, 3, 2**62)])
    for start_ns, end_ns, number in ((2, 3, 1), (2, 4, 2), (-(2**63), 2**63 - 1, 4), (-(2**70), 2**70, 4), (4, 5, 0)):
        asked = query(start_ns=start_ns, end_ns=end_ns, runs=[Run(start_ns, end_ns - start_ns, 1)])
        found = await store.windows(asked)
        assert [(row.start_ns, row.number) for series in found for row in series.rows] == [(start_ns, number)] * bool(
            number
        )


async def test_a_tenant_sees_windows_of_their_own_readings_only(store: TimeSeriesStore) -> None:
    """Also of a device that changed hands; no owner, no answer; an admin sees each owner's."""
    await write(store, [reading(NEW_YEAR, owner=owner, a=float(owner)) for owner in (1, 2, 3)])
    await write(store, [reading(NEW_YEAR, "d2", owner=2, a=5.0)])

    async def owners(user_ids: list[int] | None) -> list[tuple[str, int, Any]]:
        found = await store.windows(query(user_ids=user_ids, device_ids=["d2", "d1"]))
        return [(series.device_id, series.user_id, series.rows[0].values[0]) for series in found]

    assert await owners([1]) == [("d1", 1, 1.0)]
    assert await owners([2, 3]) == [("d1", 2, 2.0), ("d1", 3, 3.0), ("d2", 2, 5.0)]
    assert await owners([]) == []
    assert await owners([4]) == []
    assert await owners(None) == [("d1", 1, 1.0), ("d1", 2, 2.0), ("d1", 3, 3.0), ("d2", 2, 5.0)]


@pytest.mark.parametrize("number", [1, 20, 21, 500])
async def test_many_devices_are_one_question(store: TimeSeriesStore, number: int) -> None:
    """Those asked for, whatever letters their names are made of, and none whose name is only like them."""
    names = [f"d.{place}" for place in range(number)]
    await write(store, [reading(NEW_YEAR, name) for name in [*names, "dx0", "d.0x", "xd.0", "d.", "d"]])
    found = await store.windows(query(device_ids=names))
    assert [series.device_id for series in found] == sorted(names)


@pytest.mark.parametrize(
    "other", ["d1' OR '1'='1", 'd" OR 1=1 --', "$d0", ".*", "d1|e", "d1\\", "d1\n", "d1\0", "d/1", "é"]
)
async def test_a_name_is_no_place_for_code(store: TimeSeriesStore, other: str) -> None:
    """A device or a metric that looks like a query is one that nobody has, alone and among many."""
    await write(store, [reading(NEW_YEAR, owner=1), reading(NEW_YEAR, owner=2, b=1.0)])
    crowd = [f"e{number}" for number in range(30)]
    for device_ids in ([other], [other, *crowd]):
        assert await store.windows(query(device_ids=device_ids)) == []
    assert await store.windows(query(metrics=[other])) == []
    (series,) = await store.windows(query(metrics=[other, "a"], device_ids=["d1", other]))
    assert (series.device_id, series.metric) == ("d1", "a")


@pytest.mark.parametrize("metric", ["time", "user_id", "device_id", "ts", "timestamp", "a__s", "a__b"])
async def test_a_name_that_no_metric_can_have_is_none(store: TimeSeriesStore, metric: str) -> None:
    """Columns of the store, and fields of strings under their own name, are nothing that a device measured."""
    await write(store, [reading(NEW_YEAR, a="x"), reading(NEW_YEAR + 1, a=True)])
    assert await store.windows(query(metrics=[metric], aggregates=["count"])) == []


async def test_what_was_written_twice_counts_once(store: TimeSeriesStore) -> None:
    """At one nanosecond the last one wins, whether in one write or two."""
    await write(store, [reading(NEW_YEAR, a=1.0), reading(NEW_YEAR, a=2.0), reading(NEW_YEAR + 1, a=4.0)])
    await write(store, [reading(NEW_YEAR + 1, a=6.0)])
    (series,) = await store.windows(query(aggregates=["count", "sum"]))
    assert series.rows == [WindowRow(NEW_YEAR, 2, (2, 8.0))]


async def test_late_readings_do_not_show_up_as_a_metric(store: TimeSeriesStore) -> None:
    """The store's own index has a field `n`, and a device may have a metric of that name."""
    await write(store, [reading(NEW_YEAR, n=5.0)], NEW_YEAR + HOUR)
    asked = query(metrics=["n", "ts_min"], aggregates=["count", "sum"])
    assert [series.rows[0].values for series in await store.windows(asked)] == [(1, 5.0)]


async def test_repeated_names_are_answered_once(store: TimeSeriesStore) -> None:
    """A device or a metric that is asked for twice."""
    await write(store, [reading(NEW_YEAR)])
    assert len(await store.windows(query(device_ids=["d1", "d1"], metrics=["a", "a"]))) == 1


async def test_nothing_asked_is_nothing_found(store: TimeSeriesStore) -> None:
    """No device, no metric, no window, an empty range."""
    await write(store, [reading(NEW_YEAR)])
    nothings: list[dict[str, Any]] = [{"device_ids": []}, {"metrics": []}, {"runs": []}, {"end_ns": NEW_YEAR}]
    for nothing in nothings:
        assert await store.windows(query(**nothing)) == []


async def test_a_file_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """As for every other question: an outage, no traceback."""
    store = SqliteStore(tmp_path / "nowhere" / "readings.db")
    with pytest.raises(Unavailable, match=r"readings\.db"):
        await store.windows(query())
    await store.close()
