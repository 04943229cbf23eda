"""Devices' credentials on a real Mosquitto: made by a real API, and always what the database says."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.publish
import pytest

from services.api.dynsec import provisioner as module
from services.api.dynsec.commands import Found
from services.api.dynsec.line import CommandRefused, Line
from services.api.dynsec.provisioner import Provisioner
from services.api.resources import KEY
from shared.broker import Backoff, BrokerSettings
from tests.integration.api_rig import Api, opened
from tests.peers.api import ApiProcess
from tests.peers.dynsec import PASSWORD, USER, secured, url
from tests.peers.mosquitto import OPEN, Mosquitto
from tests.peers.mqtt import PUBLISH, Client, connect, publish
from tests.peers.waiting import eventually, eventually_async

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("mosquitto_dynsec")]

PATH = "/api/v1/devices/d1/credentials"
REFUSED = 5


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Backoff", lambda: Backoff(0.05, 0.2))
    monkeypatch.setattr(module, "_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_SOON_S", 0.1)


class Place:
    """An API and a broker, and what the api says of the accounts there."""

    def __init__(self, api: Api, broker: Mosquitto) -> None:
        self.api, self.broker = api, broker

    async def is_(self, state: str, word: str = "") -> None:
        async def look() -> bool:
            seen = self.api.health.snapshot().get("device_accounts")
            return seen is not None and seen.state == state and word in seen.detail

        await eventually_async(look, 20)

    async def made(self, device_id: str = "d1", name: str = "a") -> dict[str, Any]:
        answer = await self.api.post(f"/api/v1/devices/{device_id}/credentials", {"name": name})
        assert answer.status == 201, answer.json
        told: dict[str, Any] = answer.json
        return told

    async def enter(self, credential: dict[str, Any], client_id: str = "d1") -> tuple[Client, int]:
        """A connection, and the code of its CONNACK."""
        client = await Client.open(self.broker.port)
        client.send(connect(client_id, username=credential["username"], password=credential["password"]))
        return client, (await client.receive()).body[1]

    async def refuses(self, credential: dict[str, Any], client_id: str = "d1") -> None:
        async def look() -> bool:
            client, code = await self.enter(credential, client_id)
            client.cut()
            return code == REFUSED

        await eventually_async(look, 10)

    async def accounts(self) -> Found:
        """What the plug-in has of ours."""
        async with aiomqtt.Client("127.0.0.1", self.broker.port, username=USER, password=PASSWORD) as client:
            line = Line(client)
            await line.open()
            hearing = asyncio.create_task(line.hear())
            found = await line.found()
            hearing.cancel()
            return found


@asynccontextmanager
async def running(
    api: Api, broker: Mosquitto, broker_url: str = "", prefixes: Sequence[str] = ("iot/devices",)
) -> AsyncIterator[Place]:
    settings = BrokerSettings(_env_file=None, mqtt_url=broker_url or url(broker))
    provisioner = Provisioner(settings, api.engine, api.health, prefixes)
    told = api.app.extensions[KEY]
    api.app.extensions[KEY] = replace(told, admission=provisioner, registry_changed=lambda *_: provisioner.look())
    task = asyncio.create_task(provisioner.run())
    try:
        yield Place(api, broker)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await Client.cut_all()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        await given.add_devices("d1", "d2")
        yield given


@pytest.fixture
async def place(api: Api, tmp_path: Path) -> AsyncIterator[Place]:
    with secured(tmp_path) as broker:
        async with running(api, broker) as given:
            await given.is_("ok")
            yield given


async def test_a_device_uses_its_own_topics_alone(place: Place) -> None:
    """It publishes and hears there; another device's topics and a wildcard over all are refused."""
    mine, theirs = await place.made("d1"), await place.made("d2")
    assert mine["username"] == "d1~a"
    one, code = await place.enter(mine)
    assert code == 0
    other, _ = await place.enter(theirs, "d2")
    assert [await one.subscribe(topic) for topic in ("iot/devices/d1/errors", "iot/devices/d1/#")] == [0, 0]
    for topic in ("iot/devices/d2/data", "iot/devices/+/data", "#", "telemetrio/#", "$SYS/#", "$CONTROL/#"):
        assert await one.subscribe(topic) == 0x80, topic
    other.send(publish("iot/devices/d1/errors", b"forged", 1))
    await other.receive()  # 3.1.1 acknowledges what it throws away
    one.send(publish("iot/devices/d1/data", b"own"))
    heard = await one.receive()
    assert (heard.kind, heard.payload) == (PUBLISH, b"own")


async def test_a_device_uses_its_own_topics_of_each_worker(api: Api, tmp_path: Path) -> None:
    """Also one whose account is from before there were two: it is mended, under both, and nowhere else."""
    with secured(tmp_path) as broker:
        async with running(api, broker) as place:
            await place.is_("ok")
            made = await place.made("d1")
        async with running(api, broker, prefixes=("iot/devices", "iot/devices-2")) as place:

            async def mended() -> bool:
                roles = (await place.accounts()).roles
                return {acl["topic"] for acl in roles["device/d1"]["acls"]} == {
                    "iot/devices/d1/#",
                    "iot/devices-2/d1/#",
                }

            await eventually_async(mended, 10)
            for device_id, credential in (("d1", made), ("d2", await place.made("d2"))):
                device, _ = await place.enter(credential, device_id)
                for prefix in ("iot/devices", "iot/devices-2"):
                    assert await device.subscribe(f"{prefix}/{device_id}/data") == 0
                    device.send(publish(f"{prefix}/{device_id}/data", b"own"))
                    assert (await device.receive()).payload == b"own"
                for topic in (f"iot/devices-3/{device_id}/data", "iot/devices-2/d3/data", "iot/devices-2/#"):
                    assert await device.subscribe(topic) == 0x80, topic


async def test_nobody_takes_anothers_place(place: Place) -> None:
    """A client id that is not its own, a wrong password, none, a stranger: refused; also the name of a service."""
    made = await place.made()
    wrong = {**made, "password": made["password"][:-1]}
    for credential, client_id in (
        (made, "d2"),
        (made, "telemetrio/ingest"),
        (wrong, "d1"),
        ({**made, "username": "d1"}, "d1"),
    ):
        _, code = await place.enter(credential, client_id)
        assert code == REFUSED


async def test_revoking_disconnects(place: Place) -> None:
    """That device, at once, and it can't come back; one with the device's other credential stays."""
    first, second = await place.made(name="a"), await place.made("d2", "b")
    one, _ = await place.enter(first)
    other, _ = await place.enter(second, "d2")
    assert (await place.api.ask("DELETE", f"{PATH}/a")).status == 204
    await one.closed(10)
    await place.refuses(first)
    await other.ping()
    await place.is_("ok")


async def test_a_disabled_device_is_out_until_it_is_enabled(place: Place) -> None:
    """Its sessions end; its passwords are as good as before afterwards."""
    made = await place.made()
    device, _ = await place.enter(made)
    await place.api.ask("PATCH", "/api/v1/devices/d1", json={"disabled": True})
    await device.closed(10)
    await place.refuses(made)
    await place.api.ask("PATCH", "/api/v1/devices/d1", json={"disabled": False})

    async def admitted() -> bool:
        return (await place.enter(made))[1] == 0

    await eventually_async(admitted, 10)


async def test_a_disabled_device_is_not_let_in_by_a_new_credential(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for a moment, also while nobody compares; enabled, it comes in with it."""
    await place.api.ask("PATCH", "/api/v1/devices/d1", json={"disabled": True})
    told = place.api.app.extensions[KEY]
    monkeypatch.setitem(place.api.app.extensions, KEY, replace(told, registry_changed=lambda *_: None))
    made = await place.made()
    assert (await place.enter(made))[1] == REFUSED
    monkeypatch.setitem(place.api.app.extensions, KEY, told)
    await place.api.ask("PATCH", "/api/v1/devices/d1", json={"disabled": False})

    async def admitted() -> bool:
        return (await place.enter(made))[1] == 0

    await eventually_async(admitted, 10)


async def test_a_deleted_device_leaves_nothing(place: Place) -> None:
    """Its clients and its role go; services and people keep theirs."""
    made = await place.made()
    await place.api.ask("DELETE", "/api/v1/devices/d1")
    await place.refuses(made)

    async def gone() -> bool:
        found = await place.accounts()
        return not found.clients and not found.roles

    await eventually_async(gone, 10)


async def test_no_broker_no_credential(place: Place) -> None:
    """503 with Retry-After, and nothing is left behind; the same request succeeds when it is back."""
    place.broker.kill()
    await place.is_("down")
    refused = await place.api.post(PATH, {"name": "a"})
    assert (refused.status, refused.json["code"], "Retry-After" in refused.headers) == (503, "broker_unavailable", True)
    assert (await place.api.get(PATH)).json == []
    place.broker.start()
    await place.is_("ok")
    _, code = await place.enter(await place.made())
    assert code == 0


async def test_what_happened_while_the_broker_was_away_is_made_up_for(place: Place) -> None:
    """Revoked, disabled and deleted meanwhile; and an account that nobody knows goes, too."""
    kept, revoked = await place.made(name="kept"), await place.made(name="revoked")
    gone = await place.made("d2", "gone")
    place.broker.stop()
    await place.is_("down")
    await place.api.ask("DELETE", f"{PATH}/revoked")
    await place.api.ask("DELETE", "/api/v1/devices/d2")
    place.broker.start()
    await place.is_("ok")

    async def mended() -> bool:
        found = await place.accounts()
        return (set(found.clients), set(found.roles)) == ({"d1~kept"}, {"device/d1"})

    await eventually_async(mended, 10)
    await place.refuses(revoked)
    await place.refuses(gone, "d2")
    assert (await place.enter(kept))[1] == 0


async def test_accounts_that_the_broker_lost_are_told(place: Place, tmp_path: Path) -> None:
    """By name and with the mend; once they are revoked all is well."""
    await place.made()
    place.broker.stop()
    await place.is_("down")
    (tmp_path / "dynamic-security.json").unlink()
    place.broker._config = secured(tmp_path)._config
    place.broker.start()
    await place.is_("degraded", "d1~a")
    await place.api.ask("DELETE", f"{PATH}/a")
    await place.is_("ok")
    assert (await place.enter(await place.made()))[1] == 0


async def test_a_broker_without_the_plugin_says_what_to_do(api: Api, tmp_path: Path) -> None:
    """It is named, and no credential is made."""
    monkey = pytest.MonkeyPatch()
    monkey.setattr(module, "Line", lambda client: Line(client, 0.3))
    with Mosquitto(tmp_path, OPEN) as broker:
        async with running(api, broker, broker.url) as place:
            await place.is_("down", "mosquitto_dynamic_security.so")
            assert (await api.post(PATH, {"name": "a"})).status == 503
    monkey.undo()


async def test_a_command_that_is_refused_is_named(place: Place) -> None:
    """By what it was about, and why."""
    async with aiomqtt.Client("127.0.0.1", place.broker.port, username=USER, password=PASSWORD) as client:
        line = Line(client)
        await line.open()
        hearing = asyncio.create_task(line.hear())
        with pytest.raises(CommandRefused, match="addClientRole d1~a: Client not found"):
            await line.tell({"command": "addClientRole", "username": "d1~a", "rolename": "nobody's"})
        hearing.cancel()


def test_an_api_of_its_own_tells_the_broker(tmp_path: Path) -> None:
    """`telemetrio api` with TELEMETRIO_BROKER_AUTH=dynsec: what it made gets in, and it says how the accounts are."""
    with (
        secured(tmp_path) as broker,
        ApiProcess(tmp_path / "data", TELEMETRIO_MQTT_URL=url(broker), TELEMETRIO_BROKER_AUTH="dynsec") as process,
    ):
        process.ready()
        eventually(lambda: process.dependency("device_accounts") == "ok", 40)
        assert process.post("/api/v1/devices", {"device_id": "d1", "name": "D"}).status == 201
        made = process.post(PATH, {"name": "a"}).json
        paho.mqtt.publish.single(
            "iot/devices/d1/data",
            b"{}",
            qos=1,
            hostname="127.0.0.1",
            port=broker.port,
            client_id="d1",
            auth={"username": made["username"], "password": made["password"]},
        )
