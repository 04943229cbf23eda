"""The seeds' own requests, one after the other, and the answers that their frontends were written for."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from shared.database.tables import latest
from shared.readings import Reading
from shared.times import iso_ns
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, Api, opened

JSON = {"Content-Type": "application/json"}
VALUES = {"temperature": 23.5, "humidity": 55.0, "pressure": 1013.25}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


async def send(api: Api, method: str, path: str, text: str) -> tuple[int, Any]:
    """As `curl -X METHOD -H "Content-Type: application/json" -d TEXT` does."""
    answer = await api.ask(method, path, data=text, headers=JSON)
    return answer.status, answer.json


async def measure(api: Api, device_id: str, user_id: int = 1) -> None:
    """What `mosquitto_pub` of seed 001 leads to."""
    seen = {"device_id": device_id, "user_id": user_id, "measurement": "sensor_data", "values": VALUES}
    await api.fill(latest, {**seen, "ts_ns": NOON_NS, "seen_ns": NOON_NS})
    await write(api.store, [Reading(device_id, user_id, "sensor_data", NOON_NS, dict(VALUES))])


async def test_seed_000_a_user_and_their_sensor_data(api: Api) -> None:
    """`response.data.user` and `response.data.sensor_data`, which the Vue component puts into its state."""
    await api.post("/api/devices", {"device_id": "d1", "name": "n"})
    await measure(api, "d1")
    users = await api.get("/api/users")
    assert (users.status, [user["user_id"] for user in users.json]) == (200, [1])
    data = (await api.get("/api/user/1")).json
    assert data.keys() == {"user", "sensor_data"}
    assert data["user"] == users.json[0]
    assert data["user"]["user_id"] == 1
    row = {"time": iso_ns(NOON_NS), "device_id": "d1", "measurement": "sensor_data", **VALUES}
    assert data["sensor_data"] == [row]
    assert (await api.get("/api/sensor_data/1")).json["sensor_data"] == [row]


async def test_seed_000_a_profile_and_its_settings(api: Api) -> None:
    """`POST /api/user/{id}` keeps "user profiles, settings, and other structured data"."""
    sent = '{"name": "Ann", "email": "ann@example.org", "settings": {"theme": "dark"}}'
    status, answer = await send(api, "POST", "/api/user/2", sent)
    assert (status, answer["user"]["settings"]) == (201, {"theme": "dark"})
    assert (await send(api, "POST", "/api/user/2", '{"name": "Bea"}'))[0] == 200
    user = (await api.get("/api/user/2")).json["user"]
    assert (user["name"], user["email"], user["settings"]) == ("Bea", "ann@example.org", {"theme": "dark"})


async def test_seed_000_an_injection_is_an_unknown_user(api: Api) -> None:
    """The seed put the path into its SQL and its InfluxQL."""
    for path in ("/api/user/0%20OR%201=1", "/api/user/1;DROP%20TABLE%20users", "/api/sensor_data/1'%20OR%20'1'='1"):
        assert (await api.get(path)).status == 404
    assert len((await api.get("/api/users")).json) == 1


async def test_seed_001_the_curl_lines_for_devices(api: Api) -> None:
    """Add, add again, list with the newest values: `device.name`, `device.temperature` are what its cards show."""
    sent = '{"device_id": "test_device", "name": "Test Sensor"}'
    assert await send(api, "POST", "/api/devices", sent) == (201, {"message": "Device added successfully"})
    status, taken = await send(api, "POST", "/api/devices", sent)
    assert (status, taken["error"], taken["message"]) == (400, *["Device ID already exists"] * 2)
    await measure(api, "test_device")
    devices = (await api.get("/api/devices")).json
    shown = {name: devices[0][name] for name in ("id", "device_id", "name", "status", "last_seen", *VALUES)}
    seen = {"id": 1, "device_id": "test_device", "name": "Test Sensor", "status": "offline", **VALUES}
    assert shown == {**seen, "last_seen": iso_ns(NOON_NS)}


async def test_seed_001_its_error_handler(api: Api) -> None:
    """`{"error", "status"}` from the server, while its frontend reads `message`."""
    answer = await api.get("/api/nothing")
    assert answer.status == 404
    assert (answer.json["status"], answer.json["error"]) == (404, answer.json["message"])


async def test_seed_003_health(api: Api) -> None:
    """`{"status": "healthy", "version": …}`."""
    answer = await api.get("/api/v1/health")
    assert (answer.status, answer.json) == (200, {"status": "healthy", "version": "1.2.3"})


async def test_seed_003_the_curl_lines_for_items(api: Api) -> None:
    """None, one made, listed, read, changed, deleted."""
    path = "/api/v1/items"
    assert (await api.get(path)).json == []
    status, made = await send(api, "POST", path, '{"name":"Test Item","status":"pending"}')
    defaults = {"description": "", "quantity": 0, "updated_at": None}
    assert status == 201
    assert made == {"id": "1", "name": "Test Item", "status": "pending", "created_at": made["created_at"], **defaults}
    assert (await api.get(path)).json == [made]
    assert (await api.get(f"{path}?status=pending")).json == [made]
    assert (await api.get(f"{path}?status=active")).json == []
    assert (await api.get(f"{path}?status=")).json == [made]
    assert (await api.get(f"{path}/1")).json == made
    status, changed = await send(api, "PUT", f"{path}/1", '{"status":"completed"}')
    assert (status, changed) == (200, {**made, "status": "completed", "updated_at": changed["updated_at"]})
    deleted = await api.ask("DELETE", f"{path}/1")
    assert (deleted.status, deleted.body) == (204, b"")


async def test_seed_003_what_goes_wrong_with_items(api: Api) -> None:
    """In its own words."""
    path = "/api/v1/items"
    status, answer = await send(api, "POST", path, '{"status":"pending"}')
    assert (status, answer["error"]) == (400, "Name is required")
    assert (await send(api, "POST", path, "{}"))[1]["error"] == "Name is required"
    for method in ("GET", "PUT", "DELETE"):
        answer = await api.ask(method, f"{path}/1", json={"name": "n"})
        assert (answer.status, answer.json["error"]) == (404, "Item not found")


async def test_seed_003_its_list_pattern(api: Api) -> None:
    """`{"data", "total", "page", "per_page"}`."""
    made = [(await api.post("/api/v1/items", {"name": f"n{number}"})).json for number in range(3)]
    page = {"data": made, "total": 3, "page": 1, "per_page": 10}
    assert (await api.get("/api/v1/items?page=1&per_page=10")).json == page


async def test_seed_003_orders(api: Api) -> None:
    """Its model: id, internal_number, status, items, created_at, updated_at."""
    await api.post("/api/v1/items", {"name": "Test Item"})
    sent = '{"internal_number": "A-1", "items": [{"item_id": "1", "quantity": 3}]}'
    status, made = await send(api, "POST", "/api/v1/orders", sent)
    assert status == 201
    assert list(made) == ["id", "internal_number", "status", "items", "created_at", "updated_at"]
    assert (made["id"], made["status"], made["items"]) == ("1", "pending", [{"item_id": "1", "quantity": 3}])
    status, taken = await send(api, "POST", "/api/v1/orders", sent)
    assert (status, taken["error"]) == (400, "Internal number already exists")


async def test_a_user_sees_only_what_is_theirs(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same requests by another caller: their own devices, data, items and orders, and nobody else's."""
    await api.add_user(2)
    for key, device_id in ((1, "first"), (2, "second")):
        await api.add_devices(device_id, user_id=key)
        await measure(api, device_id, key)
    await api.post("/api/v1/items", {"name": "admin's"})
    await api.post("/api/v1/orders", {"internal_number": "A-1", "items": [{"item_id": "1"}]})
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    assert [device["device_id"] for device in (await api.get("/api/devices")).json] == ["second"]
    assert [user["id"] for user in (await api.get("/api/users")).json] == [2]
    assert [row["device_id"] for row in (await api.get("/api/sensor_data/2")).json["sensor_data"]] == ["second"]
    for path in ("/api/user/1", "/api/sensor_data/1", "/api/v1/items/1", "/api/v1/orders/1"):
        assert (await api.get(path)).status == 404
    assert ((await api.get("/api/v1/items")).json, (await api.get("/api/v1/orders")).json) == ([], [])
    made = await api.post("/api/v1/items", {"name": "mine"})
    order = {"internal_number": "A-1", "items": [{"item_id": made.json["id"]}]}
    assert (await api.post("/api/v1/orders", order)).status == 201
    taken = await api.post("/api/devices", {"device_id": "first", "name": "mine"})
    assert (taken.status, taken.json["error"]) == (400, "Device ID already exists")
