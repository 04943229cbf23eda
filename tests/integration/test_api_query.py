"""POST /api/v1/readings/query on the real store: windows, points, pages, gaps, tenants."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.readings import points
from services.api.readings.answers import MAX_WINDOWS
from services.api.readings.asking import MAX_ROWS
from services.api.readings.points import downsampled_page, points_page
from services.api.readings.questions import SeriesPage
from services.api.readings.windows import WindowsPage
from shared.readings import Reading, Value
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, Api, opened

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
PATH = "/api/v1/readings/query"
NOON, ONE = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"devices": []}, "devices", "list of device ids"),
    ({"devices": "d1"}, "devices", "list of device ids"),
    ({"devices": [1]}, "devices.0", "string"),
    ({"devices": ["d"] * 1_001}, "devices", "1000"),
    ({"devices": None}, "devices", "required"),
    ({"metrics": []}, "metrics", "at least 1"),
    ({"metrics": ["m"] * 101}, "metrics", "100"),
    ({"metrics": "a"}, "metrics", "array"),
    ({"start": "yesterday"}, "start", "ISO 8601"),
    ({"start": "2026-01-01"}, "start", "zone"),
    ({"end": 5}, "end", "2001"),
    ({"end": "99999999999999999999"}, "end", "64 bits|ISO"),
    ({"start": ONE, "end": NOON}, "start", "before end"),
    ({"every": "10"}, "every", "10s, 5m, 1d or 1mo"),
    ({"every": "1s", "start": 0, "end": "now"}, "every", "more than 10000 windows"),
    ({"every": "1m", "timezone": "Europe/Atlantis"}, "timezone", "Europe/Berlin"),
    ({"every": "1m", "timezone": "../etc/passwd"}, "timezone", "Europe/Berlin"),
    ({"every": "1m", "timezone": "America"}, "timezone", "Europe/Berlin"),
    ({"every": "1m", "timezone": ""}, "timezone", "Europe/Berlin"),
    ({"aggregates": []}, "aggregates", "at least 1"),
    ({"aggregates": ["mode"]}, "aggregates.0", "'mean'"),
    ({"every": "1m", "fill": "zero"}, "fill", "'linear'"),
    ({"fill": "null"}, "fill", "every"),
    ({"max_points": 3}, "max_points", "4"),
    ({"max_points": 10_001}, "max_points", "10000"),
    ({"max_points": 10, "every": "1m"}, "max_points", "leave out"),
    ({"downsample": "mean"}, "downsample", "'lttb'"),
    ({"evry": "1m"}, "evry", "not known"),
    ({"every": "1s", "fill": "0", "metrics": [f"m{number}" for number in range(20)]}, "every", "too many to fill"),
]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path, max_points_scanned=100) as given:
        await given.add_devices("d1", "d2", "d3")
        yield given


def reading(minute: float, value: Value, device: str = "d1", owner: int = 1, measurement: str = "m") -> Reading:
    return Reading(device, owner, measurement, NOON_NS + int(minute * MINUTE), {"a": value})


def question(**changes: Any) -> dict[str, Any]:
    return {"devices": ["d1"], "metrics": ["a"], "start": NOON, "end": ONE, **changes}


async def asked(api: Api, **changes: Any) -> dict[str, Any]:
    """The answer, in its shape."""
    answer = await api.post(PATH, question(**changes))
    assert answer.status == 200, answer.json
    SeriesPage.model_validate(answer.json, extra="forbid")
    found: dict[str, Any] = answer.json
    return found


async def joined(api: Api, **changes: Any) -> dict[tuple[str, str, str], list[Any]]:
    """The rows of all pages, by device, measurement and kind."""
    rows: dict[tuple[str, str, str], list[Any]] = {}
    cursor: dict[str, Any] = {}
    for _ in range(1_000):
        page = await asked(api, **changes, **cursor)
        for series in page["series"]:
            rows.setdefault((series["device_id"], series["measurement"], series["type"]), []).extend(series["rows"])
        if page["cursor"] is None:
            return rows
        cursor = {"cursor": page["cursor"]}
    raise AssertionError("the pages don't end")


async def test_windows_of_several_devices(api: Api) -> None:
    """One series per device and metric, one row per window that has a reading, columns as they were asked for."""
    await write(api.store, [reading(minute, float(minute)) for minute in range(20)])
    await write(api.store, [reading(3, 5.0, "d2"), reading(4, 7.0, "d2")])
    found = await asked(api, devices=["d2", "d1", "d3"], every="10m", aggregates=["max", "count", "mean"])
    assert found == {
        "series": [
            {
                "device_id": "d1",
                "user_id": 1,
                "measurement": "m",
                "metric": "a",
                "type": "number",
                "columns": ["time", "max", "count", "mean"],
                "rows": [
                    ["2026-01-01T12:00:00.000000000Z", 9.0, 10, 4.5],
                    ["2026-01-01T12:10:00.000000000Z", 19.0, 10, 14.5],
                ],
            },
            {
                "device_id": "d2",
                "user_id": 1,
                "measurement": "m",
                "metric": "a",
                "type": "number",
                "columns": ["time", "max", "count", "mean"],
                "rows": [["2026-01-01T12:00:00.000000000Z", 7.0, 2, 6.0]],
            },
        ],
        "unknown": [],
        "cursor": None,
    }


async def test_the_whole_range_is_one_window_without_every(api: Api) -> None:
    """Aggregates alone are those of the range; every alone is the mean."""
    await write(api.store, [reading(minute, float(minute)) for minute in range(20)])
    whole = await asked(api, aggregates=["median", "p95", "stddev"], epoch="s")
    assert whole["series"][0]["rows"] == [[NOON_NS // SECOND, 9.5, 18.0, pytest.approx(5.916079783)]]
    assert (await asked(api, every="1h"))["series"][0]["columns"] == ["time", "mean"]


async def test_days_are_those_of_the_zone(api: Api) -> None:
    """The clocks of Berlin go forward: a day of 23 hours."""
    begin = 1_774_738_800 * SECOND  # 2026-03-28T23:00:00Z
    await write(api.store, [Reading("d1", 1, "m", begin + hour * HOUR, {"a": 1.0}) for hour in range(47)])
    days = {"start": "2026-03-28T23:00:00Z", "end": "2026-03-30T22:00:00Z", "every": "1d", "aggregates": ["count"]}
    found = await asked(api, **days, timezone="Europe/Berlin")
    assert found["series"][0]["rows"] == [
        ["2026-03-28T23:00:00.000000000Z", 23],
        ["2026-03-29T22:00:00.000000000Z", 24],
    ]
    assert [row[1] for row in (await asked(api, **days))["series"][0]["rows"]] == [1, 24, 22]


@pytest.mark.parametrize(
    ("fill", "values"),
    [
        ("none", [1.0, 4.0]),
        ("null", [1.0, None, None, 4.0, None, None]),
        ("previous", [1.0, 1.0, 1.0, 4.0, 4.0, 4.0]),
        ("linear", [1.0, 2.0, 3.0, 4.0, None, None]),
        ("0", [1.0, 0.0, 0.0, 4.0, 0.0, 0.0]),
        (0, [1.0, 0.0, 0.0, 4.0, 0.0, 0.0]),
    ],
)
async def test_gaps_are_filled_as_asked(api: Api, fill: Any, values: list[float | None]) -> None:
    """With or without a value in every window of the range."""
    await write(api.store, [reading(5, 1.0), reading(35, 4.0)])
    found = await asked(api, every="10m", fill=fill)
    assert [row[1] for row in found["series"][0]["rows"]] == values


async def test_readings_as_they_were_sent(api: Api) -> None:
    """Without windows: every value of every kind and measurement, to the nanosecond."""
    sent: list[Value] = [1.5, "on", True]
    await write(api.store, [reading(place, value) for place, value in enumerate(sent)])
    await write(api.store, [reading(0, 2.5, measurement="n")])
    found = await asked(api, epoch="ns")
    shown = {(series["measurement"], series["type"]): series["rows"] for series in found["series"]}
    assert shown == {
        ("m", "number"): [[NOON_NS, 1.5]],
        ("m", "string"): [[NOON_NS + MINUTE, "on"]],
        ("m", "boolean"): [[NOON_NS + 2 * MINUTE, True]],
        ("n", "number"): [[NOON_NS, 2.5]],
    }
    assert found["series"][0]["columns"] == ["time", "value"]


@pytest.mark.parametrize("method", ["lttb", "minmax"])
async def test_fewer_points_that_draw_the_same_line(api: Api, method: str) -> None:
    """Of each device and metric at most so many, the first, the last and a spike among them."""
    await write(api.store, [reading(minute, 9.0 if minute == 23 else 0.0) for minute in range(50)])
    await write(api.store, [reading(minute, 1.0, "d2") for minute in range(5)])
    found = await asked(api, devices="*", max_points=10, downsample=method, epoch="s")
    first, second = (series["rows"] for series in found["series"])
    assert len(first) <= 10
    times = [(at - NOON_NS // SECOND) // 60 for at, _ in first]
    assert (times[0], times[-1]) == (0, 49)
    assert 23 in times
    assert len(second) == 5


async def test_a_device_is_read_in_pieces_of_one_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many answers of the store it takes: no reading is missing from what is thinned out, and none is twice."""
    await write(api.store, [reading(minute, float(minute)) for minute in range(50)])
    monkeypatch.setattr(points, "_AT_ONCE", 7)
    rows = (await asked(api, max_points=60))["series"][0]["rows"]
    assert [value for _, value in rows] == [float(minute) for minute in range(50)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"devices": "*"},
        {"every": "1m", "aggregates": ["sum", "last"]},
        {"every": "7m", "aggregates": ["median"]},
        {"every": "30s", "devices": "*"},
        {"every": "10m", "fill": "linear"},
        {"aggregates": ["count"]},
        {"max_points": 5},
    ],
)
async def test_pages_joined_are_the_whole(api: Api, tmp_path: Path, changes: dict[str, Any]) -> None:
    """What one page of an api that may read everything says, and not one row more or less."""
    for place, device in enumerate(("d1", "d2", "d3")):
        await write(api.store, [reading(minute, float(minute * place), device) for minute in range(0, 60, 1 + place)])
        await write(api.store, [reading(minute + 0.5, "x", device, measurement="n") for minute in range(0, 60, 5)])
    changes = {"devices": ["d1", "d2", "d3"], **changes}
    paged = await joined(api, **changes)
    object.__setattr__(api.app.extensions["telemetrio"].settings, "max_points_scanned", 10**6)
    whole = await asked(api, **changes)
    assert whole["cursor"] is None
    assert paged == {(one["device_id"], one["measurement"], one["type"]): one["rows"] for one in whole["series"]}


async def test_a_page_reads_about_what_it_may(api: Api) -> None:
    """Three devices of 600 values each, 100 at a time: no page tells of many more than that, and all are told."""
    readings = [reading(second / 60, 1.0, device) for device in ("d1", "d2", "d3") for second in range(0, 3600, 6)]
    await write(api.store, readings)
    told: list[int] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await asked(api, devices="*", every="1m", aggregates=["count"], **cursor)
        told.append(sum(row[1] for series in page["series"] for row in series["rows"]))
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert sum(told) == 1_800
    assert max(told) <= 200
    assert len(told) >= 9


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"max_points": 10}, "max_points"),
        ({"every": "1m", "fill": "null"}, "fill"),
    ],
)
async def test_what_must_be_read_whole_and_is_too_much(api: Api, changes: dict[str, Any], field: str) -> None:
    """400 with the device and the mend, and not half an answer."""
    await write(api.store, [reading(second / 60, 1.0) for second in range(300)])
    refused = await api.post(PATH, question(**changes))
    assert (refused.status, refused.json["code"]) == (400, "too_many_points")
    assert refused.json["details"][0]["field"] == field
    assert "d1 has more than 100 values" in refused.json["message"]
    assert "shorter range" in refused.json["message"]


async def test_unknown_devices_are_named_and_the_others_answered(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's look the same as those that nobody has."""
    await api.add_user(2)
    await api.add_devices("mine", user_id=2)
    await write(api.store, [reading(1, 1.0), reading(1, 2.0, "mine", owner=2), reading(2, 3.0, "mine", owner=1)])
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    for more in ({}, {"every": "1h"}, {"max_points": 10}):
        found = await asked(api, devices=["d1", "mine", "nobody's", "d1"], **more)
        assert found["unknown"] == ["d1", "nobody's"]
        assert [(series["device_id"], series["user_id"]) for series in found["series"]] == [("mine", 2)]
        assert [row[1] for series in found["series"] for row in series["rows"]] == [2.0]
        everything = await asked(api, devices="*", **more)
        assert (everything["series"], everything["unknown"]) == (found["series"], [])


async def test_what_is_wrong_with_a_question_is_said(api: Api) -> None:
    """400, the field and the mend."""
    for wrong, field, said in WRONG:
        refused = await api.post(PATH, question(**wrong))
        assert refused.status == 400, (wrong, refused.json)
        assert field in [detail["field"] for detail in refused.json["details"]], wrong
        assert any(each in refused.json["message"] for each in said.split("|")), (wrong, refused.json["message"])


async def test_times_are_told_by_their_magnitude(api: Api) -> None:
    """As numbers of JSON, too; relative ones count from now."""
    await write(api.store, [reading(1, 1.0), Reading("d1", 1, "m", time.time_ns() - HOUR, {"a": 2.0})])
    for start, end in ((1767268800, 1767272400000), (str(NOON_NS), ONE), (0, "1767272400")):
        assert [row[1] for row in (await asked(api, start=start, end=end))["series"][0]["rows"]] == [1.0]
    assert [row[1] for row in (await asked(api, start="-6h", end="-10m"))["series"][0]["rows"]] == [2.0]
    assert [row[1] for row in (await asked(api, start=0, end="now"))["series"][0]["rows"]] == [1.0, 2.0]


async def test_a_cursor_belongs_to_its_question(api: Api) -> None:
    """With another choice it would skip or repeat; only the form of the times may change."""
    await write(api.store, [reading(minute / 10, 1.0, device) for device in ("d1", "d2") for minute in range(200)])
    cursor = (await asked(api, devices="*", end="now"))["cursor"]
    assert (await asked(api, devices="*", end="now", epoch="ms", cursor=cursor))["series"]
    for other in ({"devices": ["d1"]}, {"metrics": ["a", "b"]}, {"every": "1m"}, {"start": 0}, {"end": ONE}):
        refused = await api.post(PATH, question(**{"devices": "*", "end": "now", **other, "cursor": cursor}))
        assert (refused.status, refused.json["code"]) == (400, "bad_cursor")
    for made_up in ("x", "", "AAAA", "é"):
        refused = await api.post(PATH, question(devices="*", cursor=made_up))
        assert (refused.status, refused.json["code"]) == (400, "bad_cursor")


async def test_a_device_that_goes_between_two_pages(api: Api) -> None:
    """The next one comes whole, from its beginning."""
    for device in ("d1", "d2", "d3"):
        await write(api.store, [reading(minute / 10, 1.0, device) for minute in range(150)])
    first = await asked(api, devices="*")
    second = await asked(api, devices="*", cursor=first["cursor"])
    assert {series["device_id"] for series in second["series"]} == {"d1", "d2"}
    async with api.engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM devices WHERE device_id = 'd2'")
    third = await asked(api, devices="*", cursor=second["cursor"])
    assert [(series["device_id"], series["rows"][0][0]) for series in third["series"]] == [
        ("d3", "2026-01-01T12:00:00.000000000Z")
    ]


async def test_no_device_no_series(api: Api) -> None:
    """Nothing is found, and that is an answer; the limits are what the documentation says."""
    assert await asked(api, devices=["nobody's"]) == {"series": [], "unknown": ["nobody's"], "cursor": None}
    assert await asked(api, every="1h") == {"series": [], "unknown": [], "cursor": None}
    assert (MAX_WINDOWS, MAX_ROWS) == (10_000, 50_000)
    assert all(callable(each) for each in (points_page, downsampled_page, WindowsPage))


async def test_more_devices_than_a_page_takes(api: Api) -> None:
    """`*` goes on behind the thousandth."""
    names = [f"e{number:04}" for number in range(1_005)]
    await api.add_devices(*names)
    await write(api.store, [reading(1, 1.0, name) for name in (names[0], names[999], names[1_004])])
    found = await joined(api, devices="*", every="1h")
    assert [device for device, _, _ in found] == [names[0], names[999], names[1_004]]
