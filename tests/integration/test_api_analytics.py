"""GET /api/v1/web/analytics on the real store."""

import asyncio
import math
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.analytics.queries import known_devices
from services.api.analytics.recording import Column, Recording
from services.api.analytics.report import Options, describe
from services.api.analytics.scan import Budget, record
from services.api.analytics.schemas import Analytics
from services.api.auth import Caller
from services.api.errors import BadRequest
from shared.readings import Reading
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import RawPage, RawQuery, Unavailable
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, Answer, Api, opened

PATH = "/api/v1/web/analytics"
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
RANGE = {"start": "2026-01-01T12:00:00Z", "end": "2026-01-01T13:00:00Z"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        await given.add_devices("d1", "d2")
        yield given


def reading(minute: float, value: float, device_id: str = "d1", user_id: int = 1) -> Reading:
    """So many minutes after noon."""
    return Reading(device_id, user_id, "sensor_data", NOON_NS + round(minute * MINUTE), {"temperature": value})


async def ask(api: Api, devices: str = "d1", **asked: Any) -> Any:
    answer = await api.get(PATH, query_string={"devices": devices, **RANGE, **asked})
    assert answer.status == 200, answer.json
    Analytics.model_validate(answer.json, extra="forbid")
    return answer.json


def plain(values: list[float]) -> dict[str, Any]:
    """The figures by plain Python."""
    return {
        "count": len(values),
        "mean": pytest.approx(statistics.fmean(values)),
        "min": min(values),
        "max": max(values),
        "stddev": pytest.approx(statistics.stdev(values)) if len(values) > 1 else None,
        "median": statistics.median(values),
        "p95": sorted(values)[math.floor(0.95 * len(values) + 0.5) - 1],
    }


async def test_figures_of_the_range_and_of_its_windows(api: Api) -> None:
    """Those of plain Python; a window takes its start and leaves its end, and one without readings is not told."""
    values = [20.0, 22.5, 19.0, 30.0, 21.0]
    minutes = [0.0, 10.0, 14.99, 15.0, 45.0]
    await write(api.store, [reading(minute, value) for minute, value in zip(minutes, values, strict=True)])
    await write(api.store, [reading(-1, 99.0), reading(60, 99.0), reading(1, 99.0, "d2")])
    told = await ask(api, every="15m")
    assert (told["start"][:16], told["end"][:16], told["points"]) == ("2026-01-01T12:00", "2026-01-01T13:00", 5)
    found = told["devices"][0]["metrics"]["temperature"]
    assert {name: found[name] for name in plain(values)} == plain(values)
    windows = [(one["start"][11:16], one["end"][11:16], one["mean"]) for one in found["windows"]]
    assert windows == [("12:00", "12:15", 20.5), ("12:15", "12:30", 30.0), ("12:45", "13:00", 21.0)]
    first = found["windows"][0]
    assert {name: first[name] for name in plain(values[:3])} == plain(values[:3])
    assert found["windows"][1]["stddev"] is None
    assert sum(found["histogram"]["counts"]) == 5
    assert found["change"]["mean_per_s"] == pytest.approx(1 / (45 * 60))
    assert told["devices"][0]["knee"] is None


async def test_without_windows_only_the_whole(api: Api) -> None:
    """`windows` is null; a histogram has as many bins as were asked for."""
    await write(api.store, [reading(minute, float(minute)) for minute in range(10)])
    found = (await ask(api, bins=3))["devices"][0]["metrics"]["temperature"]
    assert (found["windows"], found["histogram"]) == (None, {"edges": [0.0, 3.0, 6.0, 9.0], "counts": [3, 3, 4]})


async def test_days_are_those_of_the_time_zone(api: Api) -> None:
    """23 hours on the day when clocks go forward."""
    at = 1_774_738_800 * SECOND  # 2026-03-29T00:00:00+01:00
    await write(
        api.store,
        [Reading("d1", 1, "m", at + hour * 3_600 * SECOND, {"n": float(hour)}) for hour in (-1, 0, 22, 23, 24)],
    )
    asked = {"start": "2026-03-28T00:00:00Z", "end": "2026-03-31T00:00:00Z", "every": "1d", "timezone": "Europe/Berlin"}
    told = await ask(api, **asked)
    windows = told["devices"][0]["metrics"]["n"]["windows"]
    assert [(window["min"], window["max"]) for window in windows] == [(-1, -1), (0, 22), (23, 24)]
    assert windows[1]["start"] == "2026-03-28T23:00:00.000000000Z"
    assert told["timezone"] == "Europe/Berlin"


async def test_devices_are_compared_with_the_first(api: Api) -> None:
    """Each other one minus the first, in the order in which they were named."""
    await write(api.store, [reading(1, 20.0), reading(2, 22.0), reading(1, 25.0, "d2"), reading(2, 26.0, "d2")])
    told = (await ask(api, "d2,d1", compare="devices"))["comparison"]
    assert told["base"] == "d2"
    apart = told["devices"]["d1"]["temperature"]
    assert (apart["mean"], apart["min"], apart["max"], apart["count"]) == (-4.5, -5.0, -4.0, 0)


@pytest.mark.parametrize("compare", ["previous", "2026-01-01T11:00:00Z"])
async def test_a_period_is_compared_with_another(api: Api, compare: str) -> None:
    """The same length of time before, or from a given moment on: now minus then."""
    await write(api.store, [reading(1, 20.0), reading(2, 22.0), reading(-30, 15.0), reading(-90, 99.0)])
    told = (await ask(api, compare=compare))["comparison"]
    assert (told["start"][:16], told["end"][:16]) == ("2026-01-01T11:00", "2026-01-01T12:00")
    found = told["devices"]["d1"]
    assert found["figures"]["temperature"]["mean"] == 15.0
    assert found["difference"]["temperature"]["mean"] == 6.0
    assert found["difference"]["temperature"]["stddev"] is None


async def test_the_motion_of_a_knee(api: Api) -> None:
    """Magnitude as a metric of its own, range of motion, and repetitions over all and in each window."""
    await api.add_devices("knee", profile="knee")
    swings = [
        Reading(
            "knee", 1, "knee_data", NOON_NS + step * SECOND // 10, {"x": 3 * bend(step), "y": 4 * bend(step), "z": 0.0}
        )
        for step in range(600)
    ]
    await write(api.store, swings)
    device = (await ask(api, "knee", every="30s"))["devices"][0]
    assert sorted(device["metrics"]) == ["magnitude", "x", "y", "z"]
    assert device["metrics"]["magnitude"]["max"] == pytest.approx(10.0)
    knee = device["knee"]
    assert knee["range_of_motion"] == pytest.approx({"x": 6.0, "y": 8.0, "z": 0.0, "magnitude": 10.0})
    assert (knee["repetitions"], knee["seconds_per_repetition"]) == (20, pytest.approx(3.0))
    assert [window["repetitions"] for window in knee["windows"]] == [10, 10]
    assert (await ask(api, "knee", prominence="11"))["devices"][0]["knee"]["repetitions"] == 0
    only = (await ask(api, "knee", metrics="magnitude"))["devices"][0]
    assert (list(only["metrics"]), only["knee"]["repetitions"]) == (["magnitude"], 20)
    assert (await ask(api, "knee", metrics="x"))["devices"][0]["knee"] is None


def bend(step: int) -> float:
    """0 to 2 and back in three seconds."""
    return 1 - math.cos(2 * math.pi * step / 30)


async def test_words_and_states_have_no_figures(api: Api) -> None:
    """Only numbers are added up; a metric that is not there is left out, and so is a device without data."""
    await write(api.store, [Reading("d1", 1, "m", NOON_NS, {"mode": "eco", "door": True, "t": 1.5})])
    told = await ask(api, "d1,d2", metrics="mode,door,t,nothing")
    assert [list(device["metrics"]) for device in told["devices"]] == [["t"], []]


async def test_numbers_at_the_edge_of_a_float(api: Api) -> None:
    """No sum is too large; what no float holds is null."""
    huge = [1.7e308, -1.7e308, 1.7e308]
    await write(api.store, [reading(minute, value) for minute, value in enumerate(huge)])
    found = (await api.get(PATH, query_string={"devices": "d1", **RANGE})).json["devices"][0]["metrics"]["temperature"]
    assert found["mean"] == pytest.approx(1.7e308 / 3)
    assert found["stddev"] is None


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"devices": None}, "devices"),
        ({"devices": ",".join(f"d{number}" for number in range(21))}, "devices"),
        ({"devices": "d1", "compare": "devices"}, "devices"),
        ({"devices": "d1,d1", "compare": "devices"}, "devices"),
        ({"start": RANGE["end"]}, "start"),
        ({"start": "yesterday"}, "start"),
        ({"every": "1s"}, "every"),
        ({"every": "often"}, "every"),
        ({"timezone": "Berlin"}, "timezone"),
        ({"bins": 0}, "bins"),
        ({"bins": 101}, "bins"),
        ({"prominence": 0}, "prominence"),
        ({"prominence": "nan"}, "prominence"),
        ({"prominence": "inf"}, "prominence"),
        ({"every": "9999y"}, "every"),
        ({"sort": "x"}, "sort"),
    ],
)
async def test_a_wrong_question_names_its_field(api: Api, asked: dict[str, Any], field: str) -> None:
    """400, and what would be right."""
    given = {name: value for name, value in {"devices": "d1", **RANGE, **asked}.items() if value is not None}
    answer = await api.get(PATH, query_string=given)
    assert answer.status == 400, answer.json
    assert answer.json["details"][0]["field"].split(".")[0] == field


async def test_too_fine_windows_say_how_long_they_must_be(api: Api) -> None:
    """And so long they may be."""
    refused = await api.get(PATH, query_string={"devices": "d1", **RANGE, "every": "1s"})
    assert "2s or longer" in refused.json["error"]
    await ask(api, every="2s")


async def test_too_many_points_are_refused_with_the_mend(tmp_path: Path) -> None:
    """Counted over devices and both periods; up to the bound everything is read."""
    async with opened(tmp_path, max_points_scanned=10) as api:
        await api.add_devices("d1")
        await write(api.store, [reading(minute, 1.0) for minute in range(-3, 8)])
        assert (await ask(api))["points"] == 8
        refused = await api.get(PATH, query_string={"devices": "d1", **RANGE, "compare": "previous"})
        assert (refused.status, refused.json["code"]) == (400, "too_many_points")
        assert "shorter range" in refused.json["error"]


async def test_windows_times_metrics_times_devices_are_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read where the metrics are named, and by what was read where they are not."""
    monkeypatch.setattr("services.api.analytics.routes.MAX_CELLS", 120)
    await write(api.store, [reading(minute, 1.0, device_id) for minute in range(2) for device_id in ("d1", "d2")])
    await ask(api, "d1,d2", every="1m")
    named = {"devices": "d1,d2", **RANGE, "every": "1m", "metrics": "temperature,humidity,pressure"}
    for asked in (named, {"devices": "d1,d2", **RANGE, "every": "30s"}):
        refused = await api.get(PATH, query_string=asked)
        assert (refused.status, refused.json["code"]) == (400, "too_many_windows")
        assert refused.json["details"][0]["field"] == "every"


async def test_long_questions_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is answered, eight wait for it, the rest are told to come back; short ones are not concerned."""
    async with opened(tmp_path, max_heavy_requests=1) as api:
        await api.add_devices("d1")
        begun, goes_on = asyncio.Event(), asyncio.Event()
        plain_read = api.store.raw

        async def slow(query: RawQuery) -> RawPage:
            begun.set()
            await goes_on.wait()
            return await plain_read(query)

        monkeypatch.setattr(api.store, "raw", slow)
        wanted = {"devices": "d1", **RANGE}
        first = asyncio.create_task(api.get(PATH, query_string=wanted))
        await begun.wait()
        others = [asyncio.create_task(api.get(path)) for path in HEAVY for _ in range(4)]
        refused, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        answer = (await refused.pop()).json
        assert (answer["status"], answer["code"]) == (503, "too_many_queries")
        assert (await api.get("/api/devices")).status == 200
        goes_on.set()
        statuses = [each.status for each in await asyncio.gather(first, *others)]
        assert statuses.count(200) == 9
        assert statuses.count(503) == 4


HEAVY = ["/api/v1/mobile/summary", "/api/user/1", "/api/sensor_data/1"]


async def test_a_range_is_read_page_by_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """None twice and none left out."""
    monkeypatch.setattr("services.api.analytics.routes.PAGE", 3)
    await write(api.store, [reading(minute, float(minute)) for minute in range(10)])
    assert (await ask(api))["devices"][0]["metrics"]["temperature"]["count"] == 10
    wanted = RawQuery("d1", (1,), NOON_NS, NOON_NS + 60 * MINUTE, 3)
    assert (await record(api.store, wanted, Budget(10))).columns["temperature"].values.tolist() == list(range(10))
    with pytest.raises(BadRequest):
        await record(api.store, wanted, Budget(9))


async def test_a_recording_is_described_without_a_store() -> None:
    """The report is made of values alone."""
    column = Column()
    for second in range(3):
        column.add(second * SECOND, float(second))
    told = describe(Recording({"t": column}), Options([0, 2 * SECOND, 3 * SECOND], 1))
    assert [window["count"] for window in told["metrics"]["t"]["windows"]] == [2, 1]


async def test_the_store_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503."""

    async def away(_store: SqliteStore, _query: RawQuery) -> RawPage:
        raise Unavailable("down")

    monkeypatch.setattr(SqliteStore, "raw", away)
    assert (await api.get(PATH, query_string={"devices": "d1"})).json["code"] == "store_unavailable"


async def test_a_foreign_device_looks_unknown(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same list as one that is not there; what a former owner's device measured stays theirs."""
    await api.add_user(2)
    await api.add_devices("theirs", user_id=2)
    await write(api.store, [reading(1, 1.0), reading(1, 2.0, "theirs", 2), reading(2, 99.0, "theirs", 1)])
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    told = await ask(api, "d1,nobody,theirs", compare="previous")
    assert (told["unknown"], told["points"]) == (["d1", "nobody"], 1)
    assert [device["device_id"] for device in told["devices"]] == ["theirs"]
    assert told["devices"][0]["metrics"]["temperature"]["max"] == 2.0
    foreign, nobodys = await ask(api, "d1"), await ask(api, "nobody")
    assert {**foreign, "unknown": []} == {**nobodys, "unknown": []}
    for tenants, expected in ((None, ["theirs", "d1"]), ((), []), ((1,), ["d1"])):
        assert await known_devices(api.engine, ["theirs", "d1"], tenants) == expected


async def test_by_default_the_last_day(api: Api) -> None:
    """24 hours up to now, of every number."""
    answer: Answer = await api.get(PATH, query_string={"devices": "d1"})
    assert answer.json["devices"] == [{"device_id": "d1", "metrics": {}, "knee": None}]
