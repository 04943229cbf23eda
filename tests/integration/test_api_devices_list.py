"""GET /api/v1/devices: search, filters, order, pages and steps."""

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.devices import cursor
from services.api.devices.queries import Clock, Filter, all_devices
from services.api.devices.schemas import Devices
from services.api.errors import BadRequest
from shared.database.tables import device_status, devices, latest
from shared.presence import presence
from tests.integration.api_rig import NOON_NS, Api, opened

PATH = "/api/v1/devices"
SECOND = 1_000_000_000


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


def device(device_id: str, **more: Any) -> dict[str, Any]:
    row = {"device_id": device_id, "name": device_id, "user_id": 1, "profile": "environment", "claimed": True}
    return {**row, "disabled": False, "created_ns": NOON_NS, **more}


def newest(device_id: str, seen_ns: int, user_id: int = 1) -> dict[str, Any]:
    row = {"device_id": device_id, "user_id": user_id, "measurement": "sensor_data", "values": {"temperature": 1.0}}
    return {**row, "ts_ns": seen_ns, "seen_ns": seen_ns}


async def ids(api: Api, **asked: Any) -> list[str]:
    answer = await api.get(PATH, query_string=asked)
    assert answer.status == 200, answer.json
    Devices.model_validate(answer.json, extra="forbid")
    found = answer.json if isinstance(answer.json, list) else answer.json["data"]
    return [each["device_id"] for each in found]


async def test_devices_are_found_by_what_they_are(api: Api) -> None:
    """By a part of id or name whatever its case, by profile, owner, claimed, disabled; all at once too."""
    await api.add_user(2)
    await api.fill(
        devices,
        device("kitchen-1", name="Oven"),
        device("hall-1", name="Kitchen door", profile="open"),
        device("knee:7", profile="knee", disabled=True),
        device("walk_in", claimed=False),
        device("other", user_id=2),
    )
    assert await ids(api) == ["kitchen-1", "hall-1", "knee:7", "walk_in", "other"]
    assert await ids(api, q="KITCHEN") == ["kitchen-1", "hall-1"]
    assert await ids(api, q="") == await ids(api)
    assert await ids(api, profile="knee,open") == ["hall-1", "knee:7"]
    assert await ids(api, disabled="true") == ["knee:7"]
    assert await ids(api, claimed="false") == ["walk_in"]
    assert await ids(api, user_id=2) == ["other"]
    assert await ids(api, q="k", claimed="true", disabled="false", profile="environment") == ["kitchen-1"]


async def test_a_search_means_what_it_says(api: Api) -> None:
    """No letter of it is taken for a pattern, nor for SQL."""
    names = ("100%", "a_b", "a/b", "back\\slash", "it's", "plain")
    await api.fill(devices, *(device(f"d{number}", name=name) for number, name in enumerate(names)))
    for number, q in ((0, "%"), (1, "_"), (2, "/"), (3, "\\"), (4, "'")):
        assert await ids(api, q=q) == [f"d{number}"]
    for q in ("' OR 1=1 --", "%'; DROP TABLE devices; --", "$1", ":q", "%%"):
        assert await ids(api, q=q) == []
    assert len(await api.rows("SELECT 1 FROM devices")) == len(names)


async def test_who_is_online_is_the_same_in_the_query_as_in_the_rule(api: Api) -> None:
    """Every mix of word, time of word and time of data: the filter finds exactly those whose `status` says so."""
    now, chance = time.time_ns(), random.Random(7)
    told, seen, said = [], [], []
    words: dict[str, tuple[str, int]] = {}
    heard: dict[str, int] = {}
    for number in range(300):
        device_id = f"d{number}"
        told.append(device(device_id))
        # well away from the limit itself: the query is asked a moment after `now`
        ago = [chance.choice((0, 100, 200, 400, 500)) * SECOND for _ in "ab"]
        if chance.random() < 0.8:
            heard[device_id] = now - ago[0]
            seen.append(newest(device_id, heard[device_id]))
        if chance.random() < 0.8:
            word = chance.choice(("online", "offline", "asleep"))
            words[device_id] = word, now - ago[1]
            said.append({"device_id": device_id, "user_id": 1, "status": word, "ts_ns": now - ago[1]})
    await api.fill(devices, *told)
    await api.fill(latest, *seen)
    await api.fill(device_status, *said)
    for status in ("online", "offline"):
        expected = [
            each["device_id"]
            for each in told
            if presence(words.get(each["device_id"]), heard.get(each["device_id"]), now, 300) == status
        ]
        assert await ids(api, status=status) == expected
    shown = (await api.get(PATH, query_string={"sort": "-status"})).json
    assert [each["status"] for each in shown] == sorted((each["status"] for each in shown), reverse=True)


async def test_the_query_and_the_rule_agree_on_the_last_nanosecond(api: Api) -> None:
    """Heard exactly `offline_after_s` ago is online still; one nanosecond more is not."""
    await api.fill(devices, device("on"), device("off"))
    await api.fill(latest, newest("on", NOON_NS), newest("off", NOON_NS - 1))
    wanted = Filter(None, Clock(NOON_NS + 300 * SECOND, 300.0), status="online")
    rows, _ = await all_devices(api.engine, wanted, "id")
    assert [row.device_id for row in rows] == ["on"]
    assert presence(None, NOON_NS - 1, NOON_NS + 300 * SECOND, 300.0) == "offline"


async def test_devices_come_in_the_order_asked_for(api: Api) -> None:
    """Up and down by each key; without a value last either way; equals by id."""
    await api.fill(
        devices,
        device("b", name="Anna", profile="open", created_ns=3),
        device("a", name="berta", profile="knee", created_ns=1),
        device("c", name="Carl", profile="knee", created_ns=2),
    )
    await api.fill(latest, newest("a", 5), newest("b", 9))
    for sort, expected in {
        "id": "bac",
        "-id": "cab",
        "device_id": "abc",
        "-device_id": "cba",
        "name": "bac",
        "-name": "cab",
        "profile": "acb",
        "-profile": "bca",
        "created_at": "acb",
        "-created_at": "bca",
        "last_seen": "abc",
        "-last_seen": "bac",
    }.items():
        assert "".join(await ids(api, sort=sort)) == expected, sort


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"sort": "name; DROP TABLE devices"}, "sort"),
        ({"sort": "user_id"}, "sort"),
        ({"sort": "--id"}, "sort"),
        ({"status": "asleep"}, "status"),
        ({"claimed": "perhaps"}, "claimed"),
        ({"user_id": 2**63}, "user_id"),
        ({"q": "a\x00b"}, "q"),
        ({"q": "x" * 256}, "q"),
        ({"per_page": 1_001}, "per_page"),
        ({"limit": 0}, "limit"),
        ({"limit": 5, "page": 1}, ""),
        ({"limit": 5, "sort": "name"}, ""),
        ({"cursor": "nonsense"}, "cursor"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_is_wrong_with_a_question_is_said(api: Api, asked: dict[str, Any], field: str) -> None:
    """400 with the field; the table is still there."""
    refused = await api.get(PATH, query_string=asked)
    assert refused.status == 400, refused.json
    assert [detail["field"] for detail in refused.json["details"]] == [field]
    assert await ids(api) == []


async def test_pages_cut_a_list_into_equal_parts(api: Api) -> None:
    """Bare without page; with it in an envelope that knows the total of what matches."""
    await api.add_devices(*(f"d{number}" for number in range(7)), *(f"x{number}" for number in range(3)))
    page = (await api.get(f"{PATH}?q=d&sort=-device_id&page=2&per_page=3")).json
    assert [each["device_id"] for each in page["data"]] == ["d3", "d2", "d1"]
    assert (page["total"], page["page"], page["per_page"]) == (7, 2, 3)
    assert (await api.get(f"{PATH}?page=1000000&per_page=1000")).json["data"] == []
    assert isinstance((await api.get(PATH)).json, list)


async def test_ten_thousand_devices_are_listed_once_while_rows_come_and_go(api: Api) -> None:
    """By cursor, up and down: everybody who was there all the time comes exactly once."""
    there = {f"d{number:05}" for number in range(10_000)}
    await api.add_devices(*sorted(there))
    for sort in ("id", "-id"):
        listed: list[str] = []
        gone: set[str] = set()
        asked: dict[str, Any] = {"limit": 1_000, "sort": sort, "q": "D"}
        while asked.get("cursor", "") is not None:
            answer = (await api.get(PATH, query_string=asked)).json
            listed += [each["device_id"] for each in answer["data"]]
            gone.add(listed[-1])
            await api.ask("DELETE", f"{PATH}/{listed[-1]}")
            await api.add_devices(f"new-d{sort}-{len(listed)}")
            asked["cursor"] = answer["cursor"]
        assert len(listed) == len(set(listed))
        assert there <= set(listed)
        there -= gone


async def test_a_cursor_belongs_to_its_question(api: Api) -> None:
    """Other filters refuse it, another limit does not; a changed or cut one is refused."""
    await api.add_devices("a", "b", "c")
    first = (await api.get(f"{PATH}?limit=1&q=")).json["cursor"]
    assert await ids(api, q="", cursor=first) == ["b", "c"]
    assert await ids(api, q="", cursor=first, limit=1) == ["b"]
    for asked in ({"cursor": first}, {"q": "a", "cursor": first}, {"q": "", "cursor": first[:-1]}):
        assert (await api.get(PATH, query_string=asked)).json["code"] == "bad_cursor"
    for wrong in (b"\xff" * 16, b""):
        with pytest.raises(BadRequest):
            cursor.decode(base64.urlsafe_b64encode(wrong).decode(), "q")
    assert cursor.decode(cursor.encode(2**63 - 1, "q"), "q") == 2**63 - 1


async def test_a_user_lists_their_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every form of the list, whatever is asked; another owner's id finds nothing."""
    await api.add_user(2)
    await api.add_devices("theirs", "walk_in", claimed=False)
    await api.add_devices("mine", user_id=2)
    await api.fill(latest, newest("mine", time.time_ns()))  # what a former owner's device sent
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    for asked in ({}, {"page": 1}, {"limit": 5}, {"q": "e"}, {"claimed": "true"}, {"status": "offline"}):
        assert await ids(api, **asked) == ["mine"], asked
    assert (await api.get(f"{PATH}?page=1")).json["total"] == 1
    assert await ids(api, user_id=1) == await ids(api, claimed="false") == await ids(api, status="online") == []


async def test_many_lists_at_once(api: Api) -> None:
    """Each answers; none waits for ever for a connection."""
    await api.add_devices(*(f"d{number}" for number in range(50)))
    answers = await asyncio.gather(*(api.get(f"{PATH}?per_page=10&page={page}") for page in range(1, 41)))
    assert {answer.status for answer in answers} == {200}
