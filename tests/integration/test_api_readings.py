"""GET /api/v1/devices/{device_id}/readings on the real store: ranges, pages, times, tenants."""

import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.errors import BadRequest
from services.api.readings import cursor as cursors
from services.api.readings.schemas import ReadingsPage
from shared.readings import Reading, Values
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, Api, opened

SECOND = 1_000_000_000
PATH = "/api/v1/devices/d1/readings"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        await given.add_devices("d1", "d2")
        await write(given.store, [reading(number) for number in range(10)])
        yield given


def reading(number: int, device_id: str = "d1", user_id: int = 1, measurement: str = "sensor_data") -> Reading:
    """The `number`-th second after noon."""
    values: Values = {"temperature": float(number), "humidity": 50.0}
    return Reading(device_id, user_id, measurement, NOON_NS + number * SECOND, values)


async def numbers(api: Api, **asked: Any) -> list[int]:
    """Which seconds come back."""
    answer = await api.get(PATH, query_string=asked)
    assert answer.status == 200, answer.json
    return [int(found["values"]["temperature"]) for found in answer.json["data"]]


async def test_readings_come_as_they_were_sent(api: Api) -> None:
    """Time to the nanosecond, plain metric names, the measurement; strings and booleans too."""
    ts_ns = NOON_NS + 123_456_789
    await write(api.store, [Reading("d2", 1, "telemetry", ts_ns, {"t": 1.5, "mode": "eco", "door": True})])
    answer = await api.get("/api/v1/devices/d2/readings")
    ReadingsPage.model_validate(answer.json, extra="forbid")
    assert answer.json == {
        "data": [
            {
                "device_id": "d2",
                "timestamp": "2026-01-01T12:00:00.123456789Z",
                "measurement": "telemetry",
                "values": {"t": 1.5, "mode": "eco", "door": True},
            }
        ],
        "cursor": None,
    }


async def test_without_a_range_all_of_it_comes_oldest_first(api: Api) -> None:
    """Nothing is hidden by a default."""
    assert await numbers(api) == list(range(10))
    assert await numbers(api, order="desc", limit=3) == [9, 8, 7]


@pytest.mark.parametrize(
    "written",
    [
        ("2026-01-01T12:00:02Z", "2026-01-01T12:00:05Z"),
        ("2026-01-01T13:00:02+01:00", "2026-01-01T13:00:05.000000000+01:00"),
        ("1767268802", "1767268805"),
        ("1767268802000", "1767268805000"),
        ("1767268802000000", "1767268805000000"),
        ("1767268802000000000", "1767268805000000000"),
    ],
)
async def test_a_range_takes_its_start_and_leaves_its_end(api: Api, written: tuple[str, str]) -> None:
    """However the two times are written."""
    assert await numbers(api, start=written[0], end=written[1]) == [2, 3, 4]


async def test_zero_is_from_the_beginning(api: Api) -> None:
    """As everybody writes it."""
    assert await numbers(api, start="0", end="now") == list(range(10))


async def test_an_unquoted_plus_is_understood(api: Api) -> None:
    """In a query string it means a blank; where a zone must be it can only have been a plus."""
    answer = await api.get(f"{PATH}?start=2026-01-01T13:00:08+01:00")
    assert len(answer.json["data"]) == 2


async def test_relative_times_count_from_now(api: Api) -> None:
    """`-15m` leaves out what is older."""
    now_ns = time.time_ns()
    await write(
        api.store, [Reading("d2", 1, "m", now_ns - ago_s * SECOND, {"ago": float(ago_s)}) for ago_s in (1200, 600)]
    )
    found = (await api.get("/api/v1/devices/d2/readings?start=-15m&end=now")).json["data"]
    assert [one["values"] for one in found] == [{"ago": 600.0}]


@pytest.mark.parametrize(("epoch", "unit"), [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", SECOND)])
async def test_timestamps_can_be_integers(api: Api, epoch: str, unit: int) -> None:
    """In the unit that was asked for, rounded down."""
    answer = await api.get(f"{PATH}?epoch={epoch}&limit=1&start=1767268803")
    assert answer.json["data"][0]["timestamp"] == (NOON_NS + 3 * SECOND) // unit


async def test_only_the_metrics_that_were_asked_for(api: Api) -> None:
    """Comma-separated, blanks allowed; what no reading has gives no reading."""
    answer = await api.get(f"{PATH}?metrics=humidity,%20nothing&limit=1")
    assert answer.json["data"][0]["values"] == {"humidity": 50.0}
    assert (await api.get(f"{PATH}?metrics=nothing")).json == {"data": [], "cursor": None}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 10, 11])
async def test_pages_joined_are_the_whole(api: Api, order: str, limit: int) -> None:
    """Every reading once, in order, whatever the size of a page, also where two measurements share a moment."""
    await write(api.store, [reading(number, measurement="extra") for number in range(3, 6)])
    seen: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        asked: dict[str, Any] = {"order": order, "limit": limit} | ({"cursor": cursor} if cursor else {})
        page = (await api.get(PATH, query_string=asked)).json
        assert len(page["data"]) <= limit
        seen += [(found["timestamp"], found["measurement"]) for found in page["data"]]
        cursor = page["cursor"]
    assert len(seen) == 13
    assert seen == sorted(seen, reverse=order == "desc")
    assert len(set(seen)) == 13


async def test_a_relative_range_stands_still_between_pages(api: Api) -> None:
    """The second page belongs to the range of the first one, although `now` has moved."""
    first = (await api.get(f"{PATH}?start=-36500d&end=now&limit=9")).json
    meanwhile = Reading("d1", 1, "sensor_data", time.time_ns(), {"temperature": 10.0})
    await write(api.store, [meanwhile])
    second = (await api.get(f"{PATH}?start=-36500d&end=now&limit=9&cursor={first['cursor']}")).json
    assert [found["values"]["temperature"] for found in second["data"]] == [9.0]
    assert second["cursor"] is None


@pytest.mark.parametrize("changed", ["order=desc", "start=0", "end=now", "metrics=humidity"])
async def test_a_cursor_belongs_to_its_query(api: Api, changed: str) -> None:
    """With another order, range or choice it would skip or repeat: 400."""
    cursor = (await api.get(f"{PATH}?limit=2")).json["cursor"]
    assert (await api.get(f"{PATH}?limit=5&epoch=ms&cursor={cursor}")).status == 200
    refused = await api.get(f"{PATH}?limit=2&cursor={cursor}&{changed}")
    assert (refused.status, refused.json["code"]) == (400, "bad_cursor")
    other = await api.get(f"/api/v1/devices/d2/readings?limit=2&cursor={cursor}")
    assert (other.status, other.json["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "%00", "..", "W10", "a" * 512])
async def test_a_made_up_cursor_is_refused(api: Api, cursor: str) -> None:
    """400 with its code, never a 500."""
    refused = await api.get(f"{PATH}?cursor={quote(cursor)}")
    assert (refused.status, refused.json["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"[2]",
        b"[2,1]",
        b"{}",
        b'[2,"a","b","c","d","e"]',
        b"[2,1,2,3,4,null]",
        # a range in which there is nothing
        b'[2,5,5,3,"m",1]',
        b'[2,5,5,"d"]',
        # what neither database has room for, in each place of a position and of a spot
        b'[2,18446744073709551615,2,3,"m",1]',
        b'[2,1,2,18446744073709551615,"m",1]',
        b'[2,1,2,3,"m",18446744073709551615]',
        b'[2,1,2,3,"m\\u0000",1]',
        b'[2,1,18446744073709551615,"d"]',
        b'[2,1,2,"d\\u0000"]',
        b'[2,1,2,"d",18446744073709551615]',
        b'[2,1,2,"d",0,[18446744073709551615,"m",1]]',
        b'[2,1,2,"d",0,[1,"m\\u0000",1]]',
        b'[2,1,2,"d",0,[1,"m",18446744073709551615]]',
    ],
)
def test_a_forged_cursor_is_refused(content: bytes) -> None:
    """Sealed as ours are, and still no place in any answer: 400."""
    question = "forged"
    sealed = base64.urlsafe_b64encode(cursors._digest(content, question) + content).decode().rstrip("=")
    for read in (cursors.decode, cursors.decode_spot):
        with pytest.raises(BadRequest, match="does not belong"):
            read(sealed, question)


@pytest.mark.parametrize("device_id", ["unknown", "..", "a b", "%00", "d" * 200, "' OR 1=1 --"])
async def test_a_device_that_is_not_there(api: Api, device_id: str) -> None:
    """404, whatever the name looks like."""
    answer = await api.get(f"/api/v1/devices/{quote(device_id)}/readings")
    assert (answer.status, answer.json["code"]) == (404, "device_not_found")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("start=yesterday", "start"),
        ("start=", "start"),
        ("start=2026-01-01", "start"),
        ("start=-99999999999999h", "start"),
        ("end=99999999999999999999", "end"),
        ("start=now&end=-1h", "start"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=ten", "limit"),
        ("order=up", "order"),
        ("epoch=weeks", "epoch"),
        ("colour=red", "colour"),
        ("metrics=a%00b", "metrics.0"),
        ("metrics=" + "a," * 200, "metrics"),
    ],
)
async def test_a_wrong_parameter_is_named(api: Api, asked: str, field: str) -> None:
    """400, with the parameter."""
    refused = await api.get(f"{PATH}?{asked}")
    assert refused.status == 400, refused.json
    assert field in [detail["field"] for detail in refused.json["details"]]


async def test_a_parameter_given_twice_is_refused(api: Api) -> None:
    """Which of the two was meant is not guessed."""
    refused = await api.get(f"{PATH}?limit=1&limit=2")
    assert (refused.status, refused.json["code"]) == (400, "bad_query")


async def test_a_tenant_sees_only_their_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's device is not there; of a device that changed hands only the readings since."""
    await api.add_user(2)
    await api.add_devices("mine", user_id=2)
    await write(api.store, [reading(1, "mine", user_id=1), reading(2, "mine", user_id=2)])
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    assert (await api.get(PATH)).status == 404
    found = (await api.get("/api/v1/devices/mine/readings")).json["data"]
    assert [one["values"]["temperature"] for one in found] == [2.0]
    assert [device["device_id"] for device in (await api.get("/api/devices")).json] == ["mine"]
