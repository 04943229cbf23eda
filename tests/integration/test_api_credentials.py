"""/api/v1/devices/{device_id}/credentials: made once, shown once, revoked; and a real broker takes them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.credentials.queries import MAX_CREDENTIALS
from services.api.credentials.schemas import Credentials, MadeCredential
from shared.database.credentials import closed_devices, known_credentials
from shared.passwords import password_matches
from tests.integration.api_rig import Api, opened
from tests.peers.mosquitto import Mosquitto
from tests.peers.mqtt import Client, connect

PATH = "/api/v1/devices/d1/credentials"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        await given.add_devices("d1", "d2")
        yield given


async def test_a_password_is_told_once(api: Api) -> None:
    """In the answer that made it; the list has its name, and the database a hash that knows it again."""
    made = await api.post(PATH, {"name": "2026"})
    assert made.status == 201
    MadeCredential.model_validate(made.json, extra="forbid")
    assert (made.json["username"], made.headers["Cache-Control"]) == ("d1", "no-store")
    password = made.json["password"]
    listed = await api.get(PATH)
    Credentials.model_validate(listed.json, extra="forbid")
    assert listed.json == [{name: made.json[name] for name in ("name", "username", "created_at", "last_used_at")}]
    ((kept,),) = await api.rows("SELECT password_hash FROM device_credentials")
    assert password_matches(password.encode(), kept)
    for answer in (listed.body.decode(), kept, str(await api.rows("SELECT * FROM device_credentials"))):
        assert password not in answer


async def test_a_credential_is_revoked(api: Api) -> None:
    """204, then it is gone; a new one of its name has another password."""
    first = (await api.post(PATH, {"name": "a"})).json
    await api.post(PATH, {"name": "b"})
    revoked = await api.ask("DELETE", f"{PATH}/a")
    assert (revoked.status, revoked.body) == (204, b"")
    assert [each["name"] for each in (await api.get(PATH)).json] == ["b"]
    again = await api.ask("DELETE", f"{PATH}/a")
    assert (again.status, again.json["code"]) == (404, "credential_not_found")
    assert (await api.post(PATH, {"name": "a"})).json["password"] != first["password"]
    assert (await api.get("/api/v1/devices/d2/credentials")).json == []


async def test_a_device_has_several_so_that_one_can_be_replaced(api: Api) -> None:
    """Up to ten, each of another name, also when they are made at once."""
    answers = await asyncio.gather(*(api.post(PATH, {"name": f"n{number}"}) for number in range(14)))
    assert sorted(answer.status for answer in answers) == [201] * MAX_CREDENTIALS + [409] * 4
    assert {answer.json.get("code") for answer in answers} == {None, "too_many_credentials"}
    assert len((await api.get(PATH)).json) == MAX_CREDENTIALS
    name = (await api.get(PATH)).json[0]["name"]
    taken = await api.post(PATH, {"name": name})
    assert (taken.status, taken.json["code"]) == (409, "credential_exists")


@pytest.mark.parametrize("name", ["", "a b", "-a", "n" * 65, "a\x00", "a:b", "a$b", None, 7])
async def test_a_name_that_is_none(api: Api, name: object) -> None:
    """400 with the field, and nothing is made."""
    refused = await api.post(PATH, {"name": name})
    assert (refused.status, refused.json["details"][0]["field"]) == (400, "name")
    assert (await api.get(PATH)).json == []


async def test_credentials_belong_to_the_owner(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another tenant neither sees, makes nor revokes them: the device is not there."""
    await api.post(PATH, {"name": "a"})
    await api.add_user(2)
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/a")):
        answer = await api.ask(method, path, json={"name": "b"})
        assert (answer.status, answer.json["code"]) == (404, "device_not_found")
    assert len(await api.rows("SELECT 1 FROM device_credentials")) == 1


@pytest.mark.peer("mosquitto")
async def test_mosquitto_takes_what_is_kept(api: Api, tmp_path: Path) -> None:
    """Each row is a line of a password file as it stands: the password gets in, another one doesn't."""
    password = (await api.post(PATH, {"name": "a"})).json["password"]
    ((kept,),) = await api.rows("SELECT password_hash FROM device_credentials")
    file = tmp_path / "passwords"
    file.write_text(f"d1:{kept}\n")
    file.chmod(0o600)
    with Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {file}\n") as broker:
        for presented, code in ((password, 0), (password[:-1], 5), ("", 5)):
            client = await Client.open(broker.port)
            client.send(connect("c", username="d1", password=presented))
            assert (await client.receive()).body[1] == code
            await Client.cut_all()


async def test_a_broker_is_told_of_hashes_alone(api: Api) -> None:
    """What a broker keeps a copy of lets nobody in, and a revoked one is not among it."""
    await api.add_devices("d9")
    made = [(await api.post("/api/v1/devices/d9/credentials", {"name": name})).json for name in "ab"]
    async with api.engine.connect() as connection:
        known = await known_credentials(connection)
    assert [device_id for device_id, _, _ in known] == ["d9", "d9"]
    assert not {one["password"] for one in made} & {hashed for _, _, hashed in known}
    assert (await api.ask("DELETE", f"/api/v1/devices/d9/credentials/{made[0]['name']}")).status == 204
    async with api.engine.connect() as connection:
        assert len(await known_credentials(connection)) == 1


async def test_a_device_that_had_credentials_is_known_to_need_one(api: Api) -> None:
    """Also when the last is revoked, and when it was given to somebody else; not one that never had any."""
    await api.add_user(2)
    for device_id in ("d1", "d2"):
        await api.post(f"/api/v1/devices/{device_id}/credentials", {"name": "a"})
    await api.ask("DELETE", f"{PATH}/a")
    assert (await api.ask("PATCH", "/api/v1/devices/d2", json={"user_id": 2})).status == 200
    await api.add_devices("d3")
    async with api.engine.connect() as connection:
        assert await known_credentials(connection) == []
        assert sorted(await closed_devices(connection)) == ["d1", "d2"]
