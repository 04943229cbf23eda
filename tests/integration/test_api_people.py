"""Users as the seeds' frontends read and write them, and what their devices measured."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.people.queries import MAX_PROFILE_BYTES, add_user, change_user, get_user, list_users
from services.api.people.schemas import People, UserData
from shared.readings import Reading
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import Unavailable
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, Answer, Api, opened

SECOND = 1_000_000_000


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


def reading(device_id: str, second: int, user_id: int = 1) -> Reading:
    return Reading(device_id, user_id, "sensor_data", NOON_NS + second * SECOND, {"temperature": float(second)})


def told(answer: Answer) -> tuple[int, dict[str, Any]]:
    """Everything that a stranger can see, but for the id of the request."""
    return answer.status, {**answer.json, "request_id": ""}


async def test_a_user_is_made_and_changed(api: Api) -> None:
    """Whatever a frontend keeps of them comes back as it was sent; what isn't given stays, null takes it away."""
    sent = {"name": "Ann", "email": "ann@example.org", "age": 42, "settings": {"dark": True, "units": ["°C"]}}
    made = await api.post("/api/user/7", sent)
    assert (made.status, made.json["message"]) == (201, "User created successfully")
    user = made.json["user"]
    assert user == {**sent, "id": 7, "user_id": 7, "role": "user", "created_at": user["created_at"]}
    changed = await api.post("/api/user/7", {"age": None, "settings": {"dark": False}, "city": "Graz"})
    del user["age"]
    later = {**user, "settings": {"dark": False}, "city": "Graz"}
    assert (changed.status, changed.json) == (200, {"message": "User updated successfully", "user": later})
    assert (await api.get("/api/user/7")).json == {"user": later, "sensor_data": []}
    assert (await api.post("/api/user/7", {"email": ""})).json["user"]["email"] is None


async def test_a_form_may_send_the_whole_user_back(api: Api) -> None:
    """What the server keeps is not taken from it, least of all the role."""
    await api.post("/api/user/7", {"name": "Ann"})
    user = (await api.get("/api/user/7")).json["user"]
    sent = {**user, "name": "Bea", "role": "admin", "id": 1, "user_id": 1, "created_at": "x"}
    assert (await api.post("/api/user/7", sent)).json["user"] == {**user, "name": "Bea"}
    assert await api.rows("SELECT role, profile FROM users WHERE id = 7") == [("user", "{}")]


async def test_a_profile_never_speaks_for_the_server(api: Api) -> None:
    """Whatever got into it, id, role and times are those of the row."""
    claimed = '{"role": "admin", "id": 1, "user_id": 1, "email": "x@y", "created_at": "z"}'
    async with api.engine.begin() as connection:
        await connection.exec_driver_sql(
            f"INSERT INTO users (id, name, created_ns, profile) VALUES (7, 'Ann', {NOON_NS}, '{claimed}')"  # noqa: S608 - ours
        )
    ours = {"id": 7, "user_id": 7, "name": "Ann", "email": None, "role": "user"}
    created = {"created_at": "2026-01-01T12:00:00.000000000Z"}
    assert (await api.get("/api/user/7")).json["user"] == {**ours, **created}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Name is required"),
        ({"age": 1}, "Name is required"),
        ({"name": ""}, "Name is required"),
        ({"name": "n" * 256}, "at most 255"),
        ({"name": "n\x00"}, "NUL"),
        ({"name": "n", "email": "nobody"}, "Email"),
        ({"name": "n", "password": "geheim"}, "password"),
        ({"name": "n", "note": "\x00"}, "NUL"),
        ({"name": "n", "a": {"b": ["\\\x00"]}}, "NUL"),
        ({"name": "n", "note": "x" * MAX_PROFILE_BYTES}, "too large"),
    ],
)
async def test_what_is_wrong_with_a_user_is_said(api: Api, sent: dict[str, Any], said: str) -> None:
    """400 that says the mend; nobody is made."""
    refused = await api.post("/api/user/7", sent)
    assert refused.status == 400, refused.json
    assert said in refused.json["error"]
    assert (await api.get("/api/user/7")).status == 404


async def test_a_profile_that_could_never_be_written_is_refused(api: Api) -> None:
    """Nested as deeply as only a reader can bear."""
    deep = b'{"name": "n", "a": ' + b"[" * 500 + b"]" * 500 + b"}"
    refused = await api.ask("POST", "/api/user/7", data=deep, headers={"Content-Type": "application/json"})
    assert (refused.status, refused.json["code"]) == (400, "validation_failed")
    assert (await api.get("/api/user/7")).status == 404


async def test_many_small_changes_make_no_large_profile(api: Api) -> None:
    """What is kept is bounded, and not only what is sent; nothing of what is refused is kept."""
    half = "x" * (MAX_PROFILE_BYTES // 2)
    await api.post("/api/user/7", {"name": "Ann", "a": half})
    refused = await api.post("/api/user/7", {"name": "Bob", "b": half})
    assert (refused.status, refused.json["code"]) == (400, "validation_failed")
    assert "too large" in refused.json["error"]
    user = (await api.get("/api/user/7")).json["user"]
    assert (user["name"], "b" in user) == ("Ann", False)
    assert (await api.post("/api/user/7", {"a": None, "b": half, "huge": 1e300})).status == 200
    assert (await api.post("/api/user/7", {"c": 1})).status == 200


async def test_a_backslash_is_no_nul(api: Api) -> None:
    """What only looks like one when written as JSON is kept."""
    sent = {"name": "n", "path": "C:\\u0000", "two": "\\\\u0000"}
    user = (await api.post("/api/user/7", sent)).json["user"]
    assert (user["path"], user["two"]) == (sent["path"], sent["two"])


@pytest.mark.parametrize("key", ["0", str(2**53), "9" * 18])
async def test_an_id_that_no_frontend_could_read_is_not_given(api: Api, key: str) -> None:
    """JavaScript would ask for another user with it."""
    assert (await api.post(f"/api/user/{key}", {"name": "n"})).status == 400


@pytest.mark.parametrize("key", ["abc", "999", "-1", "1%20OR%201=1", "9" * 5_000])
@pytest.mark.parametrize("path", ["/api/user", "/api/sensor_data"])
async def test_a_user_who_is_not_there(api: Api, path: str, key: str) -> None:
    """404 `User not found`."""
    answer = await api.get(f"{path}/{key}")
    assert (answer.status, answer.json["error"]) == (404, "User not found")


async def test_of_two_changes_at_once_neither_is_lost(api: Api) -> None:
    """Each takes its own keys into the profile."""
    await api.post("/api/user/7", {"name": "Ann"})
    await asyncio.gather(*(api.post("/api/user/7", {f"k{number}": number}) for number in range(8)))
    user = (await api.get("/api/user/7")).json["user"]
    assert {name: value for name, value in user.items() if name.startswith("k")} == {f"k{n}": n for n in range(8)}


async def test_of_two_at_once_one_makes_the_user(api: Api) -> None:
    """The others change the user who is there by then, or are told."""
    answers = await asyncio.gather(*(api.post("/api/user/7", {"name": f"n{n}"}) for n in range(6)))
    assert sorted(answer.status for answer in answers).count(201) == 1
    assert {answer.status for answer in answers} <= {200, 201, 400}
    row = {"id": 7, "name": "late", "role": "user", "created_ns": 0, "profile": {}}
    assert await add_user(api.engine, row) is None


async def test_an_email_belongs_to_one(api: Api) -> None:
    """Where the database keeps emails apart, a taken one is said; nothing has changed."""
    async with api.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE UNIQUE INDEX one_each ON users (email)")
    await api.post("/api/user/7", {"name": "Ann", "email": "ann@example.org"})
    await api.post("/api/user/8", {"name": "Bea", "email": "bea@example.org"})
    for key in (8, 9):
        taken = await api.post(f"/api/user/{key}", {"name": "Eve", "email": "ann@example.org"})
        assert (taken.status, taken.json["error"]) == (400, "Email already exists")
    assert (await api.get("/api/user/8")).json["user"]["name"] == "Bea"
    assert (await api.get("/api/user/9")).status == 404


async def test_users_are_listed(api: Api) -> None:
    """Bare, or a page of them."""
    for key in (7, 8, 9):
        await api.post(f"/api/user/{key}", {"name": f"n{key}", "age": key})
    bare, page = (await api.get("/api/users")).json, (await api.get("/api/users?page=2&per_page=3")).json
    for answer in (bare, page):
        People.model_validate(answer)
    assert [user["id"] for user in bare] == [1, 7, 8, 9]
    assert (page["data"], page["total"]) == (bare[3:], 4)
    assert bare[3]["age"] == 9


async def test_the_newest_readings_of_all_devices(api: Api) -> None:
    """A thousand, newest first, from however many devices, also from one that has changed hands since."""
    await api.add_devices(*(f"d{number:02}" for number in range(20)))
    await api.add_user(2)
    await api.add_devices("former", user_id=2)
    all_of = [reading(f"d{second % 20:02}", second) for second in range(1_500)]
    strangers = [reading("d00", 5_000, user_id=2), reading("former", 4_000, user_id=2)]
    await write(api.store, [*all_of, reading("former", 3_000), *strangers])
    answer = await api.get("/api/user/1")
    UserData.model_validate(answer.json)
    rows = answer.json["sensor_data"]
    assert rows[0] == {
        "time": "2026-01-01T12:50:00.000000000Z",
        "device_id": "former",
        "measurement": "sensor_data",
        "temperature": 3_000.0,
    }
    assert [row["temperature"] for row in rows[1:]] == [float(second) for second in range(1_499, 500, -1)]
    few = await api.get("/api/sensor_data/1?limit=2")
    assert few.json == {"user": answer.json["user"], "sensor_data": rows[:2]}
    assert (await api.get("/api/sensor_data/1?limit=1001")).status == 400


async def test_a_thousand_devices_are_one_question(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked once for all of them, and never device by device."""
    asked: list[tuple[int, int]] = []
    plain = api.store.newest

    async def counted(owner: int, limit: int) -> Sequence[Reading]:
        asked.append((owner, limit))
        return await plain(owner, limit)

    monkeypatch.setattr(api.store, "newest", counted)
    await write(api.store, [reading(f"d{number}", number) for number in range(1_000)])
    rows = (await api.get("/api/user/1?limit=3")).json["sensor_data"]
    assert [row["device_id"] for row in rows] == ["d999", "d998", "d997"]
    assert asked == [(1, 3)]


async def test_a_metric_called_measurement_hides_nothing(api: Api) -> None:
    """The three names of a row are ours."""
    await api.add_devices("d1")
    await write(api.store, [Reading("d1", 1, "sensor_data", NOON_NS, {"measurement": "fake", "temperature": 1.0})])
    row = (await api.get("/api/user/1")).json["sensor_data"][0]
    assert (row["measurement"], row["temperature"]) == ("sensor_data", 1.0)


async def test_the_store_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 that says so, rather than a user who seems to have no data; who they are can still be asked."""

    async def away(_store: SqliteStore, _owner: int, _limit: int) -> Sequence[Reading]:
        raise Unavailable("down")

    monkeypatch.setattr(SqliteStore, "newest", away)
    await api.add_devices("d1")
    for path in ("/api/user/1", "/api/sensor_data/1"):
        answer = await api.get(path)
        assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
    assert (await api.get("/api/users")).status == 200


async def test_a_user_sees_themselves_alone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else looks like nobody, to read and to write; the list has one entry."""
    await api.add_user(2)
    await api.add_devices("mine", user_id=2)
    await write(api.store, [reading("mine", 1, user_id=2), reading("mine", 2, user_id=1)])
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    assert [user["id"] for user in (await api.get("/api/users")).json] == [2]
    assert (await api.get("/api/users?page=1")).json["total"] == 1
    assert [row["temperature"] for row in (await api.get("/api/user/2")).json["sensor_data"]] == [1.0]
    for path in ("/api/user", "/api/sensor_data"):
        assert told(await api.get(f"{path}/1")) == told(await api.get(f"{path}/999"))
    foreign, nobodys = [await api.post(f"/api/user/{key}", {"name": "x"}) for key in (1, 999)]
    assert told(foreign) == told(nobodys)
    assert foreign.status == 404
    assert (await api.post("/api/user/2", {"name": "me", "role": "admin"})).json["user"]["role"] == "user"
    assert await api.rows("SELECT name, role FROM users ORDER BY id") == [("admin", "admin"), ("me", "user")]


async def test_users_by_tenant(api: Api) -> None:
    """None is an admin's view; an empty list is nobody's."""
    await api.add_user(2)
    found: Sequence[tuple[tuple[int, ...] | None, list[int]]] = [(None, [1, 2]), ((), []), ((2,), [2]), ((3,), [])]
    for tenants, expected in found:
        rows, total = await list_users(api.engine, tenants)
        assert ([row["id"] for row in rows], total) == (expected, len(expected))
    assert await change_user(api.engine, 3, {}, {}) is None
    assert await get_user(api.engine, 3) is None
