"""GET /api/v1/mobile/summary on the real store."""

import math
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api import auth
from services.api.analytics.recording import Recording
from services.api.auth import Caller
from services.api.mobile import routes
from services.api.mobile.queries import Wanted, page_of_devices
from services.api.mobile.schemas import Summary
from services.api.mobile.today import Day, Spread, added_up, measured, parts, short, summary
from shared.database.tables import device_status, latest
from shared.readings import Reading, Values
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import Unavailable, WindowQuery, WindowRow, WindowSeries
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, Api, opened

PATH = "/api/v1/mobile/summary"
SECOND = 1_000_000_000
HOUR = 3_600 * SECOND


class Clock:
    """What the route takes for now."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def time_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(NOON_NS)
    monkeypatch.setattr(routes, "time", made)
    return made


@pytest.fixture
async def api(tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


async def ask(api: Api, **asked: Any) -> Any:
    answer = await api.get(PATH, query_string=asked)
    assert answer.status == 200, answer.json
    Summary.model_validate(answer.json, extra="forbid")
    return answer.json


def newest(device_id: str, values: Values, ts_ns: int = NOON_NS) -> dict[str, Any]:
    row = {"device_id": device_id, "user_id": 1, "measurement": "m", "values": values}
    return {**row, "ts_ns": ts_ns, "seen_ns": ts_ns}


def at(ts_ns: int, device_id: str = "d1", user_id: int = 1, **values: float) -> Reading:
    return Reading(device_id, user_id, "sensor_data", ts_ns, dict(values))


async def test_last_values_and_today(api: Api) -> None:
    """Least, mean, greatest and how many, and the minutes with any; yesterday is not counted."""
    await api.add_devices("d1", "silent")
    seconds = {-13 * 3_600: 9.0, -100: 2.0, -90: 4.0, -30: 1.0, 0: 3.0}
    await write(api.store, [at(NOON_NS + second * SECOND, t=value) for second, value in seconds.items()])
    await api.fill(latest, newest("d1", {"t": 3.0, "mode": "eco", "old": 1.25}))
    await api.fill(device_status, {"device_id": "silent", "user_id": 1, "status": "online", "ts_ns": NOON_NS})
    assert await ask(api) == {
        "date": "2026-01-01",
        "devices": [
            {
                "device_id": "d1",
                "name": "D1",
                "status": "online",
                "last_seen": "2026-01-01T12:00:00.000000000Z",
                "active_minutes": 3,
                "metrics": {
                    "mode": {"last": "eco"},
                    "old": {"last": 1.25, "count": 0},
                    "t": {"last": 3.0, "min": 1.0, "mean": 2.5, "max": 4.0, "count": 4},
                },
            },
            {
                "device_id": "silent",
                "name": "Silent",
                "status": "online",
                "last_seen": None,
                "active_minutes": 0,
                "metrics": {},
            },
        ],
        "total": 2,
    }


async def test_five_devices_fit_into_two_kilobytes(api: Api, clock: Clock) -> None:
    """Of three metrics each, at the end of a day with a reading a minute, whatever digits the sensors send."""
    devices = [f"device-{number}" for number in range(1, 6)]
    await api.add_devices(*devices)
    clock.now_ns = start = NOON_NS + 10 * HOUR + 123_456_789  # 23:00 in Berlin
    values: Values = {"temperature": -math.pi * 4, "humidity": 55 + math.pi / 9, "pressure": 1_013.25 + math.pi / 9}
    day = [Reading(each, 1, "sensor_data", start - n * 60 * SECOND, values) for each in devices for n in range(1_380)]
    await write(api.store, day)
    await api.fill(latest, *(newest(device_id, values, start) for device_id in devices))
    answer = await api.get(PATH, query_string={"timezone": "Europe/Berlin"})
    pressure = answer.json["devices"][4]["metrics"]["pressure"]
    assert pressure == {"last": 1013.6, "min": 1013.6, "mean": 1013.6, "max": 1013.6, "count": 1380}
    assert len(answer.body) <= 2_048


async def test_today_is_that_of_the_time_zone(api: Api, clock: Clock) -> None:
    """On the day when clocks go back it has 25 hours; in Kiritimati it is tomorrow already."""
    await api.add_devices("d1")
    clock.now_ns = 1_792_965_600 * SECOND  # 2026-10-25T18:00:00Z, 19:00 in Berlin
    midnight = 1_792_879_200 * SECOND  # 2026-10-24T22:00:00Z, 00:00 in Berlin
    hours = [(-1, 1.0), (0, 2.0), (24, 3.0), (25, 4.0)]
    await write(api.store, [at(midnight + hour * HOUR, t=value) for hour, value in hours])
    await api.fill(latest, newest("d1", {"t": 4.0}))
    told = await ask(api, timezone="Europe/Berlin")
    day = told["devices"][0]["metrics"]["t"]
    assert (told["date"], day["min"], day["max"], day["count"]) == ("2026-10-25", 2.0, 3.0, 2)
    told = await ask(api, timezone="Pacific/Kiritimati")
    assert told["date"] == "2026-10-26"


async def test_a_knee_tells_its_repetitions(api: Api) -> None:
    """In place of its magnitude."""
    await api.add_devices("knee", profile="knee")
    await api.fill(latest, newest("knee", {"x": 0.0, "y": 2.0, "z": 0.5}))
    await write(
        api.store,
        [
            Reading("knee", 1, "knee_data", NOON_NS - step * SECOND, {"x": math.sin(step / 2), "y": 2.0, "z": 0.5})
            for step in range(60)
        ],
    )
    device = (await ask(api))["devices"][0]
    assert (sorted(device["metrics"]), device["repetitions"]) == (["x", "y", "z"], 9)


async def test_devices_come_in_pages_or_by_name(api: Api) -> None:
    """With the number of all; one that is not there is not told."""
    await api.add_devices(*(f"d{number}" for number in range(25)))
    page = await ask(api, page=2)
    assert ([one["device_id"] for one in page["devices"]], page["total"]) == ([f"d{n}" for n in range(20, 25)], 25)
    some = await ask(api, devices="d3,nobody,d1")
    assert [one["device_id"] for one in some["devices"]] == ["d1", "d3"]
    assert (await ask(api, page=10**9))["devices"] == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"timezone": "Mars"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"per_page": 101}, "per_page"),
        ({"q": 1}, "q"),
    ],
)
async def test_a_wrong_question_names_its_field(api: Api, asked: dict[str, Any], field: str) -> None:
    """400, and what would be right."""
    answer = await api.get(PATH, query_string=asked)
    assert (answer.status, answer.json["details"][0]["field"]) == (400, field)


async def test_a_busy_device_is_added_up_by_the_store(tmp_path: Path, clock: Clock) -> None:
    """However much it sent; only knees are read one by one, within the bound, and one alone may still be asked."""
    async with opened(tmp_path, max_points_scanned=20) as api:
        await api.add_devices("busy", "k1", "k2")
        await write(api.store, [at(NOON_NS - n * SECOND, "busy", t=float(n)) for n in range(100)])
        knee: dict[str, Any] = {"x": 1.0, "y": 2.0, "z": 3.0}
        await write(api.store, [at(NOON_NS - n * SECOND, each, **knee) for each in ("k1", "k2") for n in range(5)])
        await api.fill(latest, newest("busy", {"t": 0.0}), newest("k1", dict(knee)), newest("k2", dict(knee)))
        refused = await api.get(PATH)
        assert (refused.status, refused.json["code"]) == (400, "too_many_points")
        assert (await ask(api, devices="k1"))["devices"][0]["metrics"]["x"]["count"] == 5
        day = (await ask(api, devices="busy"))["devices"][0]
        assert day["metrics"]["t"] == {"last": 0.0, "min": 0.0, "mean": 49.5, "max": 99.0, "count": 100}
        assert day["active_minutes"] == 3


def test_the_stores_sums_are_the_readings_own() -> None:
    """Of a metric that came under two measurements too; a sum that no float can say is left out."""
    figures = [
        WindowSeries("d", 1, "a", "t", "number", [WindowRow(0, 2, (4.0, 1.0, 2.5, 4.0))]),
        WindowSeries("d", 1, "b", "t", "number", [WindowRow(0, 1, (7.0, 7.0, 7.0, 7.0))]),
        WindowSeries("d", 1, "b", "big", "number", [WindowRow(0, 2, (1e308, 1e308, None, 1e308))]),
        WindowSeries("d", 1, "b", "mode", "string", [WindowRow(0, 2, ("x", None, None, None))]),
    ]
    minutes = [
        WindowSeries("d", 1, "a", name, "number", [WindowRow(0, 1, (1,)), WindowRow(60, 1, (1,))]) for name in "tu"
    ]
    assert added_up(figures, minutes) == Day(2, {"t": Spread(7.0, 1.0, 4.0, 7.0, 3)}, None)


def test_sums_beyond_a_float_are_not_made() -> None:
    """The mean of a metric of two measurements, of the largest numbers that there are, lies between theirs."""
    most = sys.float_info.max
    figures = [
        WindowSeries("d", 1, name, "t", "number", [WindowRow(0, number, (most, -most, most, most))])
        for name, number in (("m", 1), ("n", 2))
    ]
    day = added_up(figures, [])
    assert day.spreads == {"t": Spread(most, -most, most, most, 3)}
    assert summary({}, day)["metrics"]["t"]["mean"] == most


async def test_the_store_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503."""

    async def away(_store: SqliteStore, _query: WindowQuery) -> Sequence[WindowSeries]:
        raise Unavailable("down")

    await api.add_devices("d1")
    await api.fill(latest, newest("d1", {"t": 1.0}))
    monkeypatch.setattr(SqliteStore, "windows", away)
    assert (await api.get(PATH)).json["code"] == "store_unavailable"


async def test_a_user_sees_only_their_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices, values and readings, also those of a device that was somebody else's before."""
    await api.add_user(2)
    await api.add_devices("first")
    await api.add_devices("second", user_id=2)
    await api.fill(latest, {**newest("second", {"t": 2.0}), "user_id": 2})
    await write(api.store, [at(NOON_NS - 1, "first", t=1.0), at(NOON_NS - 1, "second", 2, t=2.0)])
    await write(api.store, [at(NOON_NS - 2, "second", 1, t=99.0)])
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    told = await ask(api)
    assert told["total"] == 1
    assert told["devices"][0]["metrics"] == {"t": {"last": 2.0, "min": 2.0, "mean": 2.0, "max": 2.0, "count": 1}}
    assert (await ask(api, devices="first"))["devices"] == []
    for tenants, expected in ((None, 2), ((), 0), ((1,), 1), ((2, 1), 2)):
        rows, total = await page_of_devices(api.engine, Wanted(tenants), 10, 0)
        assert len(rows) == total == expected


def test_numbers_are_short() -> None:
    """Six digits that mean something, but all of a counter's; words and states as they are."""
    long: Values = {"a": 23.456789012, "b": 1_013.2500001, "c": 12_345_678.9, "d": -1.23456789e-9, "e": 0.0}
    told: Values = {"a": 23.4568, "b": 1_013.25, "c": 12_345_679.0, "d": -1.23457e-9, "e": 0.0}
    extreme: Values = {"f": 1.7e308, "g": 5e-324, "h": True, "i": "eco"}
    assert {name: short(value) for name, value in {**long, **extreme}.items()} == {**told, **extreme}


def test_a_day_without_readings() -> None:
    """The last values alone."""
    assert summary({"t": 1.0}, measured(Recording())) == {
        "active_minutes": 0,
        "metrics": {"t": {"last": 1.0, "count": 0}},
    }


@given(st.dictionaries(st.text(max_size=2), st.sets(st.sampled_from("abcdefgh")), max_size=8), st.integers(1, 9))
def test_a_page_is_asked_for_in_parts(metrics_of: dict[str, set[str]], most: int) -> None:
    """Every metric of every device is in exactly one question, and no question is larger than it may be."""
    asked: list[tuple[str, str]] = []
    for devices, metrics in parts(metrics_of, most):
        assert 0 < len(devices) * len(metrics) <= most
        asked += [(device, metric) for device in devices for metric in metrics if metric in metrics_of[device]]
    assert sorted(asked) == sorted((device, metric) for device, names in metrics_of.items() for metric in names)
