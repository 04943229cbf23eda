"""/api/v1/profiles: everybody reads them, administrators write them, devices have them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.profiles.schemas import Profile, Profiles
from shared.database.tables import latest, profiles
from shared.profiles import PROFILES, read_profile
from tests.integration.api_rig import NOON_NS, Api, opened

PATH = "/api/v1/profiles"
BOILER = {
    "name": "boiler",
    "measurement": "boiler_data",
    "metrics": {"pressure": {"unit": "bar", "minimum": 0, "maximum": 16}},
    "open": False,
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


async def test_a_profile_is_made_read_changed_and_deleted(api: Api) -> None:
    """What ingest judges by is what was sent; unset bounds are null."""
    made = await api.post(PATH, BOILER)
    assert made.status == 201
    Profile.model_validate(made.json, extra="forbid")
    metric = {"type": "number", "unit": "bar", "minimum": 0.0, "maximum": 16.0}
    assert made.json == {
        **BOILER,
        "metrics": {"pressure": metric},
        "builtin": False,
        "updated_at": made.json["updated_at"],
    }
    assert (await api.get(f"{PATH}/boiler")).json == made.json
    changed = await api.ask("PATCH", f"{PATH}/boiler", json={"open": True})
    assert {**changed.json, "updated_at": ""} == {**made.json, "open": True, "updated_at": ""}
    changed = await api.put(f"{PATH}/boiler", {**changed.json, "metrics": {"door": {"type": "boolean"}}})
    assert changed.json["metrics"] == {"door": {"type": "boolean", "unit": "", "minimum": None, "maximum": None}}
    ((name, document),) = await api.rows("SELECT name, document FROM profiles")
    kept = document if isinstance(document, dict) else orjson.loads(document)
    assert read_profile(name, kept).metrics["door"].type == "boolean"
    deleted = await api.ask("DELETE", f"{PATH}/boiler")
    assert (deleted.status, deleted.body) == (204, b"")
    for method in ("GET", "DELETE", "PATCH"):
        gone = await api.ask(method, f"{PATH}/boiler", json={"open": True})
        assert (gone.status, gone.json["code"]) == (404, "profile_not_found")


async def test_the_list_begins_with_the_built_in_ones(api: Api) -> None:
    """Then the others by name; in pages if asked."""
    for name in ("zebra", "ant"):
        await api.post(PATH, {"name": name, "measurement": "m"})
    listed = (await api.get(PATH)).json
    Profiles.model_validate(listed, extra="forbid")
    assert [each["name"] for each in listed] == [*PROFILES, "ant", "zebra"]
    assert [each["builtin"] for each in listed] == [True] * 3 + [False] * 2
    page = (await api.get(f"{PATH}?page=2&per_page=2")).json
    assert [each["name"] for each in page["data"]] == ["open", "ant"]
    assert page["total"] == 5


@pytest.mark.parametrize("name", list(PROFILES))
async def test_a_built_in_profile_stays_as_it_is(api: Api, name: str) -> None:
    """409 that says what to do instead."""
    for method in ("PUT", "PATCH", "DELETE"):
        refused = await api.ask(method, f"{PATH}/{name}", json={"open": False})
        assert (refused.status, refused.json["code"]) == (409, "profile_builtin")
        assert "add a profile of another name" in refused.json["error"]
    taken = await api.post(PATH, {"name": name, "measurement": "m"})
    assert (taken.status, taken.json["code"]) == (409, "profile_exists")
    assert await api.rows("SELECT 1 FROM profiles") == []


async def test_a_name_is_given_once(api: Api) -> None:
    """Of eight at once one makes it; the others get 409 and change nothing."""
    asked = (api.post(PATH, {"name": "boiler", "measurement": f"m{number}"}) for number in range(8))
    statuses = sorted(answer.status for answer in await asyncio.gather(*asked))
    assert statuses == [201] + [409] * 7


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"name": "n" * 65}, "name"),
        ({"name": None}, "name"),
        ({"measurement": "no spaces"}, "measurement"),
        ({"measurement": "telemetrio_late"}, "measurement"),
        ({"metrics": {"1st": {}}}, "metrics.1st.[key]"),
        ({"metrics": {"user_id": {}}}, "metrics"),
        ({"metrics": {"word__s": {}}}, "metrics"),
        ({"metrics": {"a": {"type": "integer"}}}, "metrics.a.type"),
        ({"metrics": {"a": {"minimum": 2, "maximum": 1}}}, "metrics.a"),
        ({"metrics": {"a": {"unit": "\x00"}}}, "metrics"),
        ({"metrics": {"a": {"minumum": 2}}}, "metrics.a.minumum"),
        ({"open": "perhaps"}, "open"),
    ],
)
async def test_what_is_wrong_with_a_profile_is_said_by_field(api: Api, sent: dict[str, Any], field: str) -> None:
    """400 where it is made and where it is changed; nothing of it is kept."""
    refused = await api.post(PATH, {**BOILER, **sent})
    assert (refused.status, [each["field"] for each in refused.json["details"]]) == (400, [field]), refused.json
    await api.post(PATH, BOILER)
    before = (await api.get(f"{PATH}/boiler")).json
    if "name" not in sent:
        changed = await api.ask("PATCH", f"{PATH}/boiler", json={"open": True, **sent})
        assert (changed.status, [each["field"] for each in changed.json["details"]]) == (400, [field]), changed.json
    assert (await api.get(f"{PATH}/boiler")).json == before


async def test_a_profile_keeps_its_name(api: Api) -> None:
    """Devices have it by its name; a change must change something else."""
    await api.post(PATH, BOILER)
    renamed = await api.put(f"{PATH}/boiler", {**BOILER, "name": "kettle"})
    assert (renamed.status, renamed.json["details"][0]["field"]) == (400, "name")
    assert (await api.put(f"{PATH}/boiler", {"name": "boiler"})).status == 400


async def test_a_profile_in_use_can_not_be_deleted(api: Api) -> None:
    """409 with how many devices have it; when none has, it goes."""
    await api.post(PATH, BOILER)
    for number in range(2):
        await api.post("/api/v1/devices", {"device_id": f"b{number}", "name": "n", "profile": "boiler"})
    for device_id, left in (("b0", "2 devices have"), ("b1", "1 device has")):
        refused = await api.ask("DELETE", f"{PATH}/boiler")
        assert (refused.status, refused.json["code"]) == (409, "profile_in_use")
        assert left in refused.json["error"]
        await api.ask("PATCH", f"/api/v1/devices/{device_id}", json={"profile": "open"})
    assert (await api.ask("DELETE", f"{PATH}/boiler")).status == 204


async def test_devices_show_what_their_profile_says(api: Api) -> None:
    """Measurement and units of a profile of one's own, in v1 as in the seeds' list, and as it is now."""
    await api.post(PATH, BOILER)
    added = await api.post("/api/devices", {"device_id": "b1", "name": "Boiler", "profile": "boiler"})
    assert added.status == 201
    for path in ("/api/devices", "/api/v1/devices"):
        (device,) = (await api.get(path)).json
        assert (device["measurement"], device["units"]) == ("boiler_data", {"pressure": "bar"})
    await api.ask("PATCH", f"{PATH}/boiler", json={"metrics": {"pressure": {"unit": "kPa"}}})
    assert (await api.get("/api/v1/devices/b1")).json["units"] == {"pressure": "kPa"}
    unknown = await api.post("/api/devices", {"device_id": "b2", "name": "n", "profile": "toaster"})
    assert unknown.json["error"] == "Profile: is one of environment, knee, open, boiler"


async def test_another_measurement_keeps_the_one_before(api: Api) -> None:
    """Each device of the profile remembers where its older readings lie, whoever has it."""
    await api.add_user(2)
    await api.post(PATH, BOILER)
    await api.add_devices("b1", profile="boiler")
    await api.add_devices("b2", profile="boiler", user_id=2)
    await api.add_devices("d1")
    await api.fill(
        latest,
        {"device_id": "b1", "user_id": 1, "measurement": "boiler_data", "ts_ns": 1, "seen_ns": 1, "values": {}},
    )
    for measurement in ("boiler_data", "heat", "heat"):
        assert (await api.ask("PATCH", f"{PATH}/boiler", json={"measurement": measurement})).status == 200
    rows = await api.rows("SELECT device_id, measurement, user_id FROM device_measurements ORDER BY device_id")
    assert [tuple(row) for row in rows] == [("b1", "boiler_data", 1), ("b2", "boiler_data", 2)]


async def test_users_read_profiles_and_admins_write_them(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """403 for a user who tries; a device of theirs may have any profile."""
    await api.post(PATH, BOILER)
    await api.add_user(2)
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    assert len((await api.get(PATH)).json) == 4
    assert (await api.get(f"{PATH}/boiler")).status == 200
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/boiler"), ("DELETE", f"{PATH}/boiler")):
        assert (await api.ask(method, path, json=BOILER)).status == 403
    assert (await api.post("/api/v1/devices", {"device_id": "b", "name": "n", "profile": "boiler"})).status == 201


async def test_a_row_that_is_no_profile_breaks_nothing(api: Api) -> None:
    """Written past this API: it is left out, can be mended by a change or deleted, and its devices are listed."""
    rows: list[dict[str, Any]] = [
        {"name": name, "document": document, "updated_ns": NOON_NS} for name, document in (("odd", []), ("odder", {}))
    ]
    await api.fill(profiles, *rows)
    await api.add_devices("d1", profile="odd")
    await api.add_devices("d2", profile="gone")
    assert [(each["measurement"], each["units"]) for each in (await api.get("/api/devices")).json] == [("", {})] * 2
    assert len((await api.get(PATH)).json) == 3
    assert (await api.get(f"{PATH}/odd")).status == 404
    assert (await api.ask("PATCH", f"{PATH}/odd", json={"open": True})).status == 400
    assert (await api.ask("PATCH", f"{PATH}/odd", json={"measurement": "m"})).json["measurement"] == "m"
    assert (await api.ask("DELETE", f"{PATH}/odder")).status == 204
    assert (await api.ask("PATCH", "/api/v1/devices/d2", json={"profile": "open"})).status == 200
    assert (await api.get(f"{PATH}/%00")).status == 404
