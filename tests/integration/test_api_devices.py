"""GET and POST /api/devices: seed 001 to the letter, on a real database."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api.compat.schemas import ListedDevice, ListedDevices
from shared.database.tables import device_status, devices, latest
from tests.integration.api_rig import Api, opened


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


def newest(device_id: str, user_id: int = 1, seen_ns: int | None = None, **values: Any) -> dict[str, Any]:
    seen = time.time_ns() if seen_ns is None else seen_ns
    return {
        "device_id": device_id,
        "user_id": user_id,
        "measurement": "sensor_data",
        "ts_ns": seen,
        "seen_ns": seen,
        "values": values,
    }


async def test_the_curl_lines_of_the_seed(api: Api) -> None:
    """Add a device, see it in the list: the answers that the seed's frontend was written for."""
    assert (await api.get("/api/devices")).json == []
    added = await api.post("/api/devices", {"device_id": "test_device", "name": "Test Sensor"})
    assert (added.status, added.json) == (201, {"message": "Device added successfully"})
    listed = await api.get("/api/devices")
    assert listed.status == 200
    assert listed.json == [
        {
            "id": 1,
            "device_id": "test_device",
            "name": "Test Sensor",
            "status": "offline",
            "last_seen": None,
            "temperature": None,
            "humidity": None,
            "pressure": None,
            "values": {},
            "measurement": "sensor_data",
            "profile": "environment",
            "units": {"temperature": "°C", "humidity": "%", "pressure": "hPa"},
            "claimed": True,
        }
    ]


async def test_a_device_shows_its_newest_values(api: Api) -> None:
    """Every metric with its value, the three of the seed also on their own, and that it is online."""
    await api.add_devices("d1", claimed=False)
    await api.fill(
        latest, newest("d1", seen_ns=1_767_268_800_123_456_789, temperature=23.5, humidity=55.0, door=True, mode="eco")
    )
    listed = (await api.get("/api/devices")).json
    ListedDevices.model_validate(listed)
    device = listed[0]
    assert set(device) == set(ListedDevice.model_fields)
    assert device["values"] == {"temperature": 23.5, "humidity": 55.0, "door": True, "mode": "eco"}
    assert (device["temperature"], device["humidity"], device["pressure"]) == (23.5, 55.0, None)
    assert device["last_seen"] == "2026-01-01T12:00:00.123456789Z"
    assert device["claimed"] is False


@pytest.mark.parametrize(("word", "said_before_s", "expected"), [("offline", 0, "offline"), ("offline", 60, "online")])
async def test_status_is_a_word_until_newer_data(api: Api, word: str, said_before_s: int, expected: str) -> None:
    """A last will makes a device offline at once; the next reading makes it online again."""
    now = time.time_ns()
    await api.add_devices("d1")
    await api.fill(latest, newest("d1", seen_ns=now, temperature=1.0))
    said_ns = now - said_before_s * 1_000_000_000
    await api.fill(device_status, {"device_id": "d1", "user_id": 1, "status": word, "ts_ns": said_ns})
    assert (await api.get("/api/devices")).json[0]["status"] == expected


async def test_silence_is_offline(tmp_path: Path) -> None:
    """After offline_after_s without data."""
    async with opened(tmp_path, offline_after_s=10.0) as api:
        await api.add_devices("heard", "silent")
        now = time.time_ns()
        await api.fill(latest, newest("heard"), newest("silent", seen_ns=now - 11_000_000_000))
        listed = (await api.get("/api/devices")).json
    assert [device["status"] for device in listed] == ["online", "offline"]


async def test_what_a_former_owner_measured_stays_unseen(api: Api) -> None:
    """A device that changed hands shows nothing of its past."""
    await api.add_user(2)
    await api.add_devices("sold")
    await api.fill(latest, newest("sold", user_id=2, temperature=99.0))
    await api.fill(device_status, {"device_id": "sold", "user_id": 2, "status": "online", "ts_ns": time.time_ns()})
    device = (await api.get("/api/devices")).json[0]
    assert (device["values"], device["temperature"], device["status"]) == ({}, None, "offline")


async def test_an_id_is_given_once(api: Api) -> None:
    """The second of two gets the seed's 400, and the first one's device stays as it is."""
    await api.post("/api/devices", {"device_id": "d1", "name": "First"})
    again = await api.post("/api/devices", {"device_id": "d1", "name": "Second"})
    assert (again.status, again.json["error"], again.json["code"]) == (400, "Device ID already exists", "device_exists")
    assert again.json["details"][0]["field"] == "device_id"
    assert [device["name"] for device in (await api.get("/api/devices")).json] == ["First"]


async def test_a_device_that_registered_itself_is_named_once(api: Api) -> None:
    """It keeps its profile unless one is given; after that it is somebody's."""
    await api.add_devices("walk_in", claimed=False, profile="knee")
    claimed = await api.post("/api/devices", {"device_id": "walk_in", "name": "Left knee"})
    assert claimed.status == 201
    device = (await api.get("/api/devices")).json[0]
    assert (device["name"], device["claimed"], device["profile"]) == ("Left knee", True, "knee")
    assert (await api.post("/api/devices", {"device_id": "walk_in", "name": "Mine"})).status == 400


async def test_of_many_at_once_one_wins(api: Api) -> None:
    """Twelve add the same device at the same moment: one 201, eleven 400, no 500."""
    asked = [api.post("/api/devices", {"device_id": "d1", "name": f"n{number}"}) for number in range(12)]
    statuses = sorted(answer.status for answer in await asyncio.gather(*asked))
    assert statuses == [201] + [400] * 11
    assert len(await api.rows("SELECT 1 FROM devices")) == 1


async def test_a_profile_decides_what_is_measured(api: Api) -> None:
    """A knee has a measurement of its own and no units."""
    await api.post("/api/devices", {"device_id": "k1", "name": "Knee", "profile": "knee"})
    device = (await api.get("/api/devices")).json[0]
    assert (device["measurement"], device["profile"], device["units"]) == ("knee_data", "knee", {})


@pytest.mark.parametrize(
    ("sent", "field", "said"),
    [
        ({"device_id": "d1"}, "name", "Name is required"),
        ({"device_id": "d1", "name": ""}, "name", "Name is required"),
        ({"device_id": "d1", "name": None}, "name", "Name is required"),
        ({"device_id": "d1", "name": "n" * 256}, "name", "at most 255"),
        ({"device_id": "d1", "name": "a\x00b"}, "name", "NUL"),
        ({"device_id": "d1", "name": 7}, "name", "string"),
        ({"name": "n"}, "device_id", "Device id is required"),
        ({"device_id": "", "name": "n"}, "device_id", "Device id is required"),
        ({"device_id": "a b", "name": "n"}, "device_id", "letters, digits"),
        ({"device_id": "../x", "name": "n"}, "device_id", "letters, digits"),
        ({"device_id": "d1\n", "name": "n"}, "device_id", "letters, digits"),
        ({"device_id": "d" * 129, "name": "n"}, "device_id", "letters, digits"),
        ({"device_id": "d1", "name": "n", "profile": "toaster"}, "profile", "environment, knee, open"),
    ],
)
async def test_what_is_wrong_with_a_device_is_said_by_field(
    api: Api, sent: dict[str, Any], field: str, said: str
) -> None:
    """400 with the field, and nothing is added."""
    refused = await api.post("/api/devices", sent)
    assert (refused.status, refused.json["code"]) == (400, "validation_failed")
    assert [detail["field"] for detail in refused.json["details"]] == [field]
    assert said in refused.json["error"]
    assert await api.rows("SELECT 1 FROM devices") == []


async def test_more_keys_than_known_are_no_mistake(api: Api) -> None:
    """The seed's backend took no notice of them, so its frontends may send them."""
    sent = {"device_id": "d1", "name": "n", "status": "online", "last_seen": None}
    assert (await api.post("/api/devices", sent)).status == 201


async def test_the_owner_is_the_caller(api: Api) -> None:
    """In open mode that is the local admin."""
    await api.post("/api/devices", {"device_id": "d1", "name": "n"})
    assert await api.rows("SELECT user_id FROM devices") == [(1,)]
    assert devices.c.user_id.nullable is False
