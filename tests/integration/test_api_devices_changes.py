"""/api/v1/devices, one by one: add, read, change, delete, and what becomes of their readings."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.devices import changes
from services.api.devices.schemas import Device
from services.api.resources import KEY, Resources
from services.ingest.mirror import Mirror
from shared.database.tables import device_credentials, device_measurements, device_status, latest
from shared.readings import Reading
from shared.times import iso_ns
from tests.fakes.batches import write
from tests.fakes.ingest import Bench, delivery
from tests.integration.api_rig import NOON_NS, Api, opened

PATH = "/api/v1/devices"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


def as_user(monkeypatch: pytest.MonkeyPatch, user_id: int) -> None:
    monkeypatch.setattr(auth, "identify", lambda: Caller(user_id, "user"))


def newest(device_id: str, user_id: int = 1) -> dict[str, Any]:
    row = {"device_id": device_id, "user_id": user_id, "measurement": "sensor_data", "values": {"temperature": 1.0}}
    return {**row, "ts_ns": NOON_NS, "seen_ns": NOON_NS}


async def owners_of_readings(api: Api, device_id: str) -> set[tuple[str, int]]:
    rows = await api.rows("SELECT device_id, measurement, user_id FROM device_measurements")
    return {(measurement, user_id) for each, measurement, user_id in rows if each == device_id}


async def temperatures(api: Api, device_id: str) -> list[float]:
    found = await api.get(f"{PATH}/{device_id}/readings")
    assert found.status == 200, found.json
    return [each["values"]["temperature"] for each in found.json["data"]]


async def test_a_device_is_added_and_read(api: Api) -> None:
    """201 with the device as GET tells it: what the seeds' list has, and whose it is, since when, whether disabled."""
    added = await api.post(PATH, {"device_id": "d1", "name": "First", "profile": "knee", "disabled": True})
    assert added.status == 201
    Device.model_validate(added.json, extra="forbid")
    assert added.json == (await api.get(f"{PATH}/d1")).json
    told = {name: added.json[name] for name in ("name", "profile", "measurement", "disabled", "user_id", "claimed")}
    assert told == {
        "name": "First",
        "profile": "knee",
        "measurement": "knee_data",
        "disabled": True,
        "user_id": 1,
        "claimed": True,
    }
    assert added.json["created_at"] > iso_ns(NOON_NS)
    (listed,) = (await api.get("/api/devices")).json
    assert listed == {name: added.json[name] for name in listed}


async def test_an_id_is_given_once(api: Api) -> None:
    """409, whoever has it; the first one's device stays as it is."""
    await api.post(PATH, {"device_id": "d1", "name": "First"})
    again = await api.post(PATH, {"device_id": "d1", "name": "Second", "disabled": True})
    assert (again.status, again.json["code"], again.json["details"][0]["field"]) == (409, "device_exists", "device_id")
    assert (await api.get(f"{PATH}/d1")).json["name"] == "First"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_only_what_is_given_changes(api: Api, method: str) -> None:
    """By PATCH as by PUT; what was read may be sent back whole."""
    await api.add_devices("d1")
    before = (await api.get(f"{PATH}/d1")).json
    changed = await api.ask(method, f"{PATH}/d1", json={"name": "Porch"})
    assert (changed.status, changed.json) == (200, {**before, "name": "Porch"})
    changed = await api.ask(method, f"{PATH}/d1", json={**changed.json, "disabled": True, "id": 99})
    assert changed.json == {**before, "name": "Porch", "disabled": True}
    assert (await api.ask(method, f"{PATH}/d1", json={})).json == changed.json


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"profile": "toaster"}, "profile"),
        ({"profile": "a b"}, "profile"),
        ({"disabled": "perhaps"}, "disabled"),
        ({"user_id": 2}, "user_id"),
        ({"user_id": 0}, "user_id"),
        ({"user_id": 2**63}, "user_id"),
    ],
)
async def test_what_is_wrong_with_a_change_is_said_by_field(api: Api, sent: dict[str, Any], field: str) -> None:
    """400, and nothing of it is done, nor what was right about it."""
    await api.add_devices("d1")
    before = (await api.get(f"{PATH}/d1")).json
    refused = await api.ask("PATCH", f"{PATH}/d1", json={"disabled": True, **sent})
    assert refused.status == 400, refused.json
    assert [detail["field"] for detail in refused.json["details"]] == [field]
    assert (await api.get(f"{PATH}/d1")).json == before


async def test_another_profile_keeps_what_was_measured_before(api: Api) -> None:
    """The old measurement is remembered, so that its readings are still read."""
    await api.add_devices("d1")
    await api.ask("PATCH", f"{PATH}/d1", json={"profile": "knee"})
    assert await owners_of_readings(api, "d1") == {("sensor_data", 1)}
    await api.ask("PATCH", f"{PATH}/d1", json={"profile": "open"})
    await api.ask("PATCH", f"{PATH}/d1", json={"profile": "open", "name": "same"})
    assert await owners_of_readings(api, "d1") == {("sensor_data", 1), ("knee_data", 1)}


async def test_readings_stay_with_whoever_owned_them(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new owner sees none of the old owner's, the old owner still sees theirs and none of the new owner's."""
    await api.add_user(2)
    await api.add_user(3)
    await api.add_devices("d1", user_id=2)
    await write(api.store, [Reading("d1", 2, "sensor_data", NOON_NS, {"temperature": 2.0})])
    given = await api.ask("PATCH", f"{PATH}/d1", json={"user_id": 3})
    assert (given.status, given.json["user_id"]) == (200, 3)
    await write(api.store, [Reading("d1", 3, "sensor_data", NOON_NS + 1, {"temperature": 3.0})])
    for user_id in (2, 3):
        as_user(monkeypatch, user_id)
        assert await temperatures(api, "d1") == [float(user_id)]
    as_user(monkeypatch, 2)
    assert (await api.get(f"{PATH}/d1")).status == 404
    assert (await api.get(PATH)).json == []


async def test_a_former_owner_can_not_speak_for_a_device(api: Api) -> None:
    """Its credentials end when it changes hands, and only then."""
    await api.add_user(2)
    await api.add_devices("d1", "d2")
    row = {"name": "main", "password_hash": "x", "created_ns": NOON_NS}
    await api.fill(device_credentials, {**row, "device": 1}, {**row, "device": 2})
    await api.ask("PATCH", f"{PATH}/d1", json={"user_id": 1, "name": "same owner"})
    assert len(await api.rows("SELECT 1 FROM device_credentials")) == 2
    await api.ask("PATCH", f"{PATH}/d1", json={"user_id": 2})
    assert await api.rows("SELECT device FROM device_credentials") == [(2,)]


async def test_only_an_admin_gives_devices_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own id is no change; another one is 403, whoever has the device."""
    await api.add_user(2)
    await api.add_devices("mine", user_id=2)
    as_user(monkeypatch, 2)
    assert (await api.ask("PATCH", f"{PATH}/mine", json={"user_id": 2})).status == 200
    for asked in (
        await api.ask("PATCH", f"{PATH}/mine", json={"user_id": 1}),
        await api.ask("PATCH", f"{PATH}/unknown", json={"user_id": 1}),
        await api.post(PATH, {"device_id": "new", "name": "n", "user_id": 1}),
    ):
        assert (asked.status, asked.json["code"], asked.json["details"][0]["field"]) == (403, "admin_only", "user_id")
    assert (await api.post(PATH, {"device_id": "new", "name": "n", "user_id": 2})).json["user_id"] == 2


async def test_a_deleted_device_is_gone_and_its_readings_are_not(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """204, then 404; whoever owned it still reads them, nobody else does, and one of the same name starts afresh."""
    await api.add_user(2)
    await api.add_user(3)
    await api.add_devices("d1", user_id=2)
    await api.fill(latest, newest("d1", 2))
    await api.fill(device_status, {"device_id": "d1", "user_id": 2, "status": "online", "ts_ns": NOON_NS})
    await api.fill(device_credentials, {"device": 1, "name": "main", "password_hash": "x", "created_ns": NOON_NS})
    await write(api.store, [Reading("d1", 2, "sensor_data", NOON_NS, {"temperature": 2.0})])
    as_user(monkeypatch, 2)
    deleted = await api.ask("DELETE", f"{PATH}/d1")
    assert (deleted.status, deleted.body) == (204, b"")
    assert (await api.get(f"{PATH}/d1")).status == 404
    assert (await api.ask("DELETE", f"{PATH}/d1")).status == 404
    assert await temperatures(api, "d1") == [2.0]
    for statement in ("SELECT 1 FROM latest", "SELECT 1 FROM device_status", "SELECT 1 FROM device_credentials"):
        assert await api.rows(statement) == []
    as_user(monkeypatch, 3)
    assert (await api.get(f"{PATH}/d1/readings")).status == 404
    again = await api.post(PATH, {"device_id": "d1", "name": "New"})
    assert (again.status, again.json["values"], again.json["last_seen"]) == (201, {}, None)
    assert await temperatures(api, "d1") == []


async def test_ingest_does_not_know_a_deleted_device(api: Api, tmp_path: Path) -> None:
    """Its next message is a dead letter `unknown_device` where such devices are refused."""
    bench = Bench(tmp_path / "ingest")
    await bench.outbox.open()
    bench.registry._newcomer = None  # unknown_devices = refuse
    mirror = Mirror(bench.outbox, bench.registry, api.engine, bench.health)
    await api.post(PATH, {"device_id": "d1", "name": "n"})
    await mirror.load()
    await bench.commit(delivery("d1", {"temperature": 1}))
    assert bench.outbox.books["dead_lettered"] == 0
    await api.ask("DELETE", f"{PATH}/d1")
    await mirror._read_registry()
    await bench.commit(delivery("d1", {"temperature": 1}))
    await mirror.push()
    assert await api.rows("SELECT device_id, code FROM dead_letters") == [("d1", "unknown_device")]
    await bench.outbox.close()


async def test_every_change_is_announced(api: Api) -> None:
    """Ingest and realtime are told each time, and never of what was refused."""
    told: list[str] = []
    given: Resources = api.app.extensions[KEY]
    api.app.extensions[KEY] = type(given)(
        given.settings, given.engine, given.store, given.health, "1", given.web_dir, lambda *_: told.append("changed")
    )
    await api.add_devices("walk_in", claimed=False)
    for method, path, sent in (
        ("POST", PATH, {"device_id": "d1", "name": "n"}),
        ("PATCH", f"{PATH}/d1", {"disabled": True}),
        ("POST", f"{PATH}/walk_in/claim", {}),
        ("DELETE", f"{PATH}/d1", {}),
        ("POST", "/api/v1/profiles", {"name": "p", "measurement": "m"}),
        ("PUT", "/api/v1/profiles/p", {"open": False}),
        ("DELETE", "/api/v1/profiles/p", {}),
    ):
        before = len(told)
        answer = await api.ask(method, path, json=sent)
        assert answer.status < 300, answer.json
        assert len(told) == before + 1, (method, path)
    for method, path, sent in (
        ("POST", PATH, {"device_id": "walk_in", "name": "n"}),
        ("PATCH", f"{PATH}/d1", {"disabled": True}),
        ("POST", f"{PATH}/walk_in/claim", {}),
        ("DELETE", "/api/v1/profiles/knee", {}),
    ):
        before = len(told)
        assert (await api.ask(method, path, json=sent)).status >= 400
        assert len(told) == before, (method, path)


async def test_an_owner_is_somebody(api: Api) -> None:
    """A device is not added for a user that nobody knows."""
    refused = await api.post(PATH, {"device_id": "d1", "name": "n", "user_id": 9})
    assert (refused.status, refused.json["code"]) == (400, "unknown_user")
    assert not await changes.is_unclaimed(api.engine, "d1")
    assert await api.rows("SELECT 1 FROM devices") == []
    assert device_measurements.c.user_id.primary_key
